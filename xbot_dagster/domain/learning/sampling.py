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
LOG_UTILITY_LIMIT = 20.0  # exp() of anything above is a full mark many times over


@dataclass(frozen=True)
class Draws:
    """Sampled reward of every pair, shape (arms, 24, draws), float32, in [0, sum of weights]."""

    reward: np.ndarray

    def pick_shares(self, admissible: np.ndarray) -> np.ndarray:
        """How often each admissible pair is the best one, shape (arms, 24); sums to 1."""
        best = self.reward[admissible].argmax(0)
        shares = np.zeros(admissible.shape)
        shares[admissible] = np.bincount(best, minlength=int(admissible.sum())) / self.reward.shape[2]
        return shares

    def arm_values(self, admissible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, shape (arms,), of the reward at each arm's own best admissible hour."""
        mean = np.where(admissible, self.reward.mean(2), -1)
        at_best = self.reward[np.arange(len(mean)), mean.argmax(1)]
        return at_best.mean(1), at_best.std(1)


def sample_rewards(
    model: DriftingCounts,
    arms: Sequence[str],
    context: Mapping[str, Any],
    *,
    weights: np.ndarray,
    references: np.ndarray,
    temperature: float,
    interaction_share: float,
    draws: int,
    rng: np.random.Generator,
) -> Draws:
    """Rewards `sum of weight * min(1, rate / reference)` under `draws` cooled posterior samples.

    `weights`, `references` (per impression) of shape (metrics,). `temperature` scales the posterior covariance;
    interactions keep `interaction_share` of theirs, because sixty barely known cells would otherwise win by luck.
    """
    shared = context_features(context)
    rows = [{**shared, **arm_features(arm, context)} for arm in arms] + [{key: 1.0} for key in hour_keys()]
    mean, cov = model.project(rows, muted="cell", share=interaction_share)
    factor = np.linalg.cholesky(temperature * cov + JITTER * np.eye(len(mean)))
    sampled = mean[:, None] + factor @ rng.standard_normal((len(mean), draws))
    split = len(arms) * model.metrics
    of_arm = sampled[:split].reshape(len(arms), model.metrics, draws) - np.log(references)[:, None]
    of_hour = np.tensordot(fourier(), sampled[split:].reshape(-1, model.metrics, draws), 1)
    of_arm += np.log(weights)[:, None]
    arm_factor = np.exp(np.clip(of_arm, -LOG_UTILITY_LIMIT, LOG_UTILITY_LIMIT)).astype(np.float32)
    hour_factor = np.exp(np.clip(of_hour, -LOG_UTILITY_LIMIT, LOG_UTILITY_LIMIT)).astype(np.float32)
    reward = np.zeros((len(arms), HOURS, draws), np.float32)
    part = np.empty_like(reward)
    for metric, weight in enumerate(weights):
        np.multiply(arm_factor[:, None, metric], hour_factor[None, :, metric], out=part)
        reward += np.minimum(part, np.float32(weight), out=part)
    return Draws(reward)
