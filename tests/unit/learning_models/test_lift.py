"""Lift: an effect that is there is found, one that is not is not, and too little data is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.learning.lift import (
    LiftEstimate,
    Refused,
    TrialError,
    benjamini_hochberg,
    clustered_error,
    confidence_sequence_width,
    lift,
    standardised,
)


def trials(n: int, seed: int, effect: float, per_day: int = 1):
    """Confounded assignment: treatment is likelier where the outcome is higher anyway."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    propensity = np.clip(1 / (1 + np.exp(-0.9 * x[:, 0])), 0.1, 0.9)
    treated = (rng.random(n) < propensity).astype(int)
    outcome = 0.5 * x[:, 0] + effect * treated + rng.normal(0, 0.5, n)
    return outcome, treated, propensity, x, np.arange(n) // per_day


def test_planted_effect_is_found_where_the_naive_difference_misleads():
    found = lift(*trials(400, 1, 0.3))
    assert isinstance(found, LiftEstimate)
    assert found.low <= 0.3 <= found.high
    assert found.low > 0
    assert found.naive > found.high
    assert found.treated + found.control == found.n == 400


def test_no_effect_is_not_found():
    significant = 0
    for seed in range(80):
        found = lift(*trials(150, seed, 0.0))
        assert isinstance(found, LiftEstimate)
        significant += not found.low <= 0 <= found.high
    assert significant <= 10  # 5 % of 80 is 4; more than 10 has probability below 1 %


def test_interval_covers():
    held = 0
    for seed in range(200):
        found = lift(*trials(120, 1000 + seed, 0.1))
        assert isinstance(found, LiftEstimate)
        held += found.low <= 0.1 <= found.high
    assert 0.9 <= held / 200 <= 0.99


def test_looking_daily_does_not_invent_an_effect():
    false_sequence = false_fixed = 0
    for seed in range(60):
        outcome, treated, propensity, x, day = trials(300, 500 + seed, 0.0, per_day=5)
        sequence = fixed = False
        for look in range(10, 61, 2):
            seen = day < look
            found = lift(outcome[seen], treated[seen], propensity[seen], x[seen], day[seen])
            if isinstance(found, LiftEstimate):
                sequence |= not found.cs_low <= 0 <= found.cs_high
                fixed |= not found.low <= 0 <= found.high
        false_sequence += sequence
        false_fixed += fixed
    assert false_sequence <= 8  # 5 % of 60 is 3; more than 8 has probability below 1 %
    assert false_fixed > false_sequence


def test_confidence_sequence_is_wider_than_the_interval_at_every_size():
    for n in (30, 100, 1_000, 10_000):
        assert confidence_sequence_width(n, 0.1, 200) > 1.96 * 0.1


def test_posts_of_one_day_are_not_independent():
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(30), 10)
    shared = np.repeat(rng.normal(size=30), 10)
    assert clustered_error(shared, day) > 2.5 * clustered_error(shared, np.arange(300))
    alone = rng.normal(size=300)
    assert clustered_error(alone, np.arange(300)) == pytest.approx(alone.std(ddof=1) / np.sqrt(300))


def test_too_little_is_refused():
    outcome, treated, propensity, x, day = trials(40, 1, 0.3)
    found = lift(outcome, treated, propensity, x, day)
    assert isinstance(found, Refused)
    assert "30 needed" in found.reason
    few_days = lift(*trials(400, 1, 0.3)[:4], np.arange(400) % 4)
    assert isinstance(few_days, Refused)
    assert few_days.reason == "posts of 4 days, 5 needed to see how days differ"


def test_one_arm_only_is_refused():
    outcome, _, propensity, x, day = trials(100, 1, 0.3)
    found = lift(outcome, np.zeros(100), propensity, x, day)
    assert isinstance(found, Refused)
    assert found.effective_n == 0


def test_a_treated_day_that_stands_alone_is_refused():
    outcome, _, _, x, _ = trials(400, 1, 0.0)
    day = np.arange(400) // 40
    found = lift(outcome, (day == 3).astype(int), np.full(400, 0.5), x, day)
    assert isinstance(found, Refused)
    assert found.reason == "one arm falls on too few days to leave any day out"


def test_unmeasured_posts_are_left_out_and_counted_by_arm():
    outcome, treated, propensity, x, day = trials(300, 2, 0.2)
    outcome[:20] = np.nan
    found = lift(outcome, treated, propensity, x, day)
    assert isinstance(found, LiftEstimate)
    assert found.n == 280
    assert found.unmeasured == (int(treated[:20].sum()), int((1 - treated[:20]).sum()))


def test_extreme_propensities_are_clipped_and_reported():
    outcome, treated, propensity, x, day = trials(400, 2, 0.2)
    treated[0], propensity[0] = 0, 0.001
    found = lift(outcome, treated, propensity, x, day)
    assert isinstance(found, LiftEstimate)
    assert found.clipped == 1
    assert found.least_propensity == pytest.approx(0.01)


def test_all_null_and_constant_outcomes():
    _, treated, propensity, x, day = trials(200, 2, 0.2)
    assert isinstance(lift(np.full(200, np.nan), treated, propensity, x, day), Refused)
    found = lift(np.full(200, 3.0), treated, propensity, x, day)
    assert isinstance(found, LiftEstimate)
    assert found.lift == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("propensity", [0.0, 1.0, np.nan])
def test_impossible_propensities_are_an_error(propensity):
    outcome, treated, _, x, day = trials(100, 1, 0.0)
    with pytest.raises(TrialError):
        lift(outcome, treated, np.full(100, propensity), x, day)


def test_benjamini_hochberg_by_hand():
    assert benjamini_hochberg([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.04, 0.04])
    assert benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_ordered_like_p_values_and_never_smaller(p_values):
    q_values = benjamini_hochberg(p_values)
    assert all(q is not None and p <= q + 1e-12 <= 1 + 1e-9 for p, q in zip(p_values, q_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(q_values[a] <= q_values[b] for a, b in pairwise(order))


def test_covariates():
    matrix = standardised([np.array([1.0, np.nan, 3.0]), np.ones(3)], [np.array(["a", "b", None], dtype=object)])
    assert matrix.shape == (3, 3)
    assert matrix[:, 0] == pytest.approx([-1, 0, 1])
    assert standardised([np.ones(4)]).shape == (4, 0)
