"""Off-policy evaluation: what another policy would have earned, from logged choices and their propensities.

Belongs here: IPS, SNIPS, DM, DR and SNDR with intervals, effective sample size, overlap, truncation, refusal, and the
cross-fitted reward model that DM and DR need. Does not belong here: reading the log, the policies.

Sources: Horvitz & Thompson 1952; Swaminathan & Joachims 2015 (SNIPS); Dudík, Langford & Li 2011 (DR); Ionides 2008
(truncation at √n). Reference values: obp 0.5.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

MIN_EFFECTIVE: Final = 30.0
MIN_EFFECTIVE_SHARE: Final = 0.05
# Target probability on choices the log could never have made, above which nothing can be said about the target.
MAX_UNSUPPORTED: Final = 0.05
Z_95: Final = 1.959963984540054
RIDGE_PENALTY: Final = 1.0
FOLDS: Final = 5


@dataclass(frozen=True)
class Value:
    """Estimated mean reward per choice under the target policy, with its 95 % interval."""

    value: float
    se: float
    low: float
    high: float


@dataclass(frozen=True)
class Diagnostics:
    """effective_n = (Σw)² / Σw² before truncation. mean_weight is 1 in expectation if the propensities are right.

    truncated: weights above `weight_limit`, and truncated_mass: the share of Σw that was cut off with them.
    """

    n: int
    effective_n: float
    needed: float
    max_weight: float
    mean_weight: float
    weight_limit: float
    truncated: int
    truncated_mass: float
    unsupported: float


@dataclass(frozen=True)
class Evaluation:
    """estimates: 'ips', 'snips' and, where a reward model was given, 'dm', 'dr', 'sndr'. logged: mean logged reward."""

    estimates: dict[str, Value]
    logged: Value
    diagnostics: Diagnostics


@dataclass(frozen=True)
class Refused:
    """No number: the log says too little about the target policy. `reason` is one clause."""

    reason: str
    diagnostics: Diagnostics


class LogError(ValueError):
    """The log itself is wrong: lengths differ, or a propensity is not in (0, 1]."""


def evaluate(
    reward: np.ndarray,
    propensity: np.ndarray,
    target: np.ndarray,
    *,
    q_logged: np.ndarray | None = None,
    q_target: np.ndarray | None = None,
    unsupported: np.ndarray | None = None,
) -> Evaluation | Refused:
    """Value of a target policy. All arrays (n,); rows whose reward is NaN are left out.

    propensity: logged probability of the choice made, in (0, 1]. target: the target's probability of that choice, in
    [0, 1]. q_logged: modelled reward of the choice made. q_target: Σ over choices of target probability × modelled
    reward. unsupported: the target's probability of choices that the log could not have made.

    Raises LogError.
    """
    import numpy as np

    given = [reward, propensity, target, *(x for x in (q_logged, q_target, unsupported) if x is not None)]
    if len({len(x) for x in given}) != 1:
        raise LogError("the columns of the log have different lengths")
    if (q_logged is None) != (q_target is None):
        raise LogError("a reward model gives both q_logged and q_target")
    measured = ~np.isnan(np.asarray(reward, dtype=float))
    reward, propensity, target = (np.asarray(x, dtype=float)[measured] for x in (reward, propensity, target))
    if not ((propensity > 0) & (propensity <= 1)).all():
        raise LogError("a logged propensity is not in (0, 1]")
    if not ((target >= 0) & (target <= 1 + 1e-12)).all():
        raise LogError("a target probability is not in [0, 1]")
    outside = 0.0 if unsupported is None or not measured.any() else float(np.mean(unsupported[measured]))
    weight = target / propensity
    diagnostics = _diagnostics(weight, outside)
    if reason := _refusal(diagnostics):
        return Refused(reason, diagnostics)
    weight = np.minimum(weight, diagnostics.weight_limit)
    estimates = {"ips": _mean(weight * reward), "snips": _ratio(weight, weight * reward, np.zeros_like(reward))}
    if q_logged is not None and q_target is not None:
        direct = np.asarray(q_target, dtype=float)[measured]
        residual = reward - np.asarray(q_logged, dtype=float)[measured]
        estimates["dm"] = _mean(direct)
        estimates["dr"] = _mean(direct + weight * residual)
        estimates["sndr"] = _ratio(weight, weight * residual, direct)
    return Evaluation(estimates, _mean(reward), diagnostics)


def effective_sample_size(weight: np.ndarray) -> float:
    """Kish's (Σw)² / Σw²: how many equally weighted rows carry the same information; 0 for no weight at all."""
    import numpy as np

    squares = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / squares if squares > 0 else 0.0


