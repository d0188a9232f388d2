"""Hours are chosen by the people they reach: impressions teach that long before the rare counts do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice, Outcome
from xbot_dagster.domain.learning.reach import HourReach

START = datetime(2026, 3, 1, tzinfo=UTC)
ARMS = ("a", "b", "c")


def posts(count: int, peak: int, seed: int = 3, rate: float = 0.0) -> list[Outcome]:
    """Final rows over a fortnight whose impressions peak at `peak` (amplitude .5 in logs), with constant rates."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        hour = int(rng.integers(24))
        seen = int(900 * np.exp(0.5 * np.cos(2 * np.pi * (hour - peak) / 24) + rng.normal(0, 0.9)))
        rows.append(
            Outcome(
                id=str(number),
                arm=ARMS[number % len(ARMS)],
                hour=hour,
                posted_at=START + timedelta(days=14 * number // count, hours=hour),
                collected_pass=2,
                impressions=seen,
                follows=int(rng.poisson(rate * seen)),
                retweets=int(rng.poisson(rate * seen)),
                replies=0,
                context={"topic": "sleep"},
            )
        )
    return rows


def chosen_hours(policy: GrowthPolicy) -> np.ndarray:
    """P(hour) of the next choice, shape (24,), without exploration."""
    now = START + timedelta(days=16)
    choice = policy.propose({"topic": "sleep"}, None, np.random.default_rng(1), now=now, epsilon=0.0)
    assert isinstance(choice, Choice)
    return choice.pair_propensities.sum(0)


def around(hours: np.ndarray, peak: int, width: int = 4) -> float:
    return float(sum(hours[(peak + step) % 24] for step in range(-width, width + 1)))


def test_hours_follow_the_people_they_reach():
    for peak in (3, 11, 20):
        policy = GrowthPolicy(ARMS)
        policy.update(posts(150, peak, rate=0.001), now=START + timedelta(days=16))
        assert around(chosen_hours(policy), peak) > 0.9


def test_impressions_alone_are_enough():
    """Where nobody ever follows, retweets or replies, hours still differ in how many see a post."""
    policy = GrowthPolicy(ARMS)
    policy.update(posts(150, 11), now=START + timedelta(days=16))
    assert around(chosen_hours(policy), 11) > 0.9


def test_a_first_pass_makes_no_hour_look_empty():
    """At T+1h a post has had a third of its readers: the hours of such rows must not suffer for it."""
    now = START + timedelta(days=14)
    rows = posts(120, 11)
    hidden = [
        replace(row, collected_pass=1, impressions=0.33 * (row.impressions or 0))
        if row.posted_at > now - timedelta(days=4)
        else row
        for row in rows
    ]
    told, half_told = HourReach(), HourReach()
    for model, given in ((told, rows), (half_told, hidden)):
        model.advance(0.0)
        model.learn(given)
    difference = told.relative(np.zeros(1)) - half_told.relative(np.zeros(1))
    assert np.abs(difference).max() < 0.15


def test_one_post_that_went_round_the_world_makes_no_hour():
    policy = GrowthPolicy(ARMS)
    viral = replace(posts(1, 23)[0], id="viral", hour=23, impressions=10**9, posted_at=START + timedelta(days=13))
    policy.update([*posts(150, 11, rate=0.001), viral], now=START + timedelta(days=16))
    assert around(chosen_hours(policy), 11) > 0.9


def test_reports_rank_hours_as_choices_do():
    policy = GrowthPolicy(ARMS)
    policy.update(posts(150, 11, rate=0.001), now=START + timedelta(days=16))
    beliefs = [b for b in policy.beliefs(now=START + timedelta(days=16)) if b.scope == "timing"]
    best = max(beliefs, key=lambda belief: belief.mean_reward)
    assert abs(int(best.name) - 11) <= 3
    assert all(0 <= b.ci_low <= b.mean_reward <= b.ci_high <= 1 for b in beliefs)


def test_reach_is_part_of_the_stored_state():
    policy = GrowthPolicy(ARMS)
    policy.update(posts(80, 18, rate=0.001), now=START + timedelta(days=16))
    again = GrowthPolicy.from_state(policy.state())
    assert np.array_equal(chosen_hours(policy), chosen_hours(again))
    assert again.state() == policy.state()
