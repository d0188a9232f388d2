"""A sudden fall of an arm is noticed and loosens what was believed; a quiet account raises no alarm."""

from datetime import timedelta

import numpy as np

from tests.unit.learning_policy.worlds import ARMS, CONTEXT, after, history, outcome
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice

FLAT = dict.fromkeys(ARMS, 0.0)


def run(policy: GrowthPolicy, rows, first_day: int, days: int) -> list[str]:
    """Teach day by day, as the learn job does; the changes it reported."""
    changes: list[str] = []
    for day in range(first_day, first_day + days):
        today = [row for row in rows if row.posted_at.date() == (after(day) - timedelta(days=2)).date()]
        changes += policy.update(today, now=after(day)).changes
    return changes


def fallen_account(detect: bool = True) -> tuple[GrowthPolicy, list[str]]:
    """Thirty days in which `story` is best, then it is the worst and `question` the best."""
    good = history(30, {**FLAT, "story": 0.8}, seed=1)
    bad = [
        outcome(10_000 + i, **{**vars(row), "id": f"later-{i}", "posted_at": row.posted_at + timedelta(days=30)})
        for i, row in enumerate(history(10, {**FLAT, "story": -0.8, "question": 0.8}, seed=2))
    ]
    policy = GrowthPolicy(ARMS)
    run(policy, good, 0, 30)
    if not detect:
        policy.watch.observe = lambda arms, surprise: []  # type: ignore[method-assign]
    return policy, run(policy, bad, 30, 10)


def test_a_fallen_arm_is_named():
    _, changes = fallen_account()
    assert changes
    assert set(changes) == {"arm story fell"}


def test_after_an_alarm_less_is_taken_for_granted():
    def spread(policy: GrowthPolicy) -> float:
        found = {belief.name: belief for belief in policy.beliefs(now=after(40)) if belief.scope == "content"}
        return found["contrarian"].ci_width

    assert spread(fallen_account()[0]) > 1.02 * spread(fallen_account(detect=False)[0])


def test_the_new_best_arm_is_found_within_ten_days():
    choice = fallen_account()[0].propose(CONTEXT, None, np.random.default_rng(0), now=after(40), epsilon=0.0)
    assert isinstance(choice, Choice)
    assert choice.pair_propensities[ARMS.index("question")].sum() > 0.9


def test_quiet_accounts_raise_no_alarm():
    for seed in range(4):
        assert run(GrowthPolicy(ARMS), history(40, {**FLAT, "story": 0.5}, seed=seed), 0, 40) == []


def test_the_watch_is_part_of_the_state():
    policy = GrowthPolicy(ARMS)
    run(policy, history(10, FLAT, seed=3), 0, 10)
    assert any(policy.watch.shortfall.values())
    assert GrowthPolicy.from_state(policy.state()).watch.shortfall == policy.watch.shortfall
