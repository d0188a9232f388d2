"""How many people an hour reaches: Bayesian regression of log impressions on the hour of the day.

The reward judges a post by what the people who saw it did; how many see it depends on when it goes out, and a post that
twice as many see earns twice the follows at the same rate. Impressions say far more about the hour than the rare counts
do: one post's log impressions vary by about 1 around an hour profile of half that, its follows are mostly zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from xbot_dagster.domain.learning.coefficients import BlockPrior, Key, PooledLevel, Prior, hour_keys, level
from xbot_dagster.domain.learning.glm import DriftingCounts
from xbot_dagster.domain.learning.policy import Outcome
from xbot_dagster.domain.learning.timing import fourier

BLOCKS = {
    "base": BlockPrior(2.0, 0.0, 0.999),
    "first": BlockPrior(0.5, 0.0, 1.0),
    "arm": BlockPrior(0.25, 0.0, 0.97),
    "topic": BlockPrior(0.2, 0.0, 0.99),
    "hour": BlockPrior(0.3, 0.0, 0.985),
    "hour2": BlockPrior(0.1, 0.0, 0.985),
}
FIRST_PASS = ("first", "pass")
TYPICAL_LOG_IMPRESSIONS = 6.5
TYPICAL_FIRST_SHARE = -1.1  # log of the third of its impressions that a post has after an hour
NOISE_SD = 1.0  # of one post's log impressions around its mean, in real exports (learning.md section 1)

MOST_SURPRISE = 3.0  # standard deviations: a post that went round the world says nothing more about its hour


class HourReach(DriftingCounts):
    """The drifting posterior of `glm.py` with one normal measure in place of counts."""

    def __init__(self) -> None:
        levels = {
            ("base",): PooledLevel((TYPICAL_LOG_IMPRESSIONS,), (BLOCKS["base"].sd,)),
            FIRST_PASS: PooledLevel((TYPICAL_FIRST_SHARE,), (BLOCKS["first"].sd,)),
        }
        super().__init__(Prior(BLOCKS, levels), 1, (0.0,))
        self.ensure([("base",), FIRST_PASS, *hour_keys()])

    def learn(self, rows: Sequence[Outcome]) -> None:
        """Rows measured at the current time; a first pass is known to have seen a part of its impressions only."""
        from scipy.linalg import cho_factor, cho_solve, solve_triangular

        features = [_features(row) for row in rows]
        self.ensure(key for row in features for key in row)
        x = self.design(features)
        columns = self._spread_columns(x)
        spread = self._spread(x, columns) + NOISE_SD**2 * np.eye(len(rows))
        factor = cho_factor(spread, lower=True, check_finite=False)
        seen = np.log([max(1.0, float(row.impressions or 0)) for row in rows])
        limit = MOST_SURPRISE * np.sqrt(np.diag(spread))
        surprise = np.clip(seen - self._linear(x), -limit, limit)
        self.mean = self.mean + columns @ cho_solve(factor, surprise, check_finite=False)
        gain = solve_triangular(factor[0], columns.T, lower=True, check_finite=False)
        self.cov -= gain.T @ gain

    def hours(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (4,) and covariance of the Fourier coefficients of log reach, in the order of `timing.fourier`."""
        return self.project([{key: 1.0} for key in hour_keys()])

    def relative(self, quantiles: np.ndarray) -> np.ndarray:
        """Reach of each hour against the mean hour at these standard normal quantiles, shape (quantiles, 24)."""
        basis = fourier()
        mean, cov = self.hours()
        centre = basis @ mean
        sd = np.sqrt(np.einsum("hi,ij,hj->h", basis, cov, basis))
        return np.exp(centre + quantiles[:, None] * sd) / np.exp(centre).mean()

    def sample(self, temperature: float, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Sampled factors on the reward, shape (24, draws), under the cooled posterior."""
        mean, cov = self.hours()
        factor = np.linalg.cholesky(temperature * cov + 1e-12 * np.eye(len(mean)))
        sampled = mean[:, None] + factor @ rng.standard_normal((len(mean), draws))
        return np.exp(fourier() @ sampled).astype(np.float32)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """The posterior as `state` wrote it; ValueError when the parts do not fit each other."""
        model = cls()
        read = DriftingCounts.from_state(state, model.prior, 1)
        model.__dict__.update(read.__dict__)
        return model


def _features(row: Outcome) -> dict[Key, float]:
    basis = fourier()[row.hour]
    found: dict[Key, float] = {("base",): 1.0, ("arm", row.arm): 1.0}
    topic = level(row.context.get("topic"))
    if topic is not None:
        found[("topic", topic)] = 1.0
    if row.collected_pass == 1:
        found[FIRST_PASS] = 1.0
    return {**found, **dict(zip(hour_keys(), basis.tolist(), strict=True))}
