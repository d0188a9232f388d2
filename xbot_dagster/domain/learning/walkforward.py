"""Walk-forward evaluation: every post is predicted by models fitted only on outcomes known before it was planned.

Belongs here: the loop of refits, the scores of its predictions, the paired block bootstrap. Does not belong here: what
to do with a score (`promotion`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xbot_dagster.domain.learning.conformal import error_band
from xbot_dagster.domain.learning.predictors_design import BEATS_MEDIAN, MODELS, Fitted, Material, beats

if TYPE_CHECKING:
    import numpy as np

# Posts between two refits; learning retrains at +25 outcomes.
REFIT_EVERY: Final = 25
MIN_OUTCOMES: Final = 5
# Earlier posts are learned from but not scored: with less, the scores describe the start, not the model.
WARM_UP_POSTS: Final = 100
BOOTSTRAP_DRAWS: Final = 2_000
# Posts per block: a day's posts share an audience, a news day and a model, so single posts are not independent.
BOOTSTRAP_BLOCK: Final = 25
BOOTSTRAP_LEVEL: Final = 0.95
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class Interval:
    """A point estimate and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class WalkForward:
    """Predictions of `rows` (positions in the material). predictions, outcomes, low, high: by target; (len(rows),)."""

    rows: np.ndarray
    outcomes: dict[str, np.ndarray]
    predictions: dict[str, dict[str, np.ndarray]]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    refits: int

    def errors(self, target: str, model: str) -> np.ndarray:
        """Outcome − prediction, NaN where either is unknown."""
        return self.outcomes[target] - self.predictions[target][model]


def walk_forward(material: Material, *, first: int, random_state: int) -> WalkForward:
    """Predict the posts from position `first` on, refitting every REFIT_EVERY posts as of the first post's planning."""
    import numpy as np

    n = len(material.posts)
    first = max(0, first)
    rows = np.arange(first, n)
    targets = (*material.targets, BEATS_MEDIAN)
    outcomes = {name: np.full(len(rows), np.nan) for name in targets}
    predictions = {name: {model: np.full(len(rows), np.nan) for model in MODELS} for name in targets}
    low = {name: np.full(len(rows), np.nan) for name in material.targets}
    high = {name: np.full(len(rows), np.nan) for name in material.targets}
    for position, name in enumerate(material.targets):
        outcomes[name] = material.y[rows, position]
        predictions[name]["rolling"] = material.history.rolling[rows, position]
    refits = 0
    for start in range(first, n, REFIT_EVERY):
        block = np.arange(start, min(n, start + REFIT_EVERY))
        second = int(material.posts.planned[start])
        known = material.known_at(second)
        if len(known) < MIN_OUTCOMES:
            continue
        fitted = Fitted.fit(material, known, random_state)
        refits += 1
        vectors = None if material.vectors is None else material.vectors[block]
        found = fitted.predict(material.base[block], tuple(material.posts.texts[row] for row in block), vectors)
        here = block - first
        past = known[known >= first] - first
        for name, by_model in found.items():
            if name == BEATS_MEDIAN:
                assert fitted.median_of is not None  # a model of beats_median exists only with a median
                assert fitted.median is not None
                column = material.targets.index(fitted.median_of)
                outcomes[name][here] = beats(material.y[block, column], fitted.median)
                base_rate = np.nanmean(beats(material.y[known, column], fitted.median))
                predictions[name]["rolling"][here] = base_rate
                for model, values in by_model.items():
                    predictions[name][model][here] = values
                continue
            column = material.targets.index(name)
            least, most = observed_range(material.y[known, column])
            for model, values in by_model.items():
                predictions[name][model][here] = np.clip(values, least, most)
            centre = predictions[name]["stack"][here]
            band = error_band((outcomes[name] - predictions[name]["stack"])[past])
            low[name][here] = np.clip(centre + band.low, least, most)
            high[name][here] = np.clip(centre + band.high, least, most)
    return WalkForward(rows, outcomes, predictions, low, high, refits)


def observed_range(y: np.ndarray) -> tuple[float, float]:
    """Least and greatest known value; predictions are clipped to it."""
    import numpy as np

    return float(np.nanmin(y)), float(np.nanmax(y))


