"""Lift of an experiment: the mean effect of treatment on an outcome, with honest uncertainty or a refusal.

Belongs here: cross-fitted AIPW with logged propensities, day-clustered errors, the confidence sequence for daily looks,
Benjamini-Hochberg. Does not belong here: assignment and power (`experiments`), reading trials.

Sources: Robins, Rotnitzky & Zhao 1994 (AIPW); Chernozhukov et al. 2018 (cross-fitting); Waudby-Smith, Arbour, Sinha,
Kennedy & Ramdas 2024 (asymptotic confidence sequences); Benjamini & Hochberg 1995. References: doubleml, econml.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xbot_dagster.domain.learning.offpolicy import Z_95, day_folds, effective_sample_size, needed_sample, ridge

if TYPE_CHECKING:
    import numpy as np

ALPHA: Final = 0.05
# Logged propensities below are raised to it; a weight of 100 posts carries no information about this one.
MIN_PROPENSITY: Final = 0.01
# Errors are counted by day and nuisances are fitted on other days: with fewer there is nothing to count.
MIN_DAYS: Final = 5
# Posts at which the confidence sequence is tightest where the plan names no number.
PLANNED_POSTS: Final = 200


@dataclass(frozen=True)
class LiftEstimate:
    """Treated minus control, in the outcome's units. low, high: fixed 95 % interval, valid for one look at a planned end.

    cs_low, cs_high: confidence sequence, valid at every daily look at once. naive: plain difference of means, for
    comparison. effective_n: the smaller arm's. clipped: propensities that were raised. unmeasured: posts without this
    outcome, left out, by arm (treated, control).
    """

    lift: float
    se: float
    low: float
    high: float
    cs_low: float
    cs_high: float
    p_value: float
    naive: float
    n: int
    treated: int
    control: int
    days: int
    effective_n: float
    least_propensity: float
    clipped: int
    unmeasured: tuple[int, int]


@dataclass(frozen=True)
class Refused:
    """No number: too little was seen. `reason` is one clause for people."""

    reason: str
    n: int
    effective_n: float
    days: int


class TrialError(ValueError):
    """The trials themselves are wrong: lengths differ, or a propensity is not in (0, 1)."""


def lift(
    outcome: np.ndarray,
    treated: np.ndarray,
    propensity: np.ndarray,
    covariates: np.ndarray,
    day: np.ndarray,
    *,
    planned_posts: int = PLANNED_POSTS,
) -> LiftEstimate | Refused:
    """Cross-fitted AIPW estimate. All arrays have one row per post, in time order.

    outcome: NaN = not measured (left out, counted). treated: 0 or 1. propensity: logged probability *of treatment* (not
    of the arm drawn), in (0, 1). covariates: (n, p), known before the draw, without NaN; `standardised` prepares them.
    day: label of the post's day; errors are clustered by it. planned_posts: fixed before the start.

    Raises TrialError.
    """
    import numpy as np

    n = len(outcome)
    if not n == len(treated) == len(propensity) == len(covariates) == len(day):
        raise TrialError("the columns of the trials have different lengths")
    outcome = np.asarray(outcome, dtype=float)
    treated = np.asarray(treated).astype(int)
    propensity = np.asarray(propensity, dtype=float)
    if not ((propensity > 0) & (propensity < 1)).all():
        raise TrialError("a propensity is not in (0, 1)")
    measured = ~np.isnan(outcome)
    unmeasured = (int((~measured & (treated == 1)).sum()), int((~measured & (treated == 0)).sum()))
    y, d, e = outcome[measured], treated[measured], propensity[measured]
    x, day = np.asarray(covariates, dtype=float)[measured], np.asarray(day)[measured]
    clipped = int(((e < MIN_PROPENSITY) | (e > 1 - MIN_PROPENSITY)).sum())
    e = np.clip(e, MIN_PROPENSITY, 1 - MIN_PROPENSITY)
    effective = min(effective_sample_size(1 / e[d == 1]), effective_sample_size(1 / (1 - e[d == 0])))
    days = len(np.unique(day))
    if effective < needed_sample(len(y)):
        reason = f"effective sample size {effective:.1f} in the smaller arm, {needed_sample(len(y)):.0f} needed"
        return Refused(reason, len(y), effective, days)
    if days < MIN_DAYS:
        return Refused(f"posts of {days} days, {MIN_DAYS} needed to see how days differ", len(y), effective, days)
    influence = _influence(y, d, e, x, day)
    if influence is None:
        return Refused("one arm falls on too few days to leave any day out", len(y), effective, days)
    value = float(influence.mean())
    se = clustered_error(influence, day)
    from scipy.stats import t

    quantile = float(t.ppf(1 - ALPHA / 2, days - 1))
    # The sequence is asymptotic; the factor by which t exceeds z pays for the few days of the early looks.
    width = confidence_sequence_width(len(y), se, planned_posts) * quantile / Z_95
    return LiftEstimate(
        lift=value,
        se=se,
        low=value - quantile * se,
        high=value + quantile * se,
        cs_low=value - width,
        cs_high=value + width,
        p_value=float(2 * t.sf(abs(value) / se, days - 1)) if se > 0 else (1.0 if value == 0 else 0.0),
        naive=float(y[d == 1].mean() - y[d == 0].mean()),
        n=len(y),
        treated=int(d.sum()),
        control=int((1 - d).sum()),
        days=days,
        effective_n=effective,
        least_propensity=float(np.minimum(e, 1 - e).min()),
        clipped=clipped,
        unmeasured=unmeasured,
    )


def _influence(y: np.ndarray, d: np.ndarray, e: np.ndarray, x: np.ndarray, day: np.ndarray) -> np.ndarray | None:
    """Each row's AIPW term, its nuisances fitted on other days; None if a fold leaves an arm empty."""
    import numpy as np

    influence = np.empty(len(y))
    for train, test in day_folds(day):
        modelled = []
        for arm in (1, 0):
            rows = train[d[train] == arm]
            if len(rows) == 0:
                return None
            coefficients, intercept = ridge(x[rows], y[rows])
            modelled.append(x[test] @ coefficients + intercept)
        m1, m0 = modelled
        influence[test] = m1 - m0 + d[test] * (y[test] - m1) / e[test] - (1 - d[test]) * (y[test] - m0) / (1 - e[test])
    return influence


