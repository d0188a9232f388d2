"""Off-policy estimators by hand, by simulation, and when they must refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.learning.offpolicy import (
    Evaluation,
    LogError,
    Refused,
    day_folds,
    effective_sample_size,
    evaluate,
    reward_model,
)


def bandit(n: int, seed: int):
    """Three actions, one context; logged by a skewed policy. Returns the log and the target's true value."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    logits = np.column_stack([0.8 * x, np.zeros(n), -0.5 * x])
    logged = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    action = np.array([rng.choice(3, p=row) for row in logged])
    means = np.column_stack([0.5 + 0.3 * x, 0.2 + 0.0 * x, 0.8 - 0.4 * x])
    reward = means[np.arange(n), action] + rng.normal(0, 0.3, n)
    target = np.column_stack([np.full(n, 0.1), np.full(n, 0.1), np.full(n, 0.8)])
    return reward, action, logged, target, x, float((target * means).sum(axis=1).mean())


def test_estimators_by_hand():
    n = 60
    reward = np.tile([1.0, 0.0], n // 2)
    propensity = np.full(n, 0.5)
    target = np.tile([0.75, 0.25], n // 2)
    found = evaluate(reward, propensity, target, q_logged=np.full(n, 0.4), q_target=np.full(n, 0.6))
    assert isinstance(found, Evaluation)
    assert found.estimates["ips"].value == pytest.approx(0.75)
    assert found.estimates["snips"].value == pytest.approx(0.75)
    assert found.estimates["dm"].value == pytest.approx(0.6)
    assert found.estimates["dr"].value == pytest.approx(0.6 + (1.5 * 0.6 - 0.5 * 0.4) / 2)
    assert found.estimates["sndr"].value == pytest.approx(0.6 + (1.5 * 0.6 - 0.5 * 0.4) / 2)
    assert found.logged.value == pytest.approx(0.5)
    assert found.diagnostics.mean_weight == pytest.approx(1.0)


def test_estimators_find_the_truth_and_their_intervals_hold_it():
    held = dict.fromkeys(["ips", "snips", "dr", "sndr"], 0)
    for seed in range(60):
        reward, action, logged, target, x, truth = bandit(800, seed)
        rows = np.arange(len(reward))
        q_logged, q_target = reward_model(reward, action, x[:, None], target, rows // 10)
        found = evaluate(reward, logged[rows, action], target[rows, action], q_logged=q_logged, q_target=q_target)
        assert isinstance(found, Evaluation)
        for name in held:
            held[name] += found.estimates[name].low <= truth <= found.estimates[name].high
    assert min(held.values()) >= 51  # 95 % of 60 is 57; fewer than 51 has probability below 1 %


def test_doubly_robust_is_tighter_than_ips_when_the_reward_model_is_right():
    reward, action, logged, target, x, _ = bandit(2_000, 3)
    rows = np.arange(len(reward))
    means = np.column_stack([0.5 + 0.3 * x, 0.2 + 0.0 * x, 0.8 - 0.4 * x])
    found = evaluate(
        reward,
        logged[rows, action],
        target[rows, action],
        q_logged=means[rows, action],
        q_target=(target * means).sum(axis=1),
    )
    assert isinstance(found, Evaluation)
    assert found.estimates["dr"].se < 0.9 * found.estimates["ips"].se


def test_one_weight_of_twenty_thousand_is_refused():
    weight = np.ones(10_000)
    weight[0] = 20_000
    found = evaluate(np.ones(10_000), 0.5 / weight, np.full(10_000, 0.5))
    assert isinstance(found, Refused)
    assert found.diagnostics.effective_n == pytest.approx(2.25, abs=0.01)
    assert "effective sample size 2.2 of 10000 choices, 500 needed" in found.reason


@pytest.mark.parametrize(("n", "refused"), [(29, True), (30, False)])
def test_thirty_choices_are_the_least(n, refused):
    found = evaluate(np.ones(n), np.full(n, 0.5), np.full(n, 0.5))
    assert isinstance(found, Refused) is refused


def test_truncation_is_reported():
    weight = np.ones(2_000)
    weight[:3] = 80.0
    found = evaluate(np.ones(2_000), 0.01 / weight, np.full(2_000, 0.01))
    assert isinstance(found, Evaluation)
    assert found.diagnostics.truncated == 3
    assert found.diagnostics.max_weight == pytest.approx(80)
    assert 0 < found.diagnostics.truncated_mass < 1


def test_choices_the_log_could_not_make_are_refused():
    found = evaluate(np.ones(100), np.full(100, 0.5), np.full(100, 0.5), unsupported=np.full(100, 0.2))
    assert isinstance(found, Refused)
    assert found.reason == "20% of its choices were impossible when the log was written"


def test_unmeasured_rewards_are_left_out_and_an_empty_log_is_refused():
    reward = np.ones(80)
    reward[::2] = np.nan
    found = evaluate(reward, np.full(80, 0.5), np.full(80, 0.5))
    assert isinstance(found, Evaluation)
    assert found.diagnostics.n == 40
    empty = evaluate(np.full(80, np.nan), np.full(80, 0.5), np.full(80, 0.5))
    assert isinstance(empty, Refused)
    assert empty.reason == "no measured choice in the log"


@pytest.mark.parametrize(
    ("propensity", "target", "message"),
    [(0.0, 0.5, "propensity"), (1.5, 0.5, "propensity"), (np.nan, 0.5, "propensity"), (0.5, -0.1, "target")],
)
def test_a_wrong_log_is_an_error(propensity, target, message):
    with pytest.raises(LogError, match=message):
        evaluate(np.ones(50), np.full(50, propensity), np.full(50, target))


def test_lengths_and_half_a_reward_model():
    with pytest.raises(LogError, match="lengths"):
        evaluate(np.ones(50), np.full(49, 0.5), np.full(50, 0.5))
    with pytest.raises(LogError, match="both"):
        evaluate(np.ones(50), np.full(50, 0.5), np.full(50, 0.5), q_logged=np.ones(50))


@given(st.lists(st.floats(0.0, 1e3), min_size=1, max_size=200))
def test_effective_sample_size_lies_between_one_and_n(weights):
    found = effective_sample_size(np.array(weights))
    if sum(value**2 for value in weights) == 0:
        assert found == 0
    else:
        assert 1 - 1e-9 <= found <= len(weights) + 1e-6


@given(st.integers(1, 40), st.integers(1, 5))
def test_folds_share_no_day_and_cover_every_row(days, per_day):
    day = np.repeat([f"day {index}" for index in range(days)], per_day)
    tested = np.concatenate([test for _, test in day_folds(day)])
    assert sorted(tested.tolist()) == list(range(len(day)))
    if days > 1:
        for train, test in day_folds(day):
            assert not set(day[train]) & set(day[test])