def scores(result: WalkForward, target: str, random_state: int) -> dict[str, dict[str, float | int | None]]:
    """model → spearman, r2, mae, n, coverage (of the stack's interval) and the gain over the rolling mean.

    Gains are in R² (share of the outcomes' variance), with a paired block-bootstrap 95 % interval. Where a number cannot
    be computed (no outcomes, a constant) it is None. For BEATS_MEDIAN the error is the Brier score and `auc` is given.
    """
    import numpy as np

    outcome = result.outcomes[target]
    compared = ~np.isnan(outcome)
    for model in MODELS:
        compared &= ~np.isnan(result.predictions[target][model])
    y = outcome[compared]
    variance = spread(y)
    total = float(np.sum((y - y.mean()) ** 2)) if variance > 0 else 0.0
    base = (y - result.predictions[target]["rolling"][compared]) ** 2
    found: dict[str, dict[str, float | int | None]] = {}
    for model in MODELS:
        prediction = result.predictions[target][model][compared]
        squared = (y - prediction) ** 2
        row: dict[str, float | int | None] = {
            "n": len(y),
            "spearman": rank_correlation(prediction, y),
            "r2": _ratio(total - float(squared.sum()), total),
            "mae": float(np.abs(y - prediction).mean()) if len(y) else None,
        }
        if target == BEATS_MEDIAN:
            row["auc"] = area_under_curve(prediction, y)
        if model == "stack" and target in result.low:
            known = compared & ~np.isnan(result.low[target])
            inside = (outcome >= result.low[target]) & (outcome <= result.high[target])
            row["coverage"] = float(inside[known].mean()) if known.any() else None
        if model != "rolling":
            gain = None if len(y) < 2 * BOOTSTRAP_BLOCK else block_bootstrap(base - squared, random_state)
            row["gain"] = None if gain is None else _ratio(gain.value, variance)
            row["gain_low"] = None if gain is None else _ratio(gain.low, variance)
            row["gain_high"] = None if gain is None else _ratio(gain.high, variance)
        found[model] = row
    return found


def pooled_gain(result: WalkForward, targets: tuple[str, ...], model: str, baseline: str) -> np.ndarray:
    """Per post: mean over targets of (baseline's − model's squared error) / the target's variance. NaN rows left out."""
    import numpy as np

    rows = []
    for target in targets:
        difference = result.errors(target, baseline) ** 2 - result.errors(target, model) ** 2
        known = ~np.isnan(difference)
        variance = spread(result.outcomes[target][known])
        if variance > 0:
            rows.append(difference / variance)
    if not rows:
        return np.zeros(0)
    table = np.vstack(rows)
    counts = (~np.isnan(table)).sum(axis=0)
    return (np.nansum(table, axis=0) / np.maximum(counts, 1))[counts > 0]


def spread(values: np.ndarray) -> float:
    """Variance of logs or shares; 0.0 where they differ by less than a millionth, which is how equal counts differ after sums."""
    import numpy as np

    found = float(np.var(values)) if len(values) else 0.0
    return found if found > _ROUNDING else 0.0


def block_bootstrap(differences: np.ndarray, random_state: int, block: int = BOOTSTRAP_BLOCK) -> Interval:
    """Mean of a series in time order with a circular block-bootstrap percentile interval (Politis & Romano 1992).

    A block is at most half the series: one that spans it all would make every draw, and so both bounds, the mean itself.
    """
    import numpy as np

    n = len(differences)
    block = max(1, min(block, n // 2))
    rng = np.random.default_rng([random_state, n, block])
    wrapped = np.concatenate([differences, differences[:block]])
    cumulative = np.concatenate([[0.0], np.cumsum(wrapped)])
    starts = rng.integers(0, n, size=(BOOTSTRAP_DRAWS, -(-n // block)))
    means = (cumulative[starts + block] - cumulative[starts]).sum(axis=1) / (starts.shape[1] * block)
    tail = (1 - BOOTSTRAP_LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(differences.mean()), float(low), float(high))


def rank_correlation(left: np.ndarray, right: np.ndarray) -> float | None:
    """Spearman's rank correlation; None for fewer than three values or a constant."""
    import numpy as np

    if len(left) < 3 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(left), rankdata(right))[0, 1])


def area_under_curve(score: np.ndarray, label: np.ndarray) -> float | None:
    """Probability that a positive scores above a negative (ties count half); None with one class only."""
    from scipy.stats import rankdata

    positive = label > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive == 0 or n_negative == 0:
        return None
    ranks = rankdata(score)
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


def metrics(result: WalkForward, targets: tuple[str, ...], random_state: int) -> dict[str, Any]:
    """target → model → scores, for the targets with any scored post, and for BEATS_MEDIAN."""
    found = {name: scores(result, name, random_state) for name in (*targets, BEATS_MEDIAN)}
    return {name: by_model for name, by_model in found.items() if by_model["stack"]["n"]}
