"""Noticing that an arm fell: a one-sided CUSUM over how much worse its posts did than was predicted.

Drift is the model's own business (it forgets a little every day). A sudden fall of an arm that is played often is not: by
the time slow forgetting lets go of it, weeks are lost. Rises are left to the model: an arm that is rarely played gives a
detector nothing to stand on. (Page 1954; the dashboard's drift alerts use river, see `drift.py`.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xbot_dagster.domain.learning.glm import Surprise

SLACK = 0.5  # standard deviations by which a day of an arm may fall short without counting
THRESHOLD = (
    3.0  # accumulated standard deviations beyond the slack; a few false alarms per arm and decade of daily looks
)


@dataclass
class ArmWatch:
    """Accumulated shortfall per arm, in standard deviations."""

    shortfall: dict[str, float] = field(default_factory=dict)

    def observe(self, arms: Sequence[str], surprise: Surprise) -> list[str]:
        """Arms whose fall became certain with these rows; their shortfall starts over. `arms`: one per row."""
        fallen = []
        for arm in dict.fromkeys(arms):
            score = _score(np.array([name == arm for name in arms]), surprise)
            total = max(0.0, self.shortfall.get(arm, 0.0) - score - SLACK)
            if total > THRESHOLD:
                fallen.append(arm)
                total = 0.0
            self.shortfall[arm] = total
        if fallen:
            # The alarm loosens the belief in every arm, so what the others had accumulated no longer refers to anything.
            self.shortfall = {}
        return fallen

    def state(self) -> Mapping[str, float]:
        return dict(self.shortfall)


def _score(rows: np.ndarray, surprise: Surprise) -> float:
    """Standardised mean residual of these rows: observation noise plus what was uncertain about the prediction."""
    known = surprise.known & rows[:, None]
    if not known.any():
        return 0.0
    precision = 1 / surprise.noise[known]
    total = precision.sum()
    variance = total + total**2 * surprise.predicted_variance[known].mean()
    return float((precision * surprise.residual[known]).sum() / np.sqrt(variance))
