"""Off-policy evaluation: a policy is replayed on the log with what it could have known, or refused."""

import json
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import text

from tests.learning_world import insert
from xbot_dagster.domain.content.seeding import seeded
from xbot_dagster.domain.learning.arms import ARMS
from xbot_dagster.errors import NotFound, UsageError
from xbot_dagster.stages import evaluate
from xbot_dagster.store import logged


@pytest.fixture
def uniform_log(engine, clock, history):
    """Posts of which arm and hour were drawn evenly, with their choices logged as planning logs them."""

    def make(count: int, effects: dict[str, float]) -> None:
        history.effects = effects
        start = clock.now() - timedelta(hours=3 * count + 48)
        ids = history.add(count, start, every=timedelta(hours=3))
        candidates = {arm: {str(hour): 1 / 240 for hour in range(24)} for arm in ARMS}
        with engine.begin() as conn:
            for decision in ids:
                row = conn.execute(
                    text(
                        "SELECT arm, hour_slot, topic, hook_pattern, created_at FROM content_metadata WHERE decision_id = :d"
                    ),
                    {"d": decision},
                ).one()
                insert(
                    conn,
                    "decision_choices",
                    decision_id=decision, policy="uniform", policy_version="test", seed=1,
                    context=json.dumps({"topic": row.topic, "hook": row.hook_pattern}), candidates=json.dumps(candidates),
                    arm=row.arm, hour=row.hour_slot, joint_propensity=1 / 240, arm_propensity=0.1, epsilon=0.05,
                    created_at=row.created_at,
                )  # fmt: skip

    return make


def _judge(engine, clock, settings, policy, days=400):
    found = evaluate.run(engine, clock, settings, "default", policy, clock.now() - timedelta(days=days))
    return {value.level: value for value in found}


def test_the_logging_policy_is_worth_what_it_earned(engine, clock, settings, uniform_log):
    uniform_log(200, {"story": 1.0})
    for value in _judge(engine, clock, settings, "uniform").values():
        assert value.verdict == "estimate"
        assert value.estimates["ips"]["value"] == pytest.approx(value.logged["value"])
        assert value.diagnostics["effective_n"] == pytest.approx(200)


@pytest.mark.slow
def test_a_policy_that_learns_is_worth_more_than_chance(engine, clock, settings, uniform_log):
    uniform_log(400, {"story": 2.5, "question": 2.0, "checklist": -2.5, "analogy": -2.5})
    value = _judge(engine, clock, settings, "growth")["arm"]
    assert value.verdict == "estimate"
    assert value.estimates["dr"]["low"] > value.logged["value"]
    assert value.diagnostics["effective_n"] < 400


def test_what_became_known_later_changes_no_earlier_probability(engine, clock, settings, uniform_log):
    uniform_log(120, {"story": 2.0})
    with engine.begin() as conn:
        choices = logged.logged_choices(conn, "default", since=clock.now() - timedelta(days=99), simulated=True)
        rows = logged.known_rows(conn, "default", simulated=True)
    from xbot_dagster.domain.learning.reward import DEFAULT_REFERENCES

    whole = evaluate.replay("growth", ARMS, DEFAULT_REFERENCES, choices, rows, 7)
    half = choices[:60]
    early = [row for row in rows if row.known_at <= half[-1].chosen_at]
    assert np.array_equal(evaluate.replay("growth", ARMS, DEFAULT_REFERENCES, half, early, 7), whole[:60])
    assert np.allclose(whole.sum(axis=(1, 2)), 1)


def test_experiments_and_reschedulings_are_left_out(engine, clock, settings, uniform_log):
    uniform_log(60, {})
    with engine.begin() as conn:
        ids = conn.execute(text("SELECT decision_id FROM content_metadata ORDER BY created_at LIMIT 3")).scalars().all()
        conn.execute(
            text("UPDATE content_metadata SET hour_slot = (hour_slot + 1) % 24 WHERE decision_id = :d"), {"d": ids[0]}
        )
        conn.execute(
            text("UPDATE content_metadata SET experiment_arm = 'treatment' WHERE decision_id = :d"), {"d": ids[1]}
        )
        conn.execute(text("UPDATE outcomes SET simulated = false WHERE decision_id = :d"), {"d": ids[2]})
    assert _judge(engine, clock, settings, "uniform")["joint"].n == 57


def test_little_overlap_is_refused(engine, clock, settings, uniform_log):
    """One weight of twenty thousand: the log says nothing about the policy, and no number is given."""
    uniform_log(100, {})
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE decision_choices SET arm_propensity = 0.0000001, joint_propensity = 0.0000001 "
                "WHERE decision_id = (SELECT decision_id FROM decision_choices ORDER BY created_at LIMIT 1)"
            )
        )
    for value in _judge(engine, clock, settings, "uniform").values():
        assert value.verdict == "refused"
        assert "effective sample size 1.0" in value.reason
        assert value.estimates == {}


def test_an_empty_log_an_unknown_policy_an_unknown_account(engine, clock, settings):
    assert {value.verdict for value in _judge(engine, clock, settings, "growth").values()} == {"refused"}
    with pytest.raises(UsageError, match="no policy"):
        _judge(engine, clock, settings, "oracle")
    with pytest.raises(NotFound):
        evaluate.run(engine, clock, settings, "nobody", "seed", clock.now())


def test_the_same_seed_gives_the_same_value(engine, clock, settings, uniform_log):
    uniform_log(80, {"story": 1.0})
    assert _judge(engine, clock, settings, "growth") == _judge(engine, clock, settings, "growth")
    rng = seeded(7, "x").random()
    assert rng == seeded(7, "x").random()
