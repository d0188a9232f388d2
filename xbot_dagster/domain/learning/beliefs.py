"""What the growth policy believes, in the reward's units: one row per arm, hour, topic and hook, for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xbot_dagster.domain.learning.coefficients import Key, arm_features, context_features, post_features
from xbot_dagster.domain.learning.glm import DriftingCounts
from xbot_dagster.domain.learning.policy import HOURS, Belief
from xbot_dagster.domain.learning.reach import HourReach
from xbot_dagster.domain.learning.tallies import Tallies

GRID = (
    400  # quantiles of each level: single levels need no joint draws, and a fixed grid gives the same report every time
)
STRIDE = 149  # coprime with GRID


def beliefs_of(
    model: DriftingCounts,
    reach: HourReach,
    arms: Sequence[str],
    weights: np.ndarray,
    rates: np.ndarray,
    tallies: Tallies,
) -> list[Belief]:
    """Every level at an otherwise ordinary post. `weights`, `rates` (the references per impression): shape (metrics,).

    An hour's reward counts the people it reaches, against the mean hour: that is what hours are chosen by.
    """
    shared = context_features({})
    rows: dict[tuple[str, str], Mapping[Key, float]] = {
        ("content", arm): {**shared, **arm_features(arm, {})} for arm in arms
    }
    for hour in range(HOURS):
        features = post_features(arms[0], hour, {})
        rows[("timing", str(hour))] = {key: value for key, value in features.items() if key[0] != "arm"}
    for key in model.keys:
        if key[0] in ("topic", "hook"):
            rows[(key[0], key[1])] = {**shared, key: 1.0}
    reward = _rewards(model, list(rows.values()), weights, rates)
    # Rates and reach are learned apart from each other: pairing their quantiles crosswise keeps them independent.
    crosswise = _grid()[np.arange(GRID) * STRIDE % GRID]
    hours = slice(len(arms), len(arms) + HOURS)
    reward[:, hours] = np.minimum(1, reward[:, hours] * reach.relative(crosswise))
    return [_belief(scope, name, reward[:, i], tallies) for i, (scope, name) in enumerate(rows)]


def _grid() -> np.ndarray:
    from scipy.special import ndtri

    return ndtri((np.arange(GRID) + 0.5) / GRID)


def _rewards(
    model: DriftingCounts, rows: Sequence[Mapping[Key, float]], weights: np.ndarray, rates: np.ndarray
) -> np.ndarray:
    """Reward of each row at each quantile, shape (GRID, rows)."""
    mean, cov = model.project(rows)
    spread = _grid()[:, None] * np.sqrt(np.diag(cov))
    rate = np.exp(np.clip((mean + spread).reshape(GRID, len(rows), -1) - np.log(rates), -20, 20))
    return (np.minimum(1, rate) * weights).sum(2)


def _belief(scope: str, name: str, reward: np.ndarray, tallies: Tallies) -> Belief:
    tally = tallies.of(scope, name)
    mean, variance = float(reward.mean()), float(reward.var())
    size = max(mean * (1 - mean) / max(variance, 1e-12) - 1, 1e-3)
    low, high = np.quantile(reward, [0.025, 0.975])
    return Belief(
        scope, name, tally.samples, tally.successes, tally.samples - tally.successes, mean, float(low), float(high),
        mean * size, (1 - mean) * size,
    )  # fmt: skip
