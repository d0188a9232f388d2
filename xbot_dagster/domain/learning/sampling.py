"""Thompson sampling of arm x hour from the joint posterior of the count model, vectorised over draws and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbot_dagster.domain.learning.coefficients import arm_features, context_features, hour_keys
from xbot_dagster.domain.learning.glm import DriftingCounts
from xbot_dagster.domain.learning.timing import HOURS, fourier

JITTER = 1e-9  # keeps the factor of a posterior that is certain in some direction
LOG_RATE_LIMIT = 20.0  # of a rate against its reference: anything above is a full mark many times over


@dataclass(frozen=True)
class Draws:
    """Sampled reward of every pair, shape (arms, 24, draws), float32, in [0, sum of weights].

    `reach`, shape (24, draws): how many people an hour reaches, as a factor on whatever a post earns there.
    """

    reward: np.ndarray
    reach: np.ndarray | None = None

    def pick_shares(self, admissible: np.ndarray) -> np.ndarray:
        """How often each admissible pair earns most, shape (arms, 24); sums to 1. Ties are shared evenly."""
        worth = self.reward if self.reach is None else self.reward * self.reach
        pairs = worth.reshape(-1, worth.shape[2])
        open_reward = pairs if admissible.all() else pairs[admissible.ravel()]
        best = open_reward == open_reward.max(0)
        tied = np.count_nonzero(best, axis=0)
        wins = np.count_nonzero(best, axis=1) if tied.max() == 1 else best @ (1 / tied)
        shares = np.zeros(admissible.shape)
        shares[admissible] = wins / len(tied)
        return shares

    def arm_values(self, admissible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, shape (arms,), of the reward at each arm's own best admissible hour."""
        mean = np.where(admissible, self.reward.mean(2), -1)
        at_best = self.reward[np.arange(len(mean)), mean.argmax(1)]
        return at_best.mean(1), at_best.std(1)


def standard_noise(arms: int, metrics: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Standard normals for `sample_rewards`; one set serves a whole batch, whose choices are then drawn independently."""
    return rng.standard_normal((arms * metrics + len(hour_keys()) * metrics, draws), dtype=np.float32)


def sample_rewards(
    model: DriftingCounts,
    arms: Sequence[str],
    context: Mapping[str, Any],
    noise: np.ndarray,
    *,
    weights: np.ndarray,
    references: np.ndarray,
    temperature: float,
    interaction_share: float,
) -> Draws:
    """Rewards `sum of weight * min(1, rate / reference)` under cooled posterior samples, one per column of `noise`.

    `weights`, `references` (per impression) of shape (metrics,). `temperature` scales the posterior covariance;
    interactions keep `interaction_share` of theirs, because sixty barely known cells would otherwise win by luck.
    Raises `numpy.linalg.LinAlgError` for a posterior that is not one.
    """
    shared = context_features(context)
    rows = [{**shared, **arm_features(arm, context)} for arm in arms] + [{key: 1.0} for key in hour_keys()]
    mean, cov = model.project(rows, muted="cell", share=interaction_share)
    factor = np.linalg.cholesky(temperature * cov + JITTER * np.eye(len(mean)))
    split, draws = len(arms) * model.metrics, noise.shape[1]
    mean[:split] += np.tile(np.log(weights) - np.log(references), len(arms))
    sampled = mean.astype(np.float32)[:, None] + factor.astype(np.float32) @ noise
    of_arm = np.clip(sampled[:split], -LOG_RATE_LIMIT, LOG_RATE_LIMIT).reshape(len(arms), model.metrics, draws)
    basis = fourier().astype(np.float32)
    of_hour = (basis @ sampled[split:].reshape(basis.shape[1], -1)).reshape(HOURS, model.metrics, draws)
    arm_factor = np.exp(of_arm)
    hour_factor = np.exp(np.clip(of_hour, -LOG_RATE_LIMIT, LOG_RATE_LIMIT)).transpose(1, 0, 2).copy()
    # One arm at a time: 24 hours of draws stay in the processor's cache, all pairs at once do not.
    reward = np.empty((len(arms), HOURS, draws), np.float32)
    part = np.empty((HOURS, draws), np.float32)
    for arm in range(len(arms)):
        total = reward[arm]
        total[:] = 0
        for metric, weight in enumerate(weights):
            np.multiply(arm_factor[arm, metric], hour_factor[metric], out=part)
            np.minimum(part, np.float32(weight), out=part)
            total += part
    return Draws(reward)
