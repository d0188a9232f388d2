"""Probabilities of what a policy may choose: pick shares, the epsilon mixture, and what later drops do to them.

Arrays over pairs have shape (arms, 24); a pair that is not admissible carries probability 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xbot_dagster.domain.learning.policy import HIGH_UNCERTAINTY, Choice, Policy

MIN_DRAWS = 1000  # posterior samples behind a logged propensity (learning.md section 3)


def mixture(picked: np.ndarray, admissible: np.ndarray, epsilon: float) -> np.ndarray:
    """(1 - epsilon) * P(the sampler picks the pair) + epsilon / |admissible pairs|; sums to 1 exactly up to rounding.

    `picked` and `admissible` share a shape; `picked` is 0 where `admissible` is False. That mixture, not an absolute
    floor, keeps every admissible pair possible.
    """
    count = int(admissible.sum())
    if count == 0:
        raise ValueError("there is no admissible pair to choose from")
    shares = np.where(admissible, picked, 0.0)
    total = shares.sum()
    uniform = admissible / count
    return (1 - epsilon) * (shares / total if total > 0 else uniform) + epsilon * uniform


def choose(
    policy: Policy,
    context: Mapping[str, Any],
    picked: np.ndarray,
    admissible: np.ndarray,
    epsilon: float,
    rng: np.random.Generator,
    *,
    expected_reward: Mapping[str, tuple[float, float]],
    fallback: str | None = None,
) -> Choice:
    """One draw from `mixture`, with its joint and marginal propensities, and whether the epsilon branch forced it."""
    propensity = mixture(picked, admissible, epsilon)
    forced = bool(rng.random() < epsilon)
    shares = mixture(picked, admissible, 1.0 if forced else 0.0).ravel()
    arm, hour = divmod(int(rng.choice(len(shares), p=shares / shares.sum())), propensity.shape[1])
    return Choice(
        arm=policy.arms[arm],
        hour=hour,
        propensity=float(propensity[arm, hour]),
        arm_propensity=float(propensity[arm].sum()),
        hour_propensity=float(propensity[:, hour].sum()),
        epsilon=epsilon,
        policy=policy.name,
        version=policy.version,
        context=dict(context),
        arms=policy.arms,
        pair_propensities=propensity,
        expected_reward=expected_reward,
        forced_explore=HIGH_UNCERTAINTY if forced else None,
        fallback=fallback,
    )


def after_drops(propensity: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """Propensities given that gates removed the pairs where `dropped` is True; all zero when nothing is left."""
    kept = np.where(dropped, 0.0, propensity)
    total = kept.sum()
    return kept / total if total > 0 else kept
