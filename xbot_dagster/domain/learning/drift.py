"""Drift: have a predictor's errors grown, and since when?

Belongs here: the detector over errors in time order. Does not belong here: the alert it raises, retraining.
Source: ADWIN (Bifet & Gavaldà 2007), from `river`. It keeps a window of errors and drops its older part when the two
halves differ; what it still holds is the memory worth training on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

# Errors before the first judgement; they also set the scale.
BURN_IN: Final = 50
# ADWIN's confidence: at .002 about one false alarm in several thousand posts.
DELTA: Final = 0.002
# ADWIN wants values in [0, 1]; an error beyond this many typical ones counts as 1.
SCALE_QUANTILE: Final = 0.9
SCALE_FACTOR: Final = 2.0


@dataclass(frozen=True)
class Drift:
    """The last change found. drifted: errors grew. since: position of the first error after the change.

    memory: how many of the latest posts are alike; train on no more. before, after: mean absolute error on either side.
    """

    drifted: bool
    since: int | None
    memory: int
    before: float | None
    after: float | None


def detect(errors: Sequence[float]) -> Drift:
    """Judge errors (outcome − prediction, any scale) in time order; NaN and infinite ones are left out but counted.

    A change toward smaller errors shortens no memory and raises nothing. Fewer than 2 × BURN_IN errors: no drift.
    """
    import numpy as np
    from river.drift import ADWIN

    values = np.abs(np.asarray(errors, dtype=float))
    positions = np.flatnonzero(np.isfinite(values))
    none = Drift(False, None, len(values), None, None)
    if len(positions) < 2 * BURN_IN:
        return none
    typical = float(np.quantile(values[positions[:BURN_IN]], SCALE_QUANTILE))
    if typical <= 0:
        return none
    scaled = np.minimum(values[positions] / (SCALE_FACTOR * typical), 1.0)
    detector = ADWIN(delta=DELTA)
    grown = False
    for index, value in enumerate(scaled):
        detector.update(float(value))
        start = index + 1 - int(detector.width)
        if detector.drift_detected and start > 0:
            grown = bool(scaled[start : index + 1].mean() > scaled[:start].mean())
    if not grown:
        return none
    split = _change_point(scaled)
    before, after = values[positions[:split]], values[positions[split:]]
    since = int(positions[split])
    return Drift(True, since, len(values) - since, float(before.mean()), float(after.mean()))


def _change_point(scaled: np.ndarray) -> int:
    """Where the mean changed most (least squares). ADWIN says that it changed, but drops only whole old buckets."""
    import numpy as np

    n = len(scaled)
    left = np.arange(1, n)
    sums = np.cumsum(scaled)[:-1]
    contrast = (sums / left - (scaled.sum() - sums) / (n - left)) ** 2 * left * (n - left)
    inner = (left >= BURN_IN // 2) & (n - left >= BURN_IN // 2)
    return int(left[np.argmax(np.where(inner, contrast, -1.0))])
