"""Incident 6: learning on fake or empty data. Learners read the contract join alone, each row once, of their family only."""

from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from tests.learning_world import history, snapshot
from xbot_dagster.domain.learning.arms import ARMS
from xbot_dagster.stages import learn, train
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store import arms

__all__ = ["history", "snapshot"]

START = datetime(2026, 10, 20, 8, 0, tzinfo=UTC)


def _shares(engine, clock, settings) -> dict[str, float]:
    policy = Policies(engine, clock, settings).steering("default")
    choice = policy.propose({"topic": "sleep"}, None, np.random.default_rng(4), now=clock.now(), epsilon=0.05)
    return dict(zip(choice.arms, choice.pair_propensities.sum(1).tolist(), strict=True))


def test_a_planted_effect_is_found(engine, clock, settings, history):
    history.effects = {"story": 2.0, "checklist": -2.0}
    history.add(220, START)
    learn.run(engine, clock, settings)
    shares = _shares(engine, clock, settings)
    assert max(shares, key=lambda arm: shares[arm]) == "story"
    assert shares["story"] > 0.5
    assert shares["checklist"] < 0.05
    low, high = _extremes(engine)
    assert low > high, "the intervals of the best and the worst arm lie apart"


def _extremes(engine) -> tuple[float, float]:
    """The highest lower and the lowest upper bound of the arms' 95 % intervals."""
    with engine.begin() as conn:
        found = arms.arms(conn, "default", "content")
    return max(arm.ci_low for arm in found), min(arm.ci_high for arm in found)


def test_a_second_run_changes_nothing(engine, clock, settings, history, snapshot):
    history.add(40, START)
    learn.run(engine, clock, settings)
    for kind in ("content", "timing"):
        train.run(engine, clock, settings, None, "default", kind, clock.now().date())
    before = snapshot()
    clock.sleep(5)
    learn.run(engine, clock, settings)
    for kind in ("content", "timing"):
        train.run(engine, clock, settings, None, "default", kind, clock.now().date())
    assert snapshot() == before


def test_a_poisoned_row_of_the_other_family_changes_nothing(engine, clock, settings, history, snapshot):
    """Rows marked simulated in the real family (here: the mirror image) are filtered when loading and in the trainer."""
    history.add(40, START)
    learn.run(engine, clock, settings)
    before, shares = snapshot(), _shares(engine, clock, settings)
    history.simulated = False
    history.effects = {"checklist": 5.0}
    history.add(60, START, arm="checklist", purpose="poison")
    learn.run(engine, clock, settings)
    assert snapshot() == before
    assert _shares(engine, clock, settings) == shares


def test_the_trainer_filters_too(engine, clock, settings, history, monkeypatch):
    """Should the query ever hand out a row of the other family, the trainer drops it."""
    from dataclasses import replace

    from xbot_dagster.store import learning

    history.add(20, START)
    real = learning.unlearned
    poisoned = lambda *a, **k: [replace(row, simulated=False) for row in real(*a, **k)]  # noqa: E731
    monkeypatch.setattr(learning, "unlearned", poisoned)
    assert learn.run(engine, clock, settings).outcomes == 0


def test_shuffled_labels_teach_no_preference(engine, clock, settings, history):
    """The planted effect is there, but outcomes are dealt to other posts: no arm stands out as it did."""
    history.effects = {"story": 1.5, "checklist": -1.5}
    ids = history.add(150, START)
    rng = np.random.default_rng(0)
    with engine.begin() as conn:
        dealt = [ARMS[i] for i in rng.integers(len(ARMS), size=len(ids))]
        for decision, arm in zip(ids, dealt, strict=True):
            conn.execute(
                text("UPDATE content_metadata SET arm = :arm WHERE decision_id = :d"), {"arm": arm, "d": decision}
            )
    learn.run(engine, clock, settings)
    low, high = _extremes(engine)
    assert low <= high, "the interval of the best arm reaches down to that of the worst"


def test_unposted_and_unmeasured_decisions_teach_nothing(engine, clock, settings, history, snapshot):
    ids = history.add(12, START)
    with engine.begin() as conn:
        conn.execute(text("UPDATE outcomes SET impressions = NULL WHERE decision_id = :d"), {"d": ids[0]})
        conn.execute(
            text("UPDATE outcomes SET follows = NULL, retweets = NULL, replies = NULL WHERE decision_id = :d"),
            {"d": ids[1]},
        )
        conn.execute(text("UPDATE outcomes SET impressions = 0 WHERE decision_id = :d"), {"d": ids[2]})
        conn.execute(text("DELETE FROM outcomes WHERE decision_id = :d"), {"d": ids[3]})
    assert learn.run(engine, clock, settings).outcomes == 8


def test_no_table_has_a_default_for_simulated(database_url):
    with psycopg.connect(database_url) as conn:
        found = conn.execute(
            "SELECT table_name, column_default, is_nullable FROM information_schema.columns "
            "WHERE column_name = 'simulated' AND table_name IN (SELECT table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' AND table_schema = 'public')"
        ).fetchall()
    assert len(found) >= 6
    assert all(default is None and nullable == "NO" for _, default, nullable in found)


@pytest.mark.parametrize("minutes", [0, 3 * 24 * 60])
def test_a_clock_that_went_back_learns_the_rest_later(engine, clock, settings, history, minutes):
    """Posts of the future are left for later, not refused for ever."""
    history.add(30, clock.now() - timedelta(days=4), every=timedelta(hours=3))
    now = clock.now()
    clock.set(now - timedelta(days=2))
    first = learn.run(engine, clock, settings).outcomes
    assert 0 < first < 30
    clock.set(now + timedelta(minutes=minutes))
    assert learn.run(engine, clock, settings).outcomes == 30 - first
