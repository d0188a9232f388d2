"""Two simulated days of the whole loop through real Chromium, judged by the replica's own ledger."""

import json

import pytest

from xbot_dagster.resources.opening import opened
from xbot_dagster.resources.world import world
from xbot_dagster.runner import Runner

from .conftest import Rehearsed

pytestmark = pytest.mark.browser

# Tables whose every row names the Dagster run that wrote it (others hold what people or the set-up wrote).
STAMPED = (
    "content_candidates",
    "content_metadata",
    "decision_choices",
    "decision_parts",
    "gate_verdicts",
    "drafts",
    "posting_attempts",
    "post_slots",
    "live_fingerprints",
    "posted_decisions",
    "outcomes",
    "outcome_rewards",
    "follower_snapshots",
    "post_features",
    "bandit_arms",
    "learning_ledger",
    "predictor_versions",
    "api_usage",
)


def test_what_we_say_is_live_is_what_is_live(browser_rehearsal: Rehearsed) -> None:
    with opened(browser_rehearsal.settings) as deployment:
        ledger = world(deployment).ledger(handle="xbot_demo")
    ours = {
        row.tweet_id for row in browser_rehearsal.rows("SELECT tweet_id FROM decision_parts WHERE tweet_id IS NOT NULL")
    }
    assert len(ours) >= 15
    assert ledger["duplicates"] == 0
    assert {str(post["id"]) for post in ledger["posts"]} == ours
    assert browser_rehearsal.value("SELECT count(*) FROM posted_decisions") == browser_rehearsal.value(
        "SELECT count(*) FROM content_metadata WHERE status = 'posted'"
    )
    assert browser_rehearsal.value("SELECT count(*) FROM posting_attempts WHERE state IN ('armed', 'in_doubt')") == 0


def test_every_post_a_day_old_has_both_passes(browser_rehearsal: Rehearsed) -> None:
    missing = browser_rehearsal.rows(
        """SELECT p.decision_id FROM posted_decisions p WHERE p.posted_at <= cast(:until AS timestamptz) - interval '24 hours'
           AND (SELECT count(*) FROM outcomes o WHERE o.decision_id = p.decision_id AND o.collected_pass IN (1, 2)) <> 2""",
        until=browser_rehearsal.record.until,
    )
    assert missing == []
    assert (
        browser_rehearsal.value("SELECT count(*) FROM outcomes WHERE impressions IS NULL OR read_status <> 'ok'") == 0
    )


def test_every_row_names_a_stored_run_that_a_sensor_or_schedule_started(browser_rehearsal: Rehearsed) -> None:
    from xbot_dagster.definitions import build_definitions

    with Runner(browser_rehearsal.settings, build_definitions(browser_rehearsal.settings)) as runner:
        runs = {run.run_id: run.tags for run in runner.instance.get_runs()}
    started = {i for i, tags in runs.items() if "dagster/sensor_name" in tags or "dagster/schedule_name" in tags}
    for table in STAMPED:
        rows = browser_rehearsal.rows(f"SELECT run_id FROM {table}")
        assert rows, f"{table} is empty after two days"
        assert {row.run_id for row in rows} <= started, table


def test_everything_is_marked_simulated(browser_rehearsal: Rehearsed) -> None:
    for table in (
        "content_metadata",
        "posted_decisions",
        "outcomes",
        "follower_snapshots",
        "bandit_arms",
        "predictor_versions",
        "api_usage",
    ):
        assert browser_rehearsal.value(f"SELECT bool_and(simulated) FROM {table}") is True, table
    assert browser_rehearsal.rows("SELECT DISTINCT generation_source FROM content_metadata") == [("synthetic",)]


def test_each_post_passed_all_gates(browser_rehearsal: Rehearsed) -> None:
    traces = browser_rehearsal.rows(
        """SELECT c.decision_type = 'reply' AS reply, string_agg(g.gate || ':' || g.verdict, ' ' ORDER BY g.position) AS gates
           FROM posted_decisions p JOIN content_metadata c USING (decision_id) JOIN gate_verdicts g USING (decision_id)
           GROUP BY p.decision_id, 1"""
    )
    own = "safety:pass quality:pass duplicate:pass rotation:pass"
    assert {row.gates for row in traces if not row.reply} == {own}
    # What a reply is about was chosen by whom it answers: topics do not rotate there.
    assert {row.gates for row in traces if row.reply} <= {own.removesuffix(" rotation:pass")}


def test_choices_are_logged_with_their_propensities(browser_rehearsal: Rehearsed) -> None:
    for row in browser_rehearsal.rows(
        "SELECT candidates, joint_propensity, arm_propensity, arm, hour FROM decision_choices"
    ):
        pairs = row.candidates if isinstance(row.candidates, dict) else json.loads(row.candidates)
        total = sum(p for hours in pairs.values() for p in hours.values())
        assert total == pytest.approx(1, abs=1e-6)
        assert pairs[row.arm][str(row.hour)] == pytest.approx(row.joint_propensity, abs=1e-9)
        assert sum(pairs[row.arm].values()) == pytest.approx(row.arm_propensity, abs=1e-6)


def test_the_system_learned(browser_rehearsal: Rehearsed) -> None:
    assert browser_rehearsal.value("SELECT count(*) FROM bandit_arms WHERE scope = 'content' AND n > 0") >= 3
    assert browser_rehearsal.value("SELECT count(*) FROM predictor_versions WHERE kind = 'content'") >= 1
    assert browser_rehearsal.value("SELECT count(*) FROM audit_log WHERE event_type = 'LEARNING_CYCLE_COMPLETE'") >= 1


def test_no_key_of_redis_lacks_the_prefix(browser_rehearsal: Rehearsed) -> None:
    import redis

    with opened(browser_rehearsal.settings) as deployment:
        client = redis.Redis.from_url(deployment.services.redis_url, decode_responses=True)
        keys = [str(key) for key in client.scan_iter("*")]
        client.close()
    assert keys
    assert [key for key in keys if not key.startswith("sandbox:")] == []


def test_every_tick_has_a_reason(browser_rehearsal: Rehearsed) -> None:
    silent = browser_rehearsal.value("SELECT count(*) FROM tick_log WHERE (skipped IS NULL) = (did = '{}')")
    assert silent == 0
