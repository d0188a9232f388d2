"""The bundled feeds: RSS and Atom files whose items appear one by one over the simulated fortnight."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import cache
from importlib import resources
from xml.etree import ElementTree

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from xbot_dagster.sandbox.state import World

ATOM = "{http://www.w3.org/2005/Atom}"
FILES_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)  # the date in the files that stands for the world's first instant

ElementTree.register_namespace("", ATOM.strip("{}"))
router = APIRouter(prefix="/_sandbox/feeds")


@dataclass(frozen=True)
class Rendered:
    body: bytes
    modified: datetime
    media_type: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:20]}"'


@cache
def _file(name: str) -> bytes | None:
    path = resources.files("xbot_dagster.sandbox").joinpath(f"content/feeds/{name}.xml")
    return path.read_bytes() if name.replace("-", "").isalnum() and path.is_file() else None


def names() -> list[str]:
    folder = resources.files("xbot_dagster.sandbox").joinpath("content/feeds")
    return sorted(item.name.removesuffix(".xml") for item in folder.iterdir() if item.name.endswith(".xml"))


def render(name: str, world: World) -> Rendered | None:
    """The feed as it stands at the world's present instant: dates moved to the world's start, later items left out."""
    raw = _file(name)
    if raw is None:
        return None
    shift = datetime.fromtimestamp(world.started_ms / 1000, UTC) - FILES_BEGIN
    now = datetime.fromtimestamp(world.clock.now_ms() / 1000, UTC)
    root = ElementTree.fromstring(raw)
    if root.tag == f"{ATOM}feed":
        modified = _atom(root, shift, now)
        return Rendered(ElementTree.tostring(root, "utf-8", xml_declaration=True), modified, "application/atom+xml")
    modified = _rss(root, shift, now)
    return Rendered(ElementTree.tostring(root, "utf-8", xml_declaration=True), modified, "application/rss+xml")


def _rss(root: ElementTree.Element, shift: timedelta, now: datetime) -> datetime:
    channel = root.find("channel")
    assert channel is not None
    newest = FILES_BEGIN + shift
    for item in channel.findall("item"):
        date = item.find("pubDate")
        assert date is not None
        assert date.text
        moment = parsedate_to_datetime(date.text) + shift
        if moment > now:
            channel.remove(item)
            continue
        newest = max(newest, moment)
        date.text = format_datetime(moment)
    built = channel.find("lastBuildDate")
    if built is not None:
        built.text = format_datetime(newest)
    return newest


def _atom(root: ElementTree.Element, shift: timedelta, now: datetime) -> datetime:
    newest = FILES_BEGIN + shift
    for entry in root.findall(f"{ATOM}entry"):
        dates = [date for tag in ("published", "updated") if (date := entry.find(ATOM + tag)) is not None]
        moments = [datetime.fromisoformat(date.text or "") + shift for date in dates]
        if moments[0] > now:
            root.remove(entry)
            continue
        newest = max(newest, *moments)
        for date, moment in zip(dates, moments, strict=True):
            date.text = moment.isoformat()
    updated = root.find(ATOM + "updated")
    if updated is not None:
        updated.text = newest.isoformat()
    return newest


@router.get("")
async def listing() -> dict[str, list[str]]:
    return {"feeds": [f"/_sandbox/feeds/{name}.xml" for name in names()]}


@router.get("/{name}.xml")
async def feed(request: Request, name: str) -> Response:
    rendered = render(name, request.app.state.world)
    if rendered is None:
        return JSONResponse({"detail": f"there is no feed {name!r}; known are {', '.join(names())}"}, 404)
    modified = rendered.modified.replace(microsecond=0)
    headers = {"etag": rendered.etag, "last-modified": format_datetime(modified.astimezone(UTC), usegmt=True)}
    if _unchanged(request, rendered.etag, modified):
        return Response(status_code=304, headers=headers)
    return Response(rendered.body, media_type=rendered.media_type, headers=headers)


def _unchanged(request: Request, etag: str, modified: datetime) -> bool:
    """If-None-Match decides when it is there, as HTTP demands; else If-Modified-Since."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return etag in [tag.strip().removeprefix("W/") for tag in known.split(",")] or known.strip() == "*"
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return modified <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False
