"""Incident 19: observability that lies. No figure is a literal: each moves when, and only when, its rows move.

That each equals a recount of the tables is tests/integration/api/test_figures.py.
"""

import math
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, text

from tests import operations_world
from xbot_dagster.clock import FixedClock
from xbot_dagster.store import alerts

pytest_plugins = ("tests.operations_api",)
PATHS = ("/api/learning/status", "/api/growth", "/api/metrics")

# What is done to the tables, and the figures that must move with it.
MOVES: dict[str, tuple[str, set[str]]] = {
    "a follower snapshot": (
        "UPDATE follower_snapshots SET followers = 5000 WHERE taken_at = (SELECT max(taken_at) FROM follower_snapshots)",
        {"followers_today", "followers_24h", "followers_7d"},
    ),
    "follows of the measured posts": (
        "UPDATE outcomes SET follows = follows + 3, fpki = fpki * 2 WHERE follows IS NOT NULL",
        {"fpki_avg_7d", "top_posts_by_follows"},
    ),
    "impressions": ("UPDATE outcomes SET impressions = impressions + 7", {"impressions_7d", "top_posts_by_follows"}),
    "engagement": ("UPDATE outcomes SET er_calculated = er_calculated / 2", {"avg_er_7d"}),
    "rewards of replies": (
        "UPDATE outcomes o SET reward_composite = reward_composite + 1 FROM content_metadata c "
        "WHERE c.decision_id = o.decision_id AND c.decision_type = 'reply'",
        {"avg_reward_7d", "reply_uplift_pct"},
    ),
    "novelty": ("UPDATE content_metadata SET novelty = novelty / 2", {"novelty_avg_7d"}),
    "a deleted outcome": (
        "DELETE FROM outcomes WHERE ctid = (SELECT ctid FROM outcomes WHERE collected_pass = 1 "
        "AND collected_at < xbot_now() - interval '8 days' ORDER BY collected_at DESC LIMIT 1)",
        {"totalOutcomes", "simulatedOutcomes"},
    ),
    "a real outcome": (
        "UPDATE outcomes SET simulated = false WHERE ctid = (SELECT ctid FROM outcomes ORDER BY collected_at DESC LIMIT 1)",
        {"realOutcomes", "simulatedOutcomes"},
    ),
    "an arm": ("UPDATE bandit_arms SET successes = successes + 1 WHERE arm_name = 'story'", {"arms"}),
    "training": ("UPDATE bandit_arms SET last_updated = xbot_now() WHERE arm_name = 'story'", {"lastTrainedAt"}),
    "a promotion": (
        "UPDATE predictor_versions SET state = CASE version WHEN 2 THEN 'retired' WHEN 3 THEN 'champion' ELSE state END",
        {"predictorVersion"},
    ),
    "the policy flag": (
        "UPDATE bot_config SET config_value = jsonb_set(config_value, '{learning_engine_v2}', 'false') "
        "WHERE config_key = 'feature_flags'",
        {"policy"},
    ),
    "epsilon": (
        "UPDATE bot_config SET config_value = jsonb_set(config_value, '{epsilon}', '0.3') "
        "WHERE config_key = 'learning_config'",
        {"exploreRate"},
    ),
    "spend": (
        "UPDATE budget_days SET settled_usd = settled_usd + 1, reserved_usd = 0.5",
        {"budgetStatus"},
    ),
    "a failed call": (
        "INSERT INTO api_usage (account, purpose, model, budget_day, state, reserved_usd, simulated) "
        "SELECT 'default', 'x', 'y', xbot_now()::date, 'released', 0, true",
        {"openaiCalls_total", "openaiCalls_failed"},
    ),
    "a cost": (
        "UPDATE api_usage SET cost_usd = cost_usd + 1 WHERE id = (SELECT max(id) FROM api_usage WHERE budget_day = "
        "xbot_now()::date)",
        {"daily_cost_usd"},
    ),
    "a cost of X": (
        "INSERT INTO api_usage (account, provider, purpose, model, budget_day, state, reserved_usd, cost_usd, simulated) "
        "SELECT 'default', 'x', 'post', 'x-api', xbot_now()::date, 'settled', 0, 0.015, true",
        {"daily_x_cost_usd"},
    ),
    "a cancelled decision": (
        "UPDATE content_metadata SET status = 'cancelled' WHERE ctid = (SELECT ctid FROM content_metadata "
        "WHERE status = 'queued' LIMIT 1)",
        {"postsQueued"},
    ),
    "a doubt": (
        "UPDATE content_metadata SET status = 'in_doubt' WHERE ctid = (SELECT ctid FROM content_metadata "
        "WHERE status = 'awaiting_approval' LIMIT 1)",
        {"posts_in_doubt"},
    ),
    "a post moved out of the window": (
        "UPDATE posted_decisions SET posted_at = posted_at - interval '5 hours' WHERE ctid = "
        "(SELECT ctid FROM posted_decisions ORDER BY posted_at DESC LIMIT 1)",
        {"postsPosted_4h"},
    ),
}


def flat(document: dict[str, Any]) -> dict[str, Any]:
    found = dict(document)
    found.update(found.pop("engagement_summary", {}))
    return found


def figures(local: TestClient) -> dict[str, Any]:
    return {name: value for path in PATHS for name, value in flat(local.get(path).json()).items()}


@pytest.fixture
def filled(engine: Engine, clock: FixedClock) -> None:
    with engine.begin() as conn:
        operations_world.fill(conn, clock.now(), per_day=12)


def differs(one: Any, two: Any) -> bool:
    """A changed row moves on its page, and with it the order in which an average adds up: the last bit says nothing."""
    if isinstance(one, float) and isinstance(two, float):
        return not math.isclose(one, two, rel_tol=1e-12)
    return bool(one != two)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("name", MOVES)
def test_a_figure_moves_with_its_rows_and_no_other_does(name: str, local: TestClient, engine: Engine) -> None:
    statement, expected = MOVES[name]
    before = figures(local)
    with engine.begin() as conn:
        conn.execute(text(statement))
    after = figures(local)
    assert {key for key in before if differs(before[key], after[key])} == expected


@pytest.mark.usefixtures("filled")
def test_every_figure_of_the_three_endpoints_is_covered(local: TestClient, engine: Engine) -> None:
    covered = {figure for _, moved in MOVES.values() for figure in moved} | {"total_posts_7d", "alerts_open"}
    assert set(figures(local)) == covered

    def change(conn: Connection) -> None:
        alerts.raise_alert(conn, "test", "x", "info", "x")
        latest = "SELECT decision_id FROM posted_decisions ORDER BY posted_at LIMIT 1"
        conn.execute(
            text(
                f"UPDATE posted_decisions SET posted_at = xbot_now() - interval '6 days' WHERE decision_id = ({latest})"
            )
        )

    before = figures(local)
    with engine.begin() as conn:
        change(conn)
    after = figures(local)
    assert after["alerts_open"] == before["alerts_open"] + 1
    assert after["total_posts_7d"] == before["total_posts_7d"] + 1


@pytest.mark.usefixtures("filled")
def test_time_alone_moves_the_windows(local: TestClient, clock: FixedClock) -> None:
    before = figures(local)
    clock.sleep(timedelta(days=9).total_seconds())
    after = figures(local)
    assert after["total_posts_7d"] == 0
    assert after["followers_24h"] is None
    assert after["exploreRate"] < before["exploreRate"]
    assert after["totalOutcomes"] == before["totalOutcomes"]
