"""The alert rules on facts at and around their thresholds, and who is told what how often."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xbot_dagster.domain.alerting import (
    MAX_TRIES,
    OWNED,
    RULES,
    AccountFacts,
    Facts,
    escalates,
    findings,
    unsent,
    why_not_posting,
)

NOW = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)
CALM = AccountFacts(
    account="default",
    handle="xbot_demo",
    known_since=NOW - timedelta(days=30),
    circuit_reason=None,
    session_state="ok",
    stop_posting=False,
    label_missing=False,
    post_fraction=1.0,
    posts_per_day=12,
    queued=6,
    overdue_since=None,
    next_at=NOW + timedelta(hours=1),
    awaiting_approval=0,
    in_doubt=0,
    needs_human=0,
    stuck=0,
    last_post_at=NOW - timedelta(hours=1),
    posts_4h=2,
    posted_today=4,
    followers_24h=5,
    overdue_passes=0,
    fresh_candidates=20,
    limited_until=None,
)
QUIET = Facts(
    now=NOW,
    accounts=(CALM,),
    posting_off=None,
    llm_off=None,
    metrics_on=True,
    calls_total=100,
    calls_failed=0,
    spend_usd=1.0,
    limit_usd=10.0,
    dead_gates=(),
    last_tick_at=NOW - timedelta(seconds=40),
)


def with_account(**changes: Any) -> Facts:
    return replace(QUIET, accounts=(CALM._replace(**changes),))


def rules(facts: Facts) -> list[str]:
    return [finding.rule for finding in findings(facts)]


def test_a_calm_deployment_has_no_findings() -> None:
    assert rules(QUIET) == []
    assert why_not_posting(QUIET, CALM) == []


def test_an_evening_after_all_posts_of_the_day_is_no_stall() -> None:
    silent = {"queued": 0, "next_at": None, "posts_4h": 0, "last_post_at": NOW - timedelta(hours=6)}
    assert rules(with_account(**silent, posted_today=11)) == ["post_overdue"]
    done = with_account(**silent, posted_today=12)
    assert rules(done) == []
    assert [cause.reason for cause in why_not_posting(done, done.accounts[0])] == ["all 12 posts of the day are out"]


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (replace(QUIET, calls_total=100, calls_failed=11), "llm_failures"),
        (replace(QUIET, spend_usd=9.01), "budget_near_limit"),
        (with_account(followers_24h=-10), "follower_drop"),
        (with_account(stuck=1), "post_stuck"),
        (with_account(overdue_passes=3), "outcomes_overdue"),
        (replace(QUIET, dead_gates=("duplicate",)), "gate_blocks_everything"),
        (
            with_account(posts_4h=0, last_post_at=NOW - timedelta(hours=4), queued=0, next_at=None),
            "post_overdue",
        ),
        (
            with_account(posts_4h=0, last_post_at=None, overdue_since=NOW - timedelta(hours=1)),
            "post_overdue",
        ),
    ],
)
def test_each_rule_fires_at_its_threshold_and_names_a_fix(facts: Facts, rule: str) -> None:
    found = findings(facts)
    assert [f.rule for f in found] == [rule]
    assert found[0].fix
    assert rule in OWNED


@pytest.mark.parametrize(
    "facts",
    [
        replace(QUIET, calls_total=100, calls_failed=10),
        replace(QUIET, calls_total=9, calls_failed=9),
        replace(QUIET, spend_usd=9.0),
        replace(QUIET, spend_usd=9.9, limit_usd=0.0),
        with_account(followers_24h=-9),
        with_account(followers_24h=None),
        replace(with_account(overdue_passes=3), metrics_on=False),
        with_account(posts_4h=0, last_post_at=NOW - timedelta(hours=6)),
        with_account(posts_4h=0, last_post_at=None, known_since=NOW - timedelta(hours=3), next_at=None),
        with_account(posts_4h=0, last_post_at=None, next_at=None, post_fraction=0.0),
        with_account(posts_4h=0, last_post_at=None, next_at=None, stop_posting=True),
        replace(with_account(posts_4h=0, last_post_at=None, next_at=None), posting_off="POSTING_DISABLED=true"),
    ],
)
def test_just_below_or_not_meant_to_post_is_no_alert(facts: Facts) -> None:
    assert rules(facts) == []


SILENT: dict[str, Any] = {"posts_4h": 0, "last_post_at": NOW - timedelta(hours=5)}


@pytest.mark.parametrize(
    ("changes", "deployment", "cause"),
    [
        ({"circuit_reason": "ghost post 1", "overdue_since": NOW - timedelta(hours=1)}, {}, "circuit is open"),
        ({"session_state": "expired", "overdue_since": NOW - timedelta(hours=1)}, {}, "session is expired"),
        ({"in_doubt": 1, "overdue_since": NOW - timedelta(hours=1)}, {}, "in doubt"),
        ({"queued": 0, "next_at": None, "awaiting_approval": 3}, {}, "3 posts waiting for approval"),
        ({"queued": 0, "next_at": None}, {"llm_off": "AI_QUOTA_CIRCUIT_OPEN=true"}, "AI_QUOTA_CIRCUIT_OPEN"),
        ({"queued": 0, "next_at": None, "fresh_candidates": 0}, {}, "nothing to write about"),
        ({"queued": 0, "next_at": None}, {}, "the queue is empty"),
        (
            {"overdue_since": NOW - timedelta(hours=1)},
            {"last_tick_at": NOW - timedelta(hours=2)},
            "the last tick was 2 h ago",
        ),
    ],
)
def test_the_overdue_alert_names_the_cause(changes: dict, deployment: dict, cause: str) -> None:
    facts = replace(with_account(**{**SILENT, **changes}), **deployment)
    overdue = [f for f in findings(facts) if f.rule == "post_overdue"]
    assert len(overdue) == 1
    assert cause in overdue[0].message
    assert overdue[0].severity == "critical"


def test_a_loop_that_never_started_is_not_stalled_one_that_stopped_is() -> None:
    due = with_account(overdue_since=NOW - timedelta(hours=1))
    assert "loop_stalled" not in rules(replace(due, last_tick_at=None))
    assert "loop_stalled" not in rules(due)
    assert "loop_stalled" in rules(replace(due, last_tick_at=NOW - timedelta(minutes=16)))
    assert "loop_stalled" not in rules(replace(QUIET, last_tick_at=NOW - timedelta(hours=9)))


def test_rule_names_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_warning_nobody_sees_becomes_critical_once() -> None:
    opened = NOW - timedelta(hours=4)
    assert escalates("warning", "open", opened, NOW, [])
    assert not escalates("warning", "open", opened + timedelta(seconds=1), NOW, [])
    assert not escalates("warning", "acknowledged", opened, NOW, [])
    assert not escalates("critical", "open", opened, NOW, [])
    assert not escalates("warning", "open", opened, NOW, [{"event": "escalate"}])


def sent(event: str, channel: str = "a", ok: bool = True) -> dict[str, Any]:
    return {"event": event, "channel": channel, "ok": ok}


@pytest.mark.parametrize(
    ("state", "deliveries", "expected"),
    [
        ("open", [], [("opened", "a"), ("opened", "b")]),
        ("open", [sent("opened")], [("opened", "b")]),
        ("open", [sent("opened", ok=False)] * (MAX_TRIES - 1) + [sent("opened", "b")], [("opened", "a")]),
        ("open", [sent("opened", ok=False)] * MAX_TRIES + [sent("opened", "b")], []),
        (
            "open",
            [sent("opened"), sent("opened", "b"), {"event": "escalate"}],
            [("escalated", "a"), ("escalated", "b")],
        ),
        ("acknowledged", [], []),
        ("closed", [], []),
        ("closed", [sent("opened"), sent("opened", "b", ok=False)], [("closed", "a")]),
        ("closed", [sent("opened"), sent("closed")], []),
    ],
)
def test_each_event_reaches_each_channel_once(state: str, deliveries: list, expected: list) -> None:
    assert unsent(state, deliveries, ["a", "b"]) == expected
