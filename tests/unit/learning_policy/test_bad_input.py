"""Whatever comes in, planning goes on: rows that teach nothing are skipped with a reason, choices name their fallback."""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.unit.learning_policy.worlds import ARMS, CONTEXT, START, after, history, outcome
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.ledger import MEMORY_DAYS
from xbot_dagster.domain.learning.policy import Choice, Policy
from xbot_dagster.domain.learning.seed_policy import SeedPolicy

KINDS: dict[str, Callable[[], Policy]] = {"growth": lambda: GrowthPolicy(ARMS), "seed": lambda: SeedPolicy(ARMS)}
FLAT = dict.fromkeys(ARMS, 0.0)
NAN = float("nan")


@pytest.fixture(params=KINDS)
def policy(request: pytest.FixtureRequest) -> Policy:
    return KINDS[request.param]()


def chosen(policy: Policy, now: datetime = after(30), context=CONTEXT) -> Choice:
    choice = policy.propose(context, None, np.random.default_rng(0), now=now, epsilon=0.1)
    assert isinstance(choice, Choice)
    assert choice.pair_propensities.sum() == pytest.approx(1)
    assert np.isfinite(choice.pair_propensities).all()
    return choice


def test_without_any_outcome_the_choice_says_so(policy):
    policy.update([], now=START)
    assert "no outcome yet" in (chosen(policy, START).fallback or "")


def test_one_outcome_is_enough_to_go_on(policy):
    assert policy.update([outcome(1)], now=after(1)).learned == 1
    assert chosen(policy).fallback is None


def test_constant_outcomes_favour_nothing_strange(policy):
    policy.update([outcome(i, arm=ARMS[i % 4], follows=0, retweets=0, replies=0) for i in range(80)], now=after(10))
    shares = chosen(policy).pair_propensities.sum(1)
    assert shares.max() < 0.9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"impressions": None}, "impressions not measured"),
        ({"impressions": NAN}, "impressions not measured"),
        ({"impressions": 0}, "no impressions"),
        ({"follows": None, "retweets": None, "replies": None}, "no count measured"),
        ({"follows": NAN, "retweets": NAN, "replies": NAN}, "no count measured"),
        ({"collected_pass": 0}, "ad hoc read"),
        ({"hour": 24}, "hour outside"),
        ({"posted_at": START + timedelta(days=400)}, "clock went back"),
    ],
)
def test_rows_that_teach_nothing_are_skipped_with_a_reason(policy, changes, reason):
    before = policy.state()
    summary = policy.update([outcome(1, **changes)], now=after(10))
    assert summary.learned == summary.provisional == 0
    assert [reason in name for name in summary.skipped] == [True]
    assert policy.state() == before
    chosen(policy)


def test_all_null_outcomes_leave_the_fallback(policy):
    nulls = [outcome(i, impressions=None, follows=None, retweets=None, replies=None) for i in range(20)]
    assert sum(policy.update(nulls, now=after(10)).skipped.values()) == 20
    assert chosen(policy).fallback


def test_a_row_with_some_counts_missing_still_teaches(policy):
    assert policy.update([outcome(1, follows=None), outcome(2, follows=-3, replies=NAN)], now=after(2)).learned == 2
    chosen(policy)


def test_an_arm_never_shown_can_still_be_chosen(policy):
    policy.update([row for row in history(20, FLAT) if row.arm != "story"], now=after(20))
    assert chosen(policy).pair_propensities[ARMS.index("story")].sum() > 0


def test_an_arm_that_is_gone_and_a_context_never_seen_do_no_harm(policy):
    policy.update([outcome(1, arm="retired")], now=after(1))
    for context in ({}, {"topic": None, "hook": 7, "novelty": None}, {"topic": 3, "novelty": NAN}, {"novelty": "high"}):
        chosen(policy, context=context)


def test_a_clock_that_goes_back_changes_no_belief(policy):
    policy.update(history(20, FLAT), now=after(20))
    before = policy.beliefs(now=after(20))
    assert policy.beliefs(now=START) != []
    chosen(policy, START)
    assert policy.beliefs(now=after(20)) == before


def test_a_row_too_old_to_tell_whether_it_was_learned_is_refused(policy):
    policy.update([outcome(1, posted_at=START)], now=START + timedelta(days=200))
    policy.update([outcome(2, posted_at=START + timedelta(days=150))], now=START + timedelta(days=200))
    again = policy.update([outcome(1, posted_at=START)], now=START + timedelta(days=200))
    assert again.learned == 0
    assert any(f"{MEMORY_DAYS:.0f} days" in reason for reason in again.skipped)


def test_absurd_counts_leave_finite_choices(policy):
    policy.update(
        [outcome(i, impressions=1, follows=10**9, retweets=10**9, replies=10**9) for i in range(5)], now=after(5)
    )
    policy.update(
        [outcome(i, impressions=10**12, follows=0, retweets=0, replies=0) for i in range(5, 10)], now=after(5)
    )
    chosen(policy)


def test_a_posterior_that_cannot_be_sampled_falls_back_to_every_pair_with_the_reason():
    policy = GrowthPolicy(ARMS)
    policy.update(history(3, FLAT), now=after(3))
    policy.model.cov[:] = -np.eye(len(policy.model.mean))
    choice = chosen(policy, after(3))
    assert "cannot be sampled" in (choice.fallback or "")
    assert np.allclose(choice.pair_propensities, 1 / 96)


def test_instants_without_a_zone_are_a_defect(policy):
    with pytest.raises(ValueError, match="time zone"):
        policy.update([outcome(1, posted_at=datetime(2026, 3, 1))], now=after(1))  # noqa: DTZ001


def test_pairs_of_another_shape_are_a_defect(policy):
    with pytest.raises(ValueError, match="shape"):
        policy.propose(CONTEXT, np.ones((2, 24), bool), np.random.default_rng(0), now=START, epsilon=0.1)
