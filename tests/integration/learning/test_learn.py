"""Learning: each outcome once, final in place of provisional, the family's own rows only."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.domain.learning.arms import ARMS
from xbot_dagster.stages import learn
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store import arms

START = datetime(2026, 11, 6, 8, 0, tzinfo=UTC)


def _count(engine, sql: str, **parameters) -> int:
    with engine.begin() as conn:
        return conn.execute(text(sql), parameters).scalar_one()


def test_six_outcomes_give_version_one(engine, clock, settings, history, caplog):
    history.add(6, START)
    with engine.begin() as conn:
        assert learn.learn_due(conn) == "default"
    with caplog.at_level(logging.INFO, "xbot"):
        report = learn.run(engine, clock, settings)
    lines = [r.getMessage() for r in caplog.records]
    trained = report.accounts[0].arms_trained
    assert lines == [
        f"[LEARN_JOB] ✅ arms_trained={trained} explore_ratio={report.accounts[0].explore_ratio:.3f} coeffs_updated=v1"
    ]
    assert report.outcomes == 6
    assert trained > 1
    with engine.begin() as conn:
        assert not learn.learn_due(conn)
        content = arms.arms(conn, "default", "content")
        assert sum(arm.n for arm in content) == 6
        assert all(arm.ci_low <= arm.mean_reward <= arm.ci_high for arm in content)


def test_four_outcomes_are_not_enough(engine, clock, settings, history, caplog, snapshot):
    history.add(4, START)
    before = snapshot()
    with caplog.at_level(logging.INFO, "xbot"):
        report = learn.run(engine, clock, settings)
    assert [r.getMessage() for r in caplog.records] == [
        "[LEARN_JOB] ⚠️ Training skipped: insufficient real outcomes (need 5)"
    ]
    assert report.skipped is not None
    with engine.begin() as conn:
        assert not learn.learn_due(conn)
    assert snapshot() == before


def test_the_second_run_changes_nothing(engine, clock, settings, history, snapshot):
    history.add(12, START)
    learn.run(engine, clock, settings)
    clock.sleep(60)
    before = snapshot()
    report = learn.run(engine, clock, settings)
    assert report.outcomes == 0
    assert snapshot() == before


def test_a_dry_run_shows_the_change_and_makes_none(engine, clock, settings, history, snapshot):
    history.add(12, START)
    before = snapshot()
    tried = learn.run(engine, clock, settings, dry_run=True)
    assert snapshot() == before
    done = learn.run(engine, clock, settings)
    assert tried.accounts[0].changes == done.accounts[0].changes
    assert {change.scope for change in done.accounts[0].changes} == {"content", "hour", "tag"}
    assert tried.dry_run


def test_the_final_pass_replaces_the_provisional_one(engine, clock, settings, history):
    """Learning pass 1, then pass 2, ends where learning pass 2 alone ends."""
    ids = history.add(10, START)
    with engine.begin() as conn:
        conn.execute(text("CREATE TEMP TABLE later AS SELECT * FROM outcomes WHERE collected_pass = 2"))
        later = [{**r, "updated_at": clock.now()} for r in conn.execute(text("SELECT * FROM later")).mappings()]
        conn.execute(text("DELETE FROM outcomes WHERE collected_pass = 2"))
    first = learn.run(engine, clock, settings)
    assert first.accounts[0].provisional == 10
    with engine.begin() as conn:
        columns = list(later[0])
        conn.execute(
            text(f"INSERT INTO outcomes ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})"), later
        )
    second = learn.run(engine, clock, settings)
    assert second.outcomes == 10
    assert second.accounts[0].provisional == 0
    with engine.begin() as conn:
        both = arms.stored_policy(conn, "default", "growth")
        conn.execute(text("DELETE FROM learning_ledger"))
        conn.execute(text("DELETE FROM bandit_arms"))
    assert both.head.n == 10
    learn.run(engine, clock, settings)
    with engine.begin() as conn:
        alone = arms.stored_policy(conn, "default", "growth")
    assert alone.state["policy"]["model"] == both.state["policy"]["model"]
    assert alone.state["policy"]["tallies"] == both.state["policy"]["tallies"]
    assert len(ids) == 10


def test_poisoned_rows_of_the_other_family_change_nothing(engine, clock, settings, history, snapshot):
    history.add(8, START)
    learn.run(engine, clock, settings)
    before = snapshot()
    history.simulated = False
    history.add(8, START + timedelta(hours=1), purpose="poison")
    with engine.begin() as conn:
        assert not learn.learn_due(conn)
    assert learn.run(engine, clock, settings).outcomes == 0
    assert snapshot() == before


@pytest.mark.parametrize("column", ["content_metadata", "posted_decisions"])
def test_a_row_that_two_tables_disagree_about_is_not_learned(engine, clock, settings, history, column):
    ids = history.add(8, START)
    with engine.begin() as conn:
        conn.execute(text(f"UPDATE {column} SET simulated = false WHERE decision_id = :d"), {"d": ids[3]})
    assert learn.run(engine, clock, settings).outcomes == 7


def test_late_censored_and_ad_hoc_rows_are_left_out(engine, clock, settings, history):
    ids = history.add(8, START, passes=(2,))
    with engine.begin() as conn:
        conn.execute(text("UPDATE outcomes SET late = true WHERE decision_id = :d"), {"d": ids[0]})
        conn.execute(text("UPDATE outcomes SET read_status = 'gone' WHERE decision_id = :d"), {"d": ids[1]})
        conn.execute(text("DELETE FROM outcome_rewards"))
        conn.execute(text("UPDATE outcomes SET collected_pass = 0 WHERE decision_id = :d"), {"d": ids[2]})
    assert learn.run(engine, clock, settings).outcomes == 5


def test_replies_do_not_move_arms(engine, clock, settings, history):
    history.add(6, START)
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE content_metadata SET decision_type = 'thread' "
                "WHERE decision_id IN (SELECT decision_id FROM content_metadata LIMIT 1)"
            )
        )
        conn.execute(
            text(
                "UPDATE content_metadata SET decision_type = 'reply', target_tweet_id = '200000000000000001', "
                "target_username = 'x' WHERE decision_id = "
                "(SELECT max(decision_id::text)::uuid FROM content_metadata WHERE decision_type = 'single')"
            )
        )
    assert learn.run(engine, clock, settings).outcomes == 5


def test_every_cycle_is_audited_and_the_view_shows_it(engine, clock, settings, history):
    history.add(10, START)
    report = learn.run(engine, clock, settings)
    with engine.begin() as conn:
        row = conn.execute(text("SELECT * FROM vw_bandit_performance")).mappings().one()
    assert row["account"] == "default"
    assert row["outcomes"] == 10
    assert row["arms_trained"] == report.arms_trained
    assert row["coeffs_updated"] == "v1"
    assert row["explore_ratio"] == pytest.approx(report.accounts[0].explore_ratio)


def test_references_are_frozen_from_the_accounts_own_posts(engine, clock, settings, history):
    """An account with ten times the usual rates would see every reward capped at 1 under the defaults."""
    history.effects = {arm: 3.0 for arm in ARMS}
    history.add(40, START - timedelta(days=4))
    report = learn.run(engine, clock, settings)
    assert report.accounts[0].references_frozen
    with engine.begin() as conn:
        frozen = arms.stored_policy(conn, "default", "growth")
        rewards = (
            conn.execute(text("SELECT reward FROM outcome_rewards WHERE reward_version = 'growth_v1.r1'"))
            .scalars()
            .all()
        )
    assert frozen.state["policy"]["references"]["retweet_rate"] > 0.012
    assert frozen.head.learner_version == "growth_v1.r1"
    assert len(set(rewards)) > 20
    clock.sleep(8 * 86_400)
    history.effects = {}
    history.add(400, clock.now() - timedelta(hours=800), purpose="later")
    again = learn.run(engine, clock, settings).accounts[0]
    assert again.references_frozen
    assert again.learner_version == "growth_v1.r2"
    assert again.outcomes == 440, "new references mean a new learner version, which learns everything once"


def test_a_changed_outcome_changes_what_is_chosen_next(engine, clock, settings, history):
    """The stored outcomes steer: an arm that did well is chosen far more often than one that did badly."""
    import numpy as np

    history.effects = {"story": 1.6, "checklist": -1.6}
    history.add(120, START - timedelta(days=10))
    learn.run(engine, clock, settings)
    policy = Policies(engine, clock, settings).steering("default")
    choice = policy.propose({"topic": "sleep"}, None, np.random.default_rng(1), now=clock.now(), epsilon=0.05)
    shares = dict(zip(choice.arms, choice.pair_propensities.sum(1), strict=True))
    assert shares["story"] > 0.4
    assert shares["story"] > 10 * shares["checklist"]
    assert choice.version == "growth_v1.v1"
