"""The pages: one shell that the browser code fills, behind the walls that stand before a session that is not in
order."""

import html
import itertools
import json
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.replica.graphql import viewer
from xbot_dagster.sandbox.state import World
from xbot_dagster.sandbox.text import fingerprint
from xbot_dagster.sandbox.world_clock import iso

router = APIRouter()
_loads = itertools.count(1)


@cache
def browser_code() -> tuple[str, str]:
    """(JavaScript, CSS): the numbered files in order, in one closure."""
    folder = resources.files("xbot_dagster.sandbox.replica").joinpath("static")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".js"))
    code = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
    return "(() => {\n" + code + "\n})();\n", folder.joinpath("style.css").read_text(encoding="utf-8")


@cache
def _version() -> str:
    return fingerprint("".join(browser_code()))


def query_id(seed: int) -> str:
    """X rotates these; nothing may depend on one."""
    return fingerprint(f"query{seed}") + "Xq"


def page(
    request: Request, name: str, early: tuple[str, dict[str, Any]] | None = None, status: int = 200, **details: Any
) -> Response:
    """The shell for page `name`, or the wall in front of it. `early` is the read the page starts with."""
    world: World = request.app.state.world
    account = viewer(request)
    if account is None:
        return RedirectResponse("/i/flow/login?redirect_after_login=" + quote(request.url.path, safe=""), 302)
    if world.condition(account.handle) == "locked":
        return RedirectResponse("/account/access", 302)
    details |= {"name": name, **_disturbances(world, account, name, request)}
    spoken = world.faults.standing("locale", account.handle)
    operation, variables = early or ("HomeTimeline", {"count": 20})
    boot = {
        "viewer": {"handle": account.screen_name, "name": account.name, "longPosts": account.long_posts},
        "condition": world.condition(account.handle),
        "queryId": query_id(world.seed),
        "load": f"{next(_loads):x}{world.clock.now_ms():x}",
        "now": iso(world.clock.now_ms()),
        "variables": variables,
        "page": details,
    }
    body = _SHELL.format(
        lang=html.escape(spoken["lang"] if spoken else account.locale),
        boot=json.dumps(boot).replace("<", "\\u003c"),
        operation=operation,
        version=_version(),
    )
    return HTMLResponse(body, status)


def _disturbances(world: World, account: Account, name: str, request: Request) -> dict[str, Any]:
    """What the faults in force do to this load of the page."""
    faults, handle, found = world.faults, account.handle, {}
    if not faults.any():
        return found
    if late := faults.fires("late_hydration", handle):
        found["hydrateMs"] = late["ms"]
    if faults.fires("shell_only", handle) is not None:
        found["shellOnly"] = True
    if overlay := faults.fires("overlay", handle):
        found["overlay"] = overlay["kind"]
    if faults.standing("consent", handle) is not None:
        found["overlay"] = "consent_mask"
    if faults.fires("stale_toast", handle) is not None:
        found["staleToast"] = f"/{account.screen_name}/status/{account.pinned_id}"
    if (
        name == "compose"
        and request.query_params.get("in_reply_to")
        and faults.fires("reply_composer_stuck", handle) is not None
    ):
        found["stuck"] = True
    return found


@router.get("/")
async def root(request: Request) -> Response:
    return RedirectResponse("/home", 302) if viewer(request) else RedirectResponse("/i/flow/login", 302)


@router.get("/home")
async def home(request: Request) -> Response:
    return page(request, "home")


@router.get("/compose/post")
@router.get("/compose/tweet")
async def compose(request: Request) -> Response:
    return page(request, "compose")


@router.get("/notifications")
@router.get("/notifications/mentions")
async def notifications(request: Request) -> Response:
    return page(request, "mentions", ("NotificationsTimeline", {"timeline_type": "Mentions", "count": 20}))


@router.get("/login")
@router.get("/i/flow/login")
async def login(request: Request) -> Response:
    return HTMLResponse(_WALL.format(text="Sign in to X", testid="loginButton", button="Sign in"))


@router.get("/account/access")
async def access(request: Request) -> Response:
    return HTMLResponse(
        _WALL.format(text="Your account has been locked.", testid="ocfEnterTextNextButton", button="Start")
    )


@router.get("/i/status/{post_id}")
@router.get("/{handle}/status/{post_id}")
async def status(request: Request, post_id: str, handle: str = "i") -> Response:
    return _status(request, post_id, analytics=False)


@router.get("/{handle}/status/{post_id}/analytics")
async def analytics(request: Request, handle: str, post_id: str) -> Response:
    return _status(request, post_id, analytics=True)


def _status(request: Request, post_id: str, analytics: bool) -> Response:
    if not post_id.isdecimal() or len(post_id) > 19:
        return page(request, "missing", status=404)
    return page(request, "status", ("TweetDetail", {"focalTweetId": post_id}), id=post_id, analytics=analytics)


@router.get("/{handle}")
async def profile(request: Request, handle: str) -> Response:
    return page(request, "profile", ("UserByScreenName", {"screen_name": handle}), handle=handle, replies=False)


@router.get("/{handle}/with_replies")
async def with_replies(request: Request, handle: str) -> Response:
    return page(request, "profile", ("UserByScreenName", {"screen_name": handle}), handle=handle, replies=True)


_SHELL = """<!DOCTYPE html>
<html lang="{lang}" dir="ltr"><head><meta charset="utf-8"><title>X</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/_sandbox/static/{version}.css"></head>
<body><div id="react-root"></div><div id="layers"></div>
<script>window.__BOOT__ = {boot};
(() => {{
  const b = window.__BOOT__, v = b.variables;
  const url = `/i/api/graphql/${{b.queryId}}/{operation}?variables=${{encodeURIComponent(JSON.stringify(v))}}`;
  if (b.page.name !== "missing") window.__EARLY__ = {{ url, answer: fetch(url) }};
}})();</script>
<script src="/_sandbox/static/{version}.js"></script></body></html>
"""

_WALL = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>X</title><link rel="icon" href="data:,"></head>
<body><main role="main"><h1>{text}</h1><button data-testid="{testid}" type="button">{button}</button></main></body></html>
"""