def needed_sample(n: int) -> float:
    """Effective sample below which an estimate is refused: 30, or 5 % of the log if that is more."""
    return max(MIN_EFFECTIVE, MIN_EFFECTIVE_SHARE * n)


def _diagnostics(weight: np.ndarray, unsupported: float) -> Diagnostics:
    import numpy as np

    n = len(weight)
    total = float(weight.sum())
    limit = float(np.sqrt(n)) * max(1.0, total / n) if n else 1.0
    cut = np.maximum(weight - limit, 0.0)
    return Diagnostics(
        n=n,
        effective_n=effective_sample_size(weight),
        needed=needed_sample(n),
        max_weight=float(weight.max()) if n else 0.0,
        mean_weight=total / n if n else 0.0,
        weight_limit=limit,
        truncated=int((cut > 0).sum()),
        truncated_mass=float(cut.sum()) / total if total > 0 else 0.0,
        unsupported=unsupported,
    )


def _refusal(found: Diagnostics) -> str | None:
    if found.n == 0:
        return "no measured choice in the log"
    if found.effective_n < found.needed:
        return f"effective sample size {found.effective_n:.1f} of {found.n} choices, {found.needed:.0f} needed"
    if found.unsupported > MAX_UNSUPPORTED:
        return f"{found.unsupported:.0%} of its choices were impossible when the log was written"
    return None


def _mean(terms: np.ndarray) -> Value:
    import numpy as np

    value = float(terms.mean())
    se = float(terms.std(ddof=1) / np.sqrt(len(terms)))
    return Value(value, se, value - Z_95 * se, value + Z_95 * se)


def _ratio(weight: np.ndarray, weighted: np.ndarray, added: np.ndarray) -> Value:
    """mean(added) + Σ weighted / Σ weight, with the delta method's standard error."""
    import numpy as np

    ratio = float(weighted.sum() / weight.sum())
    value = float(added.mean()) + ratio
    influence = (added - added.mean()) + (weighted - ratio * weight) / weight.mean()
    se = float(influence.std(ddof=1) / np.sqrt(len(influence)))
    return Value(value, se, value - Z_95 * se, value + Z_95 * se)


def reward_model(
    reward: np.ndarray,
    chosen: np.ndarray,
    context: np.ndarray,
    target: np.ndarray,
    day: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-fitted ridge on context and chosen action: (q_logged, q_target), both (n,).

    chosen: (n,) action codes 0 … A−1. context: (n, p). target: (n, A) probabilities of the target policy. day: (n,);
    a row is predicted by a model that saw no row of its day, so that the model cannot repeat the row's own luck.
    """
    import numpy as np

    actions = target.shape[1]
    measured = ~np.isnan(reward)
    design = np.column_stack([np.eye(actions)[chosen], context])
    q = np.zeros((len(reward), actions))
    for train, test in day_folds(day):
        rows = train[measured[train]]
        coefficients, intercept = ridge(design[rows], reward[rows]) if len(rows) else (np.zeros(design.shape[1]), 0.0)
        by_action, by_context = coefficients[:actions], coefficients[actions:]
        q[test] = intercept + by_action[None, :] + (context[test] @ by_context)[:, None]
    return q[np.arange(len(reward)), chosen], (target * q).sum(axis=1)


def day_folds(day: np.ndarray, folds: int = FOLDS) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train rows, test rows) per fold; a day is never on both sides. Days are dealt out by a fixed shuffle."""
    import numpy as np
    from sklearn.model_selection import KFold

    days, first = np.unique(day, return_index=True)
    days = days[np.argsort(first)]
    if len(days) < 2:
        return [(np.arange(len(day)), np.arange(len(day)))]
    split = KFold(min(folds, len(days)), shuffle=True, random_state=0).split(days)
    return [
        (np.flatnonzero(np.isin(day, days[train])), np.flatnonzero(np.isin(day, days[test]))) for train, test in split
    ]


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge with penalty 1 and a free intercept, in closed form. x: (n, p); returns (p,) and the intercept."""
    import numpy as np

    centre, mean = x.mean(axis=0), float(y.mean())
    z = x - centre
    coefficients = np.linalg.solve(z.T @ z + RIDGE_PENALTY * np.eye(x.shape[1]), z.T @ (y - mean))
    return coefficients, mean - float(centre @ coefficients)
