"""What a deployment is set up with: the bundled sources, those XBOT_SOURCES names, and the feeds of the sandbox's world."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import NotFound, UsageError
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import ideas, loading, refresh
from xbot_dagster.store import sources
from xbot_dagster.store.cache import Cache


def names(engine: Engine) -> set[str]:
    with engine.begin() as conn:
        return {each.source for each in sources.sources(conn)}


def test_a_sandbox_starts_with_the_bundled_sources_and_a_real_home_with_none(
    engine: Engine, settings: Settings
) -> None:
    with engine.begin() as conn:
        assert loading.install_sources(conn, settings.model_copy(update={"MODE": "shadow"}), "default") == []
    assert names(engine) == set()
    with engine.begin() as conn:
        assert len(loading.install_sources(conn, settings, "default")) == 8
    with engine.begin() as conn:
        sources.set_enabled(conn, "evergreen", False)
        assert loading.install_sources(conn, settings, "default") == [], "a home that has sources keeps its own"


def test_the_list_that_was_asked_for_comes_instead(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("sources:\n  - {name: mine, kind: feed, url: https://example.org/feed}\n")
    own = settings.model_copy(update={"XBOT_SOURCES": str(path)})
    for _ in range(2):
        with engine.begin() as conn:
            loading.install_sources(conn, own, "default")
    assert names(engine) == {"mine"}


def test_the_worlds_feeds_are_found_wherever_it_listens(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache, world: SandboxClient
) -> None:
    with engine.begin() as conn:
        loading.install_sources(conn, settings, "default")
        places = [each.config["url"] for each in sources.sources(conn) if each.kind == "feed"]
    assert all(place.startswith("sandbox:") for place in places), "the port is another one after each start"
    report = refresh.run(engine, clock, settings, cache, world=lambda: world.url)
    assert (report.failed, report.duplicates) == ((), 0)
    assert 20 <= report.new == report.queue_depth <= 40
    again = refresh.run(engine, clock, settings, cache, world=lambda: world.url)
    assert (again.new, again.queue_depth) == (0, report.queue_depth)


def test_without_the_world_its_feeds_fail_with_a_reason(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache
) -> None:
    with engine.begin() as conn:
        loading.install_sources(conn, settings, "default")
    failed = refresh.run(engine, clock, settings, cache).failed
    assert {each.status for each in failed} == {"its address does not begin with http:// or https://"}


@pytest.mark.parametrize(
    ("title", "topic", "account", "error"),
    [
        ("  ", "reading", "default", UsageError),
        ("x" * 300, "reading", "default", UsageError),
        ("Reading aloud", "??", "default", UsageError),
        ("Reading aloud", "reading", "nobody", NotFound),
    ],
)
def test_an_idea_that_cannot_be_kept_is_one_sentence(
    engine: Engine,
    clock: FixedClock,
    settings: Settings,
    cache: Cache,
    title: str,
    topic: str,
    account: str,
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        ideas.add(engine, clock, settings, cache, account, title, topic=topic)


def test_an_idea_is_kept_once(engine: Engine, clock: FixedClock, settings: Settings, cache: Cache) -> None:
    assert ideas.add(engine, clock, settings, cache, "default", "Reading aloud", topic="Deep Reading")
    assert not ideas.add(engine, clock, settings, cache, "default", " reading ALOUD ", topic="deep-reading")
    assert len(cache.queue("default")) == 1
