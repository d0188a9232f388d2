"""The promotion gate: may a freshly trained predictor replace the one that serves?

Belongs here: the decision and its reason. Does not belong here: training, storing, serving.

A challenger is promoted if (1) on walk-forward, the paired block-bootstrap 95 % interval of its gain over the rolling
mean lies above 0, and (2) it is no worse than the champion, by more than `NO_WORSE_MARGIN`, on the posts both
predicted before they were published.
Being able to train (five outcomes) is not being allowed to serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xbot_dagster.domain.learning.predictors import ContentPredictor, known_posts
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor
from xbot_dagster.domain.learning.walkforward import Interval, block_bootstrap, spread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Of the outcomes' variance. Two versions of one recipe differ by less in either direction, and the newer one knows more.
NO_WORSE_MARGIN: Final = 0.01

# Fewer posts predicted by both say nothing about which is better; the gate then rests on the rolling mean alone.
MIN_COMMON_POSTS: Final = 20


@dataclass(frozen=True)
class Promote:
    """The challenger may serve. gain: over the rolling mean; against_champion: None without a comparable champion."""

    reason: str
    gain: Interval
    against_champion: Interval | None


@dataclass(frozen=True)
class Hold:
    """The challenger stays a candidate. `reason` is one clause for the log and the version's record."""

    reason: str
    gain: Interval | None
    against_champion: Interval | None = None


def decide(
    challenger: ContentPredictor | TimingPredictor,
    champion: ContentPredictor | TimingPredictor | None,
    frame: pd.DataFrame | None = None,
) -> Promote | Hold:
    """Gate a challenger. `frame`: the training frame, whose outcomes compare two content predictors on the same posts."""
    gain = challenger.gain
    if gain is None:
        return Hold("too few scored posts whose outcomes differ to compare it with the rolling mean", None)
    shown = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] of the variance"
    if gain.low <= 0:
        return Hold(f"the gain over the rolling mean may be nothing: {shown}", gain)
    against = None
    if isinstance(challenger, ContentPredictor) and isinstance(champion, ContentPredictor) and frame is not None:
        against = compare(challenger, champion, frame)
    if against is not None and (against.value < -NO_WORSE_MARGIN or against.high < 0):
        worse = f"{against.value:+.3f} [{against.low:+.3f}, {against.high:+.3f}] of the variance"
        return Hold(f"worse than the champion on the posts both predicted: {worse}", gain, against)
    return Promote(f"better than the rolling mean by {shown}", gain, against)


def compare(challenger: ContentPredictor, champion: ContentPredictor, frame: pd.DataFrame) -> Interval | None:
    """Mean over targets and posts of (champion's − challenger's squared error) / variance; above 0 is better.

    Both sides' predictions were made before the post was published: the walk-forward predictions they carry, and for
    posts after its training the champion's own. None with fewer than MIN_COMMON_POSTS posts in common.
    """
    import numpy as np

    posts = known_posts(frame, challenger.zone, challenger.as_of)
    served = _served(champion, frame, posts.decision_id, posts.planned)
    rows: list[np.ndarray] = []
    for target in set(challenger.targets) & set(champion.targets):
        ours = _column(challenger.forward, posts.decision_id, target)
        theirs = _column(served, posts.decision_id, target)
        outcome = posts.targets[target]
        common = ~np.isnan(ours) & ~np.isnan(theirs) & ~np.isnan(outcome)
        variance = spread(outcome[common])
        if variance > 0:
            difference = np.where(common, (outcome - theirs) ** 2 - (outcome - ours) ** 2, np.nan)
            rows.append(difference / variance)
    if not rows:
        return None
    table = np.vstack(rows)
    counts = (~np.isnan(table)).sum(axis=0)
    means = (np.nansum(table, axis=0) / np.maximum(counts, 1))[counts > 0]
    return block_bootstrap(means, challenger.random_state) if len(means) >= MIN_COMMON_POSTS else None


def _served(
    champion: ContentPredictor, frame: pd.DataFrame, decision_ids: tuple[str, ...], planned: np.ndarray
) -> dict[str, dict[str, float]]:
    """What the champion said about each post beforehand: stored, or for posts after its training computed now."""
    later = {name for name, second in zip(decision_ids, planned, strict=True) if second > champion.as_of.timestamp()}
    found: dict[str, dict[str, Any]] = {name: values for name, values in champion.forward.items() if name not in later}
    if later and "decision_id" in frame.columns:
        names = frame["decision_id"].astype(str).to_numpy()
        rows = frame.iloc[[index for index, name in enumerate(names) if name in later]]
        for name, prediction in zip(rows["decision_id"].astype(str), champion.predict(rows), strict=True):
            found[name] = {target: estimate.value for target, estimate in prediction.estimates.items()}
    return found


def _column(predictions: dict[str, dict[str, float]], decision_ids: tuple[str, ...], target: str) -> np.ndarray:
    import numpy as np

    return np.array([predictions.get(name, {}).get(target, np.nan) for name in decision_ids], dtype=float)
