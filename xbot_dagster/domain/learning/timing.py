"""Hours of the day: the smooth basis of the count models, and the UCB1 hours of the seed policy."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

HOURS = 24
FOURIER_TERMS = 4
UCB1_WIDTH = math.sqrt(2)  # Auer et al. 2002
RARE_HOUR_SAMPLES = 5  # below this many posts an hour earns the documented bonus
RARE_HOUR_BONUS = 0.1  # in units of reward, at zero posts; falls linearly


@lru_cache
def fourier() -> np.ndarray:
    """Cosine and sine of one and two cycles a day, shape (24, 4)."""
    angle = 2 * np.pi * np.arange(HOURS) / HOURS
    return np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1)


def ucb1_scores(pulls: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """UCB1 index of each hour with the bonus for rarely tried hours; infinite where an hour was never tried.

    Both of shape (24,). `pulls`: posts per hour, pending ones included; `rewards`: sum of their rewards in [0, 1],
    pending ones counted at the overall mean by the caller.
    """
    tried = np.maximum(pulls, 1e-12)
    scores = rewards / tried + UCB1_WIDTH * np.sqrt(math.log(max(2.0, pulls.sum())) / tried)
    scores += RARE_HOUR_BONUS * np.clip(1 - pulls / RARE_HOUR_SAMPLES, 0, 1)
    return np.where(pulls > 0, scores, np.inf)
