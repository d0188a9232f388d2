"""Reading sources: each one's items, or why there are none; feeds from the web side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xbot_dagster.domain.content import sources as content
from xbot_dagster.domain.content.sources import Item
from xbot_dagster.errors import SourceError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import fetching
from xbot_dagster.store.sources import Source


@dataclass(frozen=True)
class Reading:
    """What one source said: its items, or why there are none."""

    source: Source
    status: str
    items: tuple[Item, ...] = ()
    etag: str | None = None
    last_modified: str | None = None

    @property
    def ok(self) -> bool:
        return self.status in ("ok", "unchanged")


def read_sources(
    wanted: Sequence[Source],
    settings: Settings,
    *,
    world: Callable[[], str] | None = None,
    resolve: fetching.Resolver = fetching.system_resolver,
) -> list[Reading]:
    """Read sources in their order; feeds from the web side by side."""
    online = [s for s in wanted if s.kind == "feed" and "path" not in s.config]
    places = {s.source: str(s.config.get("url", "")) for s in online}
    if world is not None and any(place.startswith(content.SANDBOX_FEED) for place in places.values()):
        served = f"{world()}/_sandbox/feeds/"
        places = {source: place.replace(content.SANDBOX_FEED, served, 1) for source, place in places.items()}
    answers = fetching.fetch_all(
        [fetching.Wanted(s.source, places[s.source], s.etag, s.last_modified) for s in online],
        timeout_seconds=settings.FEED_TIMEOUT_SECONDS,
        allow_loopback=settings.feed_allow_loopback,
        resolve=resolve,
    )
    fetched = dict(zip((s.source for s in online), answers, strict=True))
    return [_read(source, fetched.get(source.source)) for source in wanted]


def _read(source: Source, fetched: fetching.FetchResult | None) -> Reading:
    try:
        if isinstance(fetched, fetching.Failed):
            return Reading(source, fetched.reason)
        if isinstance(fetched, fetching.Unchanged):
            return Reading(source, "unchanged")
        if isinstance(fetched, fetching.Fetched):
            items = content.parse_feed(fetched.body, source.source, source.config)
            return Reading(source, "ok", tuple(items), fetched.etag, fetched.last_modified)
        if source.kind == "feed":
            return Reading(
                source,
                "ok",
                tuple(content.parse_feed(_file(Path(source.config["path"])), source.source, source.config)),
            )
        if source.kind == "topic_bank":
            return Reading(source, "ok", tuple(content.bank_items(source.config, f"topic bank '{source.source}'")))
        if source.kind == "evergreen":
            return Reading(
                source, "ok", tuple(content.evergreen_items(source.config, f"evergreen source '{source.source}'"))
            )
    except SourceError as error:
        return Reading(source, error.message)
    return Reading(source, "ok")


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > fetching.MAX_FEED_BYTES:
            raise SourceError(f"The feed {path.name} is larger than {fetching.MAX_FEED_BYTES // 1_000_000} MB.")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"The feed {path} cannot be read: {error.strerror}.") from None
