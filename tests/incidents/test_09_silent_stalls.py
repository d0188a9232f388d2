"""Incident 9: the earlier system stood still for 120, 19 and 5 hours and nobody knew why.

Each dependency is taken away; four hours later there is an alert that names it, and the health command says unhealthy.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from tests import operations_world
from xbot_dagster.clock import FixedClock
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import alerts as stage
from xbot_dagster.stages import controls, health
from xbot_dagster.stages.notifying import AppriseNotifier
from xbot_dagster.store import browse, config, ticks
from xbot_dagster.store.cache import Cache

Break = Callable[[Connection, Settings], object]


def _sql(statement: str) -> Break:
    return lambda conn, _: conn.execute(text(statement))


BREAKS: dict[str, tuple[Break, str]] = {
    "the session ends": (_sql("UPDATE accounts SET session_state = 'expired'"), "the session is expired"),
    "the circuit opens": (
        _sql("UPDATE accounts SET circuit_state = 'open', circuit_reason = 'X answered 226'"),
        "the account's circuit is open (X answered 226)",
    ),
    "a post stays in doubt": (
        _sql("UPDATE content_metadata SET status = 'in_doubt' WHERE decision_id = (SELECT decision_id FROM content_metadata "
             "WHERE status = 'queued' ORDER BY scheduled_at LIMIT 1)"),
        "1 post in doubt",
    ),
    "nobody approves": (
        _sql("UPDATE content_metadata SET status = 'awaiting_approval', approval_required = true WHERE status = 'queued'"),
        "waiting for approval",
    ),
    "the sources run dry": (
        _sql("UPDATE content_metadata SET status = 'cancelled' WHERE status IN ('queued', 'awaiting_approval')"),
        "there is nothing to write about",
    ),
    "the LLM circuit opens": (
        _sql("UPDATE content_metadata SET status = 'cancelled' WHERE status IN ('queued', 'awaiting_approval'); "
             "UPDATE budget_days SET circuit_open = true, circuit_reason = 'insufficient_quota' "
            "WHERE budget_day = xbot_now()::date"),
        "today's LLM circuit is open (insufficient_quota)",
    ),
}  # fmt: skip


@pytest.fixture
def busy(engine: Engine, clock: FixedClock) -> None:
    """An account in full swing: it posts, its queue is full, its sensors tick."""
    with engine.begin() as conn:
        operations_world.fill(conn, clock.now(), days=2, per_day=12)


def tick(engine: Engine) -> None:
    with engine.begin() as conn:
        ticks.record(conn, "due_posts", "sensor", skipped="a test")


def four_hours_later(engine: Engine, clock: FixedClock, settings: Settings, *, ticking: bool = True) -> list[str]:
    """Messages of the open alerts after hours without a post."""
    clock.sleep(timedelta(hours=5).total_seconds())
    if ticking:
        tick(engine)
    stage.run(engine, clock, settings, AppriseNotifier(settings))
    with engine.begin() as conn:
        return [a.message for a in browse.alerts(conn, ["open"], None, 50) if a.rule == "post_overdue"]


@pytest.mark.usefixtures("busy")
def test_in_full_swing_there_is_no_alert(engine: Engine, clock: FixedClock, settings: Settings) -> None:
    tick(engine)
    stage.run(engine, clock, settings, AppriseNotifier(settings))
    with engine.begin() as conn:
        assert browse.alerts(conn, ["open"], None, 50) == []


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("name", BREAKS)
def test_each_lost_dependency_is_named(
    name: str, engine: Engine, clock: FixedClock, settings: Settings, cache_url: str
) -> None:
    break_it, cause = BREAKS[name]
    with engine.begin() as conn:
        break_it(conn, settings)
    messages = four_hours_later(engine, clock, settings)
    assert len(messages) == 1
    assert "has not posted for" in messages[0]
    assert cause in messages[0]
    found = health.read(engine, clock, settings, Cache(cache_url, "stalls:"))
    assert not found.healthy
    assert any(cause in problem for problem in found.problems)


@pytest.mark.usefixtures("busy")
def test_a_dead_daemon_is_seen_from_outside_the_daemon(
    engine: Engine, clock: FixedClock, settings: Settings, cache_url: str
) -> None:
    tick(engine)
    assert stage.watch(engine, clock, settings, AppriseNotifier(settings)) is None
    clock.sleep(timedelta(hours=5).total_seconds())
    report = stage.watch(engine, clock, settings, AppriseNotifier(settings))
    assert report is not None
    with engine.begin() as conn:
        found = {a.rule: a.message for a in browse.alerts(conn, ["open"], None, 50)}
    assert "no sensor has ticked since" in found["loop_stalled"]
    assert "the last tick was 5 h ago" in found["post_overdue"]
    assert not health.read(engine, clock, settings, Cache(cache_url, "stalls:")).healthy
    assert stage.watch(engine, clock, settings, AppriseNotifier(settings)) is None
    tick(engine)
    stage.run(engine, clock, settings, AppriseNotifier(settings))
    with engine.begin() as conn:
        assert "loop_stalled" not in {a.rule for a in browse.alerts(conn, ["open"], None, 50)}


@pytest.mark.usefixtures("busy")
def test_standing_still_on_purpose_is_no_alarm_but_is_explained(
    engine: Engine, clock: FixedClock, settings: Settings, tmp_path: Path
) -> None:
    controls.stop(engine, settings, ("posting",), actor="ada")
    assert four_hours_later(engine, clock, settings) == []
    controls.resume(engine, settings, ("posting",), actor="ada")
    off = load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo", "POSTING_DISABLED": "true"})
    assert four_hours_later(engine, clock, off) == []
    with engine.begin() as conn:
        config.write(conn, settings, "learning_config", "post_fraction", 0)
    assert four_hours_later(engine, clock, settings) == []


@pytest.mark.usefixtures("busy")
def test_redis_and_database_down_are_unhealthy(
    engine: Engine, clock: FixedClock, settings: Settings, cache_url: str
) -> None:
    tick(engine)
    fine = health.read(engine, clock, settings, Cache(cache_url, "stalls:"))
    assert fine.healthy, fine.problems
    assert not health.read(engine, clock, settings, Cache("redis://127.0.0.1:9/0", "stalls:")).healthy
    down = health.read(None, clock, settings, Cache(cache_url, "stalls:"), why_down="no answer")
    assert not down.healthy
    assert "DB:❌" in health.line(down)
    assert replace(fine, problems=()).healthy