def clustered_error(influence: np.ndarray, day: np.ndarray) -> float:
    """Standard error of the mean with rows of one day dependent (Liang & Zeger 1986, with the G/(G−1) correction)."""
    import numpy as np

    _, code = np.unique(day, return_inverse=True)
    sums = np.bincount(code, weights=influence - influence.mean())
    groups = len(sums)
    return float(np.sqrt(groups / max(1, groups - 1) * np.sum(sums**2)) / len(influence))


def confidence_sequence_width(n: int, se: float, planned_posts: int, alpha: float = ALPHA) -> float:
    """Half-width at n posts of the asymptotic confidence sequence that is tightest at `planned_posts`."""
    log = -2 * math.log(alpha)
    rho_squared = (log + math.log(log) + 1) / planned_posts
    scale = se * math.sqrt(n)
    return scale * math.sqrt(
        2 * (n * rho_squared + 1) / (n**2 * rho_squared) * math.log(math.sqrt(n * rho_squared + 1) / alpha)
    )


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """q-values in the given order, over all experiments × metrics tested together; None (refused) is not counted."""
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank in range(len(known), 0, -1):
        p, index = known[rank - 1]
        least = min(least, p * len(known) / rank)
        found[index] = least
    return found


def standardised(columns: Sequence[np.ndarray], categories: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Covariate matrix: numbers to mean 0 and deviation 1 (NaN becomes 0), categories as indicators; constants dropped."""
    import numpy as np

    rows = len(columns[0]) if columns else len(categories[0]) if categories else 0
    found: list[np.ndarray] = []
    for column in columns:
        values = np.asarray(column, dtype=float)
        known = ~np.isnan(values)
        deviation = float(values[known].std()) if known.any() else 0.0
        if deviation > 0:
            found.append(np.where(known, (values - values[known].mean()) / deviation, 0.0))
    for category in categories:
        labels = np.array(["" if value is None else str(value) for value in category], dtype=object)
        found += [(labels == label).astype(float) for label in sorted(set(labels.tolist()))[1:]]
    return np.column_stack(found) if found else np.zeros((rows, 0))
