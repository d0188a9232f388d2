"""What the count models estimate: names of coefficients, their priors, and the row of features of one post.

A coefficient is named by a tuple of strings, block first: ("arm", "educational"), ("cell", "educational", "space").
Levels come into being when they are first met, with their block's prior; nothing here knows which arms or topics exist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xbot_dagster.domain.learning.timing import FOURIER_TERMS, fourier

Key = tuple[str, ...]
NOVELTY_CENTRE = 0.65  # so that the arm effects describe a post of ordinary novelty


@dataclass(frozen=True)
class BlockPrior:
    """Normal prior of one block on the log scale.

    `sd`: standard deviation; `correlation`: between the metrics (an arm that brings follows tends to bring retweets);
    `retention`: what remains of the distance to the prior after one day, 1 = static.
    """

    sd: float
    correlation: float = 0.0
    retention: float = 1.0


@dataclass(frozen=True)
class PooledLevel:
    """Prior of one coefficient learned from other accounts: per metric mean and standard deviation."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


@dataclass(frozen=True)
class Prior:
    """Block priors plus the levels that other accounts already know something about."""

    blocks: Mapping[str, BlockPrior]
    levels: Mapping[Key, PooledLevel] = field(default_factory=dict)

    def of(self, key: Key, metrics: int) -> tuple[np.ndarray, np.ndarray, float]:
        """(mean (metrics,), covariance (metrics, metrics), daily retention) of a coefficient not seen so far."""
        block = self.blocks[key[0]]
        pooled = self.levels.get(key)
        mean = np.array(pooled.mean) if pooled else np.zeros(metrics)
        sd = np.array(pooled.sd) if pooled else np.full(metrics, block.sd)
        correlation = np.full((metrics, metrics), block.correlation)
        np.fill_diagonal(correlation, 1.0)
        return mean, correlation * np.outer(sd, sd), block.retention


def level(value: Any) -> str | None:
    """A context value as the name of a level; None when it is unknown."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return str(value)


def novelty(context: Mapping[str, Any]) -> float:
    """Centred novelty, 0 when it was not measured."""
    value = context.get("novelty")
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0.0
    return min(1.0, max(0.0, float(value))) - NOVELTY_CENTRE


def context_features(context: Mapping[str, Any]) -> dict[Key, float]:
    """What every arm shares: intercept, topic, hook, novelty."""
    features: dict[Key, float] = {("base",): 1.0, ("novelty",): novelty(context)}
    for block in ("topic", "hook"):
        name = level(context.get(block))
        if name is not None:
            features[(block, name)] = 1.0
    return features


def arm_features(arm: str, context: Mapping[str, Any]) -> dict[Key, float]:
    """What tells arms apart: the main effect, and the arm in this topic."""
    features: dict[Key, float] = {("arm", arm): 1.0}
    topic = level(context.get("topic"))
    if topic is not None:
        features[("cell", arm, topic)] = 1.0
    return features


def hour_keys() -> list[Key]:
    """Fourier coefficients in the order of `timing.fourier`; the first harmonic is `hour`, the second `hour2`."""
    return [("hour" if term < 2 else "hour2", str(term)) for term in range(FOURIER_TERMS)]


def post_features(arm: str, hour: int, context: Mapping[str, Any]) -> dict[Key, float]:
    """The whole feature row of one post."""
    basis = fourier()[hour]
    of_hour = dict(zip(hour_keys(), basis.tolist(), strict=True))
    return {**context_features(context), **arm_features(arm, context), **of_hour}
