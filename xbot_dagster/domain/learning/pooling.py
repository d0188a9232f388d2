"""What accounts have in common: a prior for a new account from the posteriors of the others.

Random effects per coefficient and metric: every account's own evidence (its posterior with its prior divided out) is an
estimate of a level that differs between accounts. Levels keep their spread between accounts, so that one loud account
cannot dictate to the next. Intercepts are left out: an account's references already carry its scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xbot_dagster.domain.learning.coefficients import Key, PooledLevel
from xbot_dagster.domain.learning.growth_config import GrowthConfig

SHARED_VARIANCE = 0.5  # expected share of a block's variance that accounts have in common, before any is seen
SHARED_VARIANCE_ACCOUNTS = 3.0  # how many accounts that expectation weighs
LEAST_INFORMATION = 0.02  # of the prior precision: an account that learned less about a level says nothing of it


@dataclass(frozen=True)
class LearnedLevel:
    """One coefficient of one account: posterior and prior mean and standard deviation per metric."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    prior_mean: tuple[float, ...]
    prior_sd: tuple[float, ...]

    def evidence(self) -> tuple[np.ndarray, np.ndarray]:
        """(estimate, precision) per metric with the prior divided out; precision 0 where hardly anything is known."""
        prior = np.array(self.prior_sd) ** -2.0
        total = np.array(self.sd) ** -2.0
        precision = total - prior
        precision = np.where(precision > LEAST_INFORMATION * prior, precision, 0.0)
        weighted = np.array(self.mean) * total - np.array(self.prior_mean) * prior
        return np.divide(weighted, precision, out=np.zeros_like(precision), where=precision > 0), precision


def pooled_prior(
    posteriors: Sequence[Mapping[Key, LearnedLevel]], config: GrowthConfig | None = None
) -> dict[Key, PooledLevel]:
    """Levels for `GrowthPolicy(..., pooled=...)` from `GrowthPolicy.posterior()` of other accounts.

    A level nobody learned anything about is left out and keeps its block's prior. Empty for no accounts.
    """
    blocks = (config or GrowthConfig()).block_priors()
    found: dict[Key, PooledLevel] = {}
    for key in dict.fromkeys(key for posterior in posteriors for key in posterior):
        if key[0] == "base" or key[0] not in blocks:
            continue
        evidence = [posterior[key].evidence() for posterior in posteriors if key in posterior]
        estimates = np.array([estimate for estimate, _ in evidence])
        precisions = np.array([precision for _, precision in evidence])
        if not (precisions > 0).any():
            continue
        pooled = [
            _random_effects(estimates[:, metric], precisions[:, metric], blocks[key[0]].sd)
            for metric in range(estimates.shape[1])
        ]
        found[key] = PooledLevel(tuple(mean for mean, _ in pooled), tuple(sd for _, sd in pooled))
    return found


def _random_effects(estimate: np.ndarray, precision: np.ndarray, block_sd: float) -> tuple[float, float]:
    """(mean, standard deviation) of the level in an account not seen yet.

    Between-account variance after DerSimonian & Laird (1986), drawn toward its expectation while accounts are few.
    """
    estimate, precision = estimate[precision > 0], precision[precision > 0]
    accounts = len(estimate)
    between = (1 - SHARED_VARIANCE) * block_sd**2
    if accounts > 1:
        centre = (precision * estimate).sum() / precision.sum()
        excess = (precision * (estimate - centre) ** 2).sum() - (accounts - 1)
        scale = precision.sum() - (precision**2).sum() / precision.sum()
        trust = (accounts - 1) / (accounts - 1 + SHARED_VARIANCE_ACCOUNTS)
        between = trust * max(0.0, excess / scale) + (1 - trust) * between
    weight = 1 / (between + 1 / precision)
    common = 1 / (SHARED_VARIANCE * block_sd**2)
    total = weight.sum() + common
    return float((weight * estimate).sum() / total), float(min(block_sd, (between + 1 / total) ** 0.5))
