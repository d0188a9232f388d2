"""Refresh: real feeds over HTTP from a local server, real Postgres and Valkey."""

from email.utils import format_datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text
from werkzeug import Request, Response

from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import SourceError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import loading, refresh
from xbot_dagster.store import sources as source_store
from xbot_dagster.store.cache import Cache, rebuild

SOURCES = """
sources:
  - name: bank
    kind: topic_bank
    weight: 2
    cooldown_days: 5
    topics:
      - topic: sleep
        angles: [why naps work, a dark bedroom, one alarm only]
      - topic: walking
        angles: [walk after lunch, shoes by the door]
"""


def rss(clock: FixedClock, titles: list[str], link: str = "https://example.org/a") -> str:
    date = format_datetime(clock.now())
    items = "".join(
        f"<item><title>{t}</title><link>{link}</link><description>About it</description><pubDate>{date}</pubDate></item>"
        for t in titles
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{items}</channel></rss>'


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "sources.yaml"
    path.write_text(SOURCES)
    return path


def test_a_second_run_adds_nothing_and_redis_mirrors_postgres(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache, bank: Path
) -> None:
    with engine.begin() as conn:
        loading.load_sources(conn, bank, "default")
    first = refresh.run(engine, clock, settings, cache)
    second = refresh.run(engine, clock, settings, cache)
    assert (first.new, first.duplicates) == (5, 0)
    assert (second.new, second.duplicates, second.queue_depth) == (0, 5, 5)
    assert len(cache.queue("default")) == 5
    assert len(cache.scan("content_hash:sha256:*")) == 5
    assert cache.scan() == [key for key in cache.scan() if key.startswith(cache.prefix)]
    cache.clear()
    with engine.begin() as conn:
        assert rebuild(conn, cache)["queue"] == 5
    assert len(cache.queue("default")) == 5


def test_without_redis_nothing_is_lost(engine: Engine, clock: FixedClock, settings: Settings, bank: Path) -> None:
    with engine.begin() as conn:
        loading.load_sources(conn, bank, "default")
    gone = Cache("redis://127.0.0.1:9/0", "t:")
    assert refresh.run(engine, clock, settings, gone).new == 5
    assert gone.get("default", "anything") is None


def test_a_feed_is_fetched_conditionally(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache, httpserver: HTTPServer
) -> None:
    asked: list[str | None] = []

    def answer(request: Request) -> Response:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == '"v1"':
            return Response(status=304)
        return Response(rss(clock, ["A first headline", "Another headline"]), headers={"ETag": '"v1"'})

    httpserver.expect_request("/feed").respond_with_handler(answer)
    with engine.begin() as conn:
        loading.load_sources(conn, httpserver.url_for("/feed"), "default")
    assert refresh.run(engine, clock, settings, cache).new == 2
    again = refresh.run(engine, clock, settings, cache)
    assert asked == [None, '"v1"']
    assert again.sources[0].status == "unchanged"


def test_one_bad_feed_costs_the_others_nothing(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache, httpserver: HTTPServer, bank: Path
) -> None:
    httpserver.expect_request("/html").respond_with_data(
        "<html><body>Not a feed</body></html>", content_type="text/html"
    )
    httpserver.expect_request("/gone").respond_with_data("", status=410)
    with engine.begin() as conn:
        loading.load_sources(conn, bank, "default")
        loading.load_sources(conn, httpserver.url_for("/html"), "default")
        loading.load_sources(conn, httpserver.url_for("/gone"), "default")
    report = refresh.run(engine, clock, settings, cache)
    assert report.new == 5
    assert sorted(source.status.split(":")[0] for source in report.failed)[0] == "HTTP 410"
    assert len(report.failed) == 2
    with engine.begin() as conn:
        assert [s.failures for s in source_store.sources(conn) if s.kind == "feed"] == [1, 1]


def test_used_items_of_a_bank_come_back_after_their_cooldown(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache, bank: Path
) -> None:
    from datetime import timedelta

    with engine.begin() as conn:
        loading.load_sources(conn, bank, "default")
    refresh.run(engine, clock, settings, cache)
    with engine.begin() as conn:
        conn.execute(text("UPDATE content_candidates SET state = 'used', updated_at = xbot_now()"))
    clock.set(clock.now() + timedelta(days=4))
    assert refresh.run(engine, clock, settings, cache).queue_depth == 0
    clock.set(clock.now() + timedelta(days=1, minutes=1))
    assert refresh.run(engine, clock, settings, cache).revived == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sources: [", "not valid YAML"),
        ("sources: 7", "list named 'sources'"),
        ("sources: [{name: A B}]", "needs a 'name'"),
        ("sources: [{name: a, kind: nope}]", "unknown kind"),
        ("sources: [{name: a, kind: feed}]", "needs a 'url'"),
        ("sources: [{name: a, kind: feed, url: missing.xml}]", "neither a web address nor a file"),
        ("sources: [{name: a, kind: topic_bank}]", "list 'topics'"),
        ("sources: [{name: a, kind: manual}, {name: a, kind: manual}]", "twice"),
        ("sources: [{name: a, kind: manual, weight: heavy}]", "weight"),
    ],
)
def test_a_broken_list_is_one_sentence_and_loads_nothing(
    engine: Engine, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(content)
    with pytest.raises(SourceError, match=message), engine.begin() as conn:
        loading.load_sources(conn, path, "default")
    with engine.begin() as conn:
        assert source_store.sources(conn) == []
