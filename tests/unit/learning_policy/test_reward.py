"""Rates and rewards: the documented formula to the last bit, nulls kept, references and exposure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.learning.reward import (
    DEFAULT_REFERENCES,
    DOCUMENTED_UNITS,
    Rates,
    RewardReferences,
    engagement_rate,
    exposure_weight,
    fpki,
    outcome_reward,
    rates,
    reward_composite,
    reward_norm,
    trailing_references,
)

count = st.integers(0, 10**6)
shown = st.integers(1, 10**8)
unit = st.floats(0, 1)


@given(count, count, count, shown, unit, unit)
def test_the_composite_is_the_documented_formula_recomputed_from_the_counts(follows, retweets, replies, seen, new, dup):
    measured = rates(impressions=seen, follows=follows, retweets=retweets, replies=replies)
    expected = (
        0.5 * (1000 * follows / seen) + 0.3 * (retweets / seen) + 0.15 * (replies / seen) + 0.05 * new - 0.1 * dup
    )
    assert reward_composite(measured.fpki, measured.retweet_rate, measured.reply_rate, new, dup) == pytest.approx(
        expected, rel=1e-12, abs=1e-15
    )


def test_one_follow_on_four_impressions_is_125_and_does_not_overflow():
    measured = rates(impressions=4, follows=1, retweets=0, replies=0)
    assert reward_composite(measured.fpki, measured.retweet_rate, measured.reply_rate, 0.0, 0.0) == 125.0


@pytest.mark.parametrize("missing", range(5))
def test_a_part_that_was_not_measured_leaves_no_composite(missing):
    parts = [0.1, 0.01, 0.01, 0.5, 0.0]
    parts[missing] = None
    assert reward_composite(*parts) is None
    assert reward_norm(*parts) is None


def test_null_is_not_zero_and_nobody_is_not_a_rate():
    assert rates(impressions=1000) == Rates(None, None, None, None)
    assert rates(impressions=0, likes=0, retweets=0, replies=0, follows=0) == Rates(None, None, None, None)
    assert engagement_rate(5, None, 1, 100) is None
    assert engagement_rate(5, 2, 1, 100) == 0.08
    assert fpki(float("nan"), 100) is None
    assert fpki(-2, 1000) == -2.0  # an attributed loss is a measurement
    assert exposure_weight(None) is None


@given(st.floats(0, 50), unit, unit, unit, unit)
def test_with_references_of_one_and_no_cap_the_standardised_reward_is_the_documented_one(f, retweet, reply, new, dup):
    plain = reward_norm(f, retweet, reply, new, dup, references=DOCUMENTED_UNITS, cap=False)
    assert plain == pytest.approx(reward_composite(f, retweet, reply, new, dup), rel=1e-12, abs=1e-15)


@given(st.floats(-5, 500), unit, unit, unit, unit)
def test_the_standardised_reward_stays_between_zero_and_one(f, retweet, reply, new, dup):
    assert 0 <= reward_norm(f, retweet, reply, new, dup) <= 1
    assert 0 <= outcome_reward(f, retweet, reply) <= 1


def test_the_references_are_full_marks():
    best = outcome_reward(DEFAULT_REFERENCES.fpki, DEFAULT_REFERENCES.retweet_rate, DEFAULT_REFERENCES.reply_rate)
    assert best == pytest.approx(1)
    assert outcome_reward(None, DEFAULT_REFERENCES.retweet_rate, None) == pytest.approx(1)
    assert outcome_reward(None, None, None) is None


@given(st.integers(0, 10**9))
def test_weight_times_impressions_is_the_impressions_up_to_a_thousand(seen):
    assert exposure_weight(seen) * seen == pytest.approx(min(seen, 1000))


def test_trailing_references_are_weighted_95th_percentiles():
    rows = [(1000.0, Rates(None, i / 100, i / 1000, 0.0)) for i in range(1, 101)]
    found = trailing_references(rows)
    assert found.fpki == pytest.approx(0.95)
    assert found.retweet_rate == pytest.approx(0.095)
    assert found.reply_rate == DEFAULT_REFERENCES.reply_rate  # a percentile of zero is no full mark


def test_a_freak_rate_on_four_impressions_does_not_set_the_reference():
    rows = [(1000.0, Rates(None, 0.1, 0.001, 0.001)) for _ in range(40)]
    rows += [(4.0, Rates(None, 250.0, 0.5, 0.5)) for _ in range(3)]
    assert trailing_references(rows).fpki == pytest.approx(0.1)


def test_too_few_posts_keep_the_previous_references():
    previous = RewardReferences(0.5, 0.01, 0.002)
    assert trailing_references([(1000.0, Rates(None, 9.0, 0.9, 0.9))] * 29, previous) == previous
    assert trailing_references([], previous) == previous


def test_units_of_the_counts_references():
    assert DEFAULT_REFERENCES.per_impression() == {"follows": 0.25e-3, "retweets": 0.004, "replies": 0.0015}
    assert not math.isclose(DEFAULT_REFERENCES.fpki, DEFAULT_REFERENCES.per_impression()["follows"])
