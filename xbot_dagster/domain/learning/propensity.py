"""Probabilities of what a policy may choose: Monte-Carlo pick shares, the epsilon mixture, and what later drops do to them.

Arrays over pairs have shape (arms, 24); a pair that is not admissible carries probability 0.
"""

from __future__ import annotations

import numpy as np

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


def draw(
    picked: np.ndarray, admissible: np.ndarray, epsilon: float, rng: np.random.Generator
) -> tuple[tuple[int, int], bool]:
    """((arm index, hour), forced): one draw from `mixture`, telling whether the epsilon branch made it."""
    forced = bool(rng.random() < epsilon)
    shares = mixture(picked, admissible, 1.0 if forced else 0.0).ravel()
    edge = np.cumsum(shares)
    index = int(np.searchsorted(edge, rng.random() * edge[-1], side="right"))
    index = min(index, int(np.flatnonzero(shares)[-1]))
    return (index // picked.shape[1], index % picked.shape[1]), forced


def after_drops(propensity: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """Propensities given that gates removed the pairs where `dropped` is True; all zero when nothing is left."""
    kept = np.where(dropped, 0.0, propensity)
    total = kept.sum()
    return kept / total if total > 0 else kept
