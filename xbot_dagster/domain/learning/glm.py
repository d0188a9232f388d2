"""Bayesian count regression whose coefficients drift: several counts with one exposure, one joint Gaussian posterior.

Counts are negative binomial with log link, `y ~ NB(impressions * exp(x . theta), dispersion)`. Between observations
each coefficient returns to its prior (an Ornstein-Uhlenbeck step: exponential forgetting toward the prior); an
observation is a Laplace step in the space of the observed rows (Rasmussen & Williams 2006, algorithm 3.1), so a day of
posts costs a few small matrix products. bayesianbandits' BayesianGLM knows neither over-dispersion nor correlated
counts, neither a return to the prior nor coefficients that appear later: the fit is ours, and a test compares both
where they overlap.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from xbot_dagster.domain.learning.coefficients import Key, Prior

NEWTON_STEPS = 12
NEWTON_TOLERANCE = 1e-4
LOG_RATE_LIMIT = 15.0  # |log rate| beyond which a rate cannot be real: keeps exp() finite whatever comes in


@dataclass(frozen=True)
class Surprise:
    """How observed rows differed from what was predicted before them: per row and metric, shape (rows, metrics).

    `predicted` are mean log rates, `predicted_variance` their variances, `residual` is count / expected count - 1 with
    variance `noise` (Poisson plus dispersion) and `known` marks what was measured.
    """

    predicted: np.ndarray
    predicted_variance: np.ndarray
    residual: np.ndarray
    noise: np.ndarray
    known: np.ndarray


class DriftingCounts:
    """Joint posterior over coefficients x metrics; index of coefficient k, metric m is `k * metrics + m`."""

    def __init__(self, prior: Prior, metrics: int, dispersion: Sequence[float], time: float | None = None) -> None:
        """`dispersion`: negative-binomial alpha of each metric; `time` in days, None until the first row."""
        self.prior, self.metrics, self.time = prior, metrics, time
        self.dispersion = np.array(dispersion, float)
        self.keys: list[Key] = []
        self.index: dict[Key, int] = {}
        self.mean = np.zeros(0)
        self.cov = np.zeros((0, 0))
        self._prior_mean = np.zeros(0)
        self._prior_cov = np.zeros((0, metrics, metrics))
        self._retention = np.zeros(0)

    def copy(self) -> Self:
        """An independent copy, for provisional rows and for looking ahead."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.keys, other.index = list(self.keys), dict(self.index)
        other.mean, other.cov = self.mean.copy(), self.cov.copy()
        return other

    def ensure(self, keys: Iterable[Key]) -> None:
        """Give every key that is new its prior, independent of what is already known."""
        new = [key for key in dict.fromkeys(keys) if key not in self.index]
        if not new:
            return
        priors = [self.prior.of(key, self.metrics) for key in new]
        old, size = len(self.mean), len(self.mean) + len(new) * self.metrics
        cov = np.zeros((size, size))
        cov[:old, :old] = self.cov
        for offset, (_, block, _) in enumerate(priors):
            at = slice(old + offset * self.metrics, old + (offset + 1) * self.metrics)
            cov[at, at] = block
        means = np.concatenate([mean for mean, _, _ in priors])
        self.cov, self.mean = cov, np.concatenate([self.mean, means])
        self._prior_mean = np.concatenate([self._prior_mean, means])
        self._prior_cov = np.concatenate([self._prior_cov, np.stack([block for _, block, _ in priors])])
        self._retention = np.concatenate([self._retention, [kept for _, _, kept in priors]])
        for key in new:
            self.index[key] = len(self.keys)
            self.keys.append(key)

    def drop(self, keys: Iterable[Key]) -> None:
        """Marginalise coefficients out; met again they start from their prior."""
        gone = set(keys)
        kept = [k for k, key in enumerate(self.keys) if key not in gone]
        flat = (np.array(kept, int)[:, None] * self.metrics + np.arange(self.metrics)).ravel()
        self.mean, self.cov, self._prior_mean = self.mean[flat], self.cov[np.ix_(flat, flat)], self._prior_mean[flat]
        self._prior_cov, self._retention = self._prior_cov[kept], self._retention[kept]
        self.keys = [self.keys[k] for k in kept]
        self.index = {key: k for k, key in enumerate(self.keys)}

    def advance(self, time: float) -> None:
        """Move to a later day: every coefficient falls back toward its prior. An earlier time changes nothing."""
        if self.time is None or time <= self.time:
            self.time = time if self.time is None else self.time
            return
        kept = self._retention ** (time - self.time)
        self.time = time
        self._fall_back(kept)

    def loosen(self, keep: Mapping[Key, float]) -> None:
        """Let coefficients that are suspected to have jumped keep only that share of their distance to the prior."""
        share = np.ones(len(self.keys))
        for key, kept in keep.items():
            if key in self.index:
                share[self.index[key]] = kept
        self._fall_back(share)

    def _fall_back(self, kept: np.ndarray) -> None:
        """One Ornstein-Uhlenbeck step: `kept` (coefficients,) of the distance remains, the prior's variance fills up."""
        flat = np.repeat(kept, self.metrics)
        self.mean = self._prior_mean + flat * (self.mean - self._prior_mean)
        self.cov *= np.outer(flat, flat)
        start = np.arange(len(kept)) * self.metrics
        for i in range(self.metrics):
            for j in range(self.metrics):
                self.cov[start + i, start + j] += (1 - kept**2) * self._prior_cov[:, i, j]

    def design(self, rows: Sequence[Mapping[Key, float]]) -> np.ndarray:
        """Dense feature matrix, shape (rows, coefficients); keys must have been ensured."""
        matrix = np.zeros((len(rows), len(self.keys)))
        for i, row in enumerate(rows):
            for key, value in row.items():
                matrix[i, self.index[key]] = value
        return matrix

    def project(
        self, rows: Sequence[Mapping[Key, float]], muted: str | None = None, share: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean (rows * metrics,) and covariance of the linear predictors, row-major over metrics.

        The block named `muted` keeps its mean but only `share` of its variance.
        """
        self.ensure(key for row in rows for key in row)
        x = self.design(rows)
        mean = self._linear(x)
        if muted is not None:
            x = x * np.array([share**0.5 if key[0] == muted else 1.0 for key in self.keys])
        return mean, self._spread(x, self._spread_columns(x))

    def expect(self, rows: Sequence[Mapping[Key, float]], exposure: float) -> None:
        """Narrow the posterior as rows still to be measured will narrow it on average; the mean stays."""
        from scipy.linalg import cho_factor, solve_triangular

        self.ensure(key for row in rows for key in row)
        x = self.design(rows)
        columns = self._spread_columns(x)
        mu = exposure * np.exp(np.clip(self._linear(x), -LOG_RATE_LIMIT, LOG_RATE_LIMIT))
        root = np.sqrt(mu / (1 + np.tile(self.dispersion, len(rows)) * mu))
        inner = np.eye(len(mu)) + root[:, None] * self._spread(x, columns) * root
        factor = cho_factor(inner, lower=True, check_finite=False)[0]
        gain = solve_triangular(factor, root[:, None] * columns.T, lower=True, check_finite=False)
        self.cov -= gain.T @ gain

    def _linear(self, x: np.ndarray) -> np.ndarray:
        return (x @ self.mean.reshape(-1, self.metrics)).ravel()

    def _spread_columns(self, x: np.ndarray) -> np.ndarray:
        """Covariance of every coefficient with the linear predictors, shape (size, rows * metrics)."""
        size = len(self.mean)
        used = np.flatnonzero(x.any(0))
        blocks = self.cov.reshape(size, len(self.keys), self.metrics)[:, used, :]
        return np.matmul(x[:, used], blocks).reshape(size, len(x) * self.metrics)

    def _spread(self, x: np.ndarray, columns: np.ndarray) -> np.ndarray:
        n = columns.shape[1]
        return (x @ columns.reshape(len(self.keys), self.metrics * n)).reshape(n, n)

    def observe(self, rows: Sequence[Mapping[Key, float]], counts: np.ndarray, exposure: np.ndarray) -> Surprise:
        """Learn rows measured at the current time. `counts`: (rows, metrics), NaN = not measured; `exposure` > 0."""
        from scipy.linalg import cho_factor, cho_solve, solve_triangular

        self.ensure(key for row in rows for key in row)
        x = self.design(rows)
        columns = self._spread_columns(x)
        cov = self._spread(x, columns)
        start = self._linear(x)
        y = np.asarray(counts, float).ravel()
        known = np.isfinite(y)
        y = np.where(known, y, 0.0)
        log_exposure = np.repeat(np.log(exposure), self.metrics)
        alpha = np.tile(self.dispersion, len(rows))
        eta, shift = start, np.zeros_like(start)
        root = factor = None
        for _ in range(NEWTON_STEPS):
            mu = np.exp(np.clip(eta, -LOG_RATE_LIMIT, LOG_RATE_LIMIT) + log_exposure)
            weight = np.where(known, mu / (1 + alpha * mu), 0.0)
            gradient = np.where(known, (y - mu) / (1 + alpha * mu), 0.0)
            root = np.sqrt(weight)
            factor = cho_factor(np.eye(len(y)) + root[:, None] * cov * root, lower=True, check_finite=False)
            target = weight * (eta - start) + gradient
            shift = target - root * cho_solve(factor, root * (cov @ target), check_finite=False)
            moved = start + cov @ shift
            change = float(np.max(np.abs(moved - eta), initial=0.0))
            eta = moved
            if change < NEWTON_TOLERANCE:
                break
        assert factor is not None
        assert root is not None
        self.mean = self.mean + columns @ shift
        gain = solve_triangular(factor[0], root[:, None] * columns.T, lower=True, check_finite=False)
        self.cov -= gain.T @ gain
        shape = (len(rows), self.metrics)
        expected = np.exp(np.clip(start, -LOG_RATE_LIMIT, LOG_RATE_LIMIT) + log_exposure)
        return Surprise(
            predicted=start.reshape(shape),
            predicted_variance=np.diag(cov).reshape(shape),
            residual=(y / expected - 1).reshape(shape),
            noise=(1 / expected + alpha).reshape(shape),
            known=known.reshape(shape),
        )

    def state(self) -> dict[str, Any]:
        """JSON-serialisable posterior; the covariance is the lower triangle as little-endian doubles in base64."""
        lower = self.cov[np.tril_indices(len(self.mean))].astype("<f8")
        return {
            "time": self.time,
            "dispersion": self.dispersion.tolist(),
            "keys": [list(key) for key in self.keys],
            "mean": self.mean.tolist(),
            "covariance": base64.b64encode(lower.tobytes()).decode("ascii"),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], prior: Prior, metrics: int) -> DriftingCounts:
        """The posterior as it was written; ValueError when the parts do not fit each other."""
        model = cls(prior, metrics, state["dispersion"])
        model.ensure(tuple(key) for key in state["keys"])
        mean = np.array(state["mean"], float)
        lower = np.frombuffer(base64.b64decode(state["covariance"]), "<f8")
        if len(mean) != len(model.mean) or len(lower) != len(mean) * (len(mean) + 1) // 2:
            raise ValueError("the stored posterior does not match its coefficients")
        if not (np.isfinite(mean).all() and np.isfinite(lower).all()):
            raise ValueError("the stored posterior holds numbers that are not finite")
        cov = np.zeros((len(mean), len(mean)))
        cov[np.tril_indices(len(mean))] = lower
        model.cov = cov + np.tril(cov, -1).T
        model.mean, model.time = mean, state["time"]
        return model
