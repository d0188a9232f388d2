"""Prediction intervals from errors the model made on posts it had not seen (split conformal, signed residuals).

Belongs here: the interval of a batch of past errors and its growing form in a walk-forward. The libraries do not fit:
mapie and crepes want an estimator to refit or a calibration set drawn at random, while our errors already exist,
out of sample and in time order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

# Share of future posts an interval should cover.
INTERVAL_LEVEL: Final = 0.9
# Older errors belong to older models and another audience.
RESIDUAL_WINDOW: Final = 500


@dataclass(frozen=True)
class ErrorBand:
    """prediction + low .. prediction + high holds the outcome with probability INTERVAL_LEVEL.

    An unlimited side (too few errors to promise anything) is -inf or inf; predictions are clipped to the observed range.
    """

    low: float
    high: float
    errors: int

    def to_payload(self) -> dict[str, Any]:
        """JSON-able form; an unlimited side is null."""
        return {
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "errors": self.errors,
        }

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> ErrorBand:
        """Inverse of `to_payload`. Raises KeyError, TypeError or ValueError for anything else."""
        low, high = payload["low"], payload["high"]
        return cls(
            -math.inf if low is None else float(low), math.inf if high is None else float(high), int(payload["errors"])
        )


def error_band(errors: np.ndarray, level: float = INTERVAL_LEVEL) -> ErrorBand:
    """Band of `errors` (outcome − prediction, in time order, NaN left out) with the finite-sample correction.

    Each side is the order statistic number ceil((n + 1)(1 + level) / 2) of Vovk et al. 2005, of the last
    RESIDUAL_WINDOW errors; a side whose order statistic does not exist is unlimited.
    """
    import numpy as np

    known = np.sort(errors[~np.isnan(errors)][-RESIDUAL_WINDOW:])
    n = len(known)
    upper = math.ceil((n + 1) * (1 + level) / 2)
    if upper > n:
        return ErrorBand(-math.inf, math.inf, n)
    return ErrorBand(float(known[n - upper]), float(known[upper - 1]), n)
