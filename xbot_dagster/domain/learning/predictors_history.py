"""History: what a post inherits from outcomes collected before it was planned, and nothing later.

Belongs here: means over earlier posts of the same type, arm, topic, hook, addressee and hours, how densely the account
posts, and the table of those means that a stored predictor carries. Does not belong here: models.

One function computes the means at any moment, for training rows and for the stored table alike, so that the two cannot
disagree; a row planned at second t sees exactly the outcomes with `collected <= t`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xbot_dagster.domain.learning.predictors_frame import NEVER, Posts

if TYPE_CHECKING:
    import numpy as np

DAY_SECONDS: Final = 86_400
HOUR_SECONDS: Final = 3_600
# Minutes; a first post has no predecessor, and pauses beyond a month are all alike.
LONGEST_GAP_MINUTES: Final = 60 * 24 * 31
# A stored table keeps the values of a group seen most often; the rest fall back to their type's mean.
MAX_GROUP_VALUES: Final = 2_000

_EVERYONE: Final = "everyone"
CADENCE_FEATURES: Final = ("gap_minutes_log", "posts_24h_log", "posts_1h_log")


class _Mean(NamedTuple):
    """Mean of the last `window` outcomes of a group (None = all), shrunk by `weight` pseudo-posts to its parent."""

    name: str
    group: str | None
    window: int | None
    weight: float
    parent: str | None


# The rolling mean of same-type posts is the baseline every model must beat, and the parent of the finer groups.
ROLLING: Final = "type_50"
_MEANS: Final = (
    _Mean("all", None, None, 0.0, None),
    _Mean(ROLLING, "type", 50, 5.0, "all"),
    _Mean("type_10", "type", 10, 2.0, ROLLING),
    _Mean("recent_20", None, 20, 2.0, ROLLING),
    _Mean("arm", "arm", None, 5.0, ROLLING),
    _Mean("topic", "topic", None, 5.0, ROLLING),
    _Mean("hook", "hook", None, 8.0, ROLLING),
    _Mean("mention", "mention", None, 3.0, ROLLING),
    _Mean("hours", "hours", None, 8.0, ROLLING),
)


@dataclass(frozen=True)
class History:
    """values: (n, number of means, number of targets); rolling: (n, targets); mention_count: (n,)."""

    values: np.ndarray
    mention_count: np.ndarray

    @property
    def rolling(self) -> np.ndarray:
        return self.values[:, [mean.name for mean in _MEANS].index(ROLLING), :]

    def matrix(self) -> np.ndarray:
        """(n, features), in the order of `history_features`."""
        import numpy as np

        flat = self.values.reshape(len(self.values), -1)
        return np.column_stack([flat, np.log1p(self.mention_count)])


def history_features(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns of `History.matrix`."""
    return (*(f"{mean.name}:{target}" for mean in _MEANS for target in targets), "mention_count_log")


def history_at(posts: Posts, targets: tuple[str, ...], planned: np.ndarray, groups: dict[str, np.ndarray]) -> History:
    """Means over `posts`' outcomes as known at each second of `planned`, for rows with these group values."""

    def sums(mean: _Mean) -> tuple[np.ndarray, np.ndarray]:
        return _sums(posts, targets, mean, planned, _column(groups, mean.group, len(planned)))

    return _shrunk(sums)


def _shrunk(sums: Callable[[_Mean], tuple[np.ndarray, np.ndarray]]) -> History:
    import numpy as np

    found: dict[str, np.ndarray] = {}
    mention_count = np.zeros(0)
    for mean in _MEANS:
        total, count = sums(mean)
        parent = found[mean.parent] if mean.parent else np.zeros_like(total)
        weight = count + mean.weight
        found[mean.name] = (total + mean.weight * parent) / np.where(weight > 0, weight, 1.0)
        if mean.name == "mention":
            mention_count = count.max(axis=1, initial=0.0)
    return History(np.stack([found[mean.name] for mean in _MEANS], axis=1), mention_count)


def _column(groups: dict[str, np.ndarray], group: str | None, n: int) -> np.ndarray:
    import numpy as np

    return groups[group] if group else np.full(n, _EVERYONE, dtype=object)


def _sums(
    posts: Posts, targets: tuple[str, ...], mean: _Mean, planned: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of measured outcomes among the last `window` of the asked group; '' is a group nobody is in."""
    import numpy as np
    import pandas as pd

    own = _column(posts.groups, mean.group, len(posts))
    member = (own != "") & (posts.collected < NEVER)
    codes, names = pd.factorize(own[member])
    asked_codes = pd.Index(names, dtype=object).get_indexer(pd.Index(asked, dtype=object))
    times = posts.collected[member]
    order = np.lexsort((times, codes))
    # Group and time in one sorted key: one binary search answers every row of every group.
    span = np.int64(NEVER + 1)
    keys = codes[order].astype(np.int64) * span + times[order]
    base = np.maximum(asked_codes, 0).astype(np.int64) * span
    last = np.searchsorted(keys, base + planned, side="right")
    first = np.searchsorted(keys, base, side="left")
    if mean.window is not None:
        first = np.maximum(first, last - mean.window)
    last = np.where(asked_codes < 0, first, last)
    values = np.column_stack([posts.targets[name][member][order] for name in targets])
    known = ~np.isnan(values)
    zero = np.zeros((1, len(targets)))
    sums = np.vstack([zero, np.cumsum(np.where(known, values, 0.0), axis=0)])
    counts = np.vstack([zero, np.cumsum(known, axis=0)])
    return sums[last] - sums[first], counts[last] - counts[first]


def cadence(posted: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """(n, 3): log minutes since the previous post, log posts of the last day and hour. Needs no outcome.

    posted: seconds, ascending. earlier: seconds of the posts before them, ascending.
    """
    import numpy as np

    line = np.concatenate([earlier, posted])
    own = len(earlier) + np.arange(len(posted))
    gap = np.full(len(posted), float(LONGEST_GAP_MINUTES))
    has = own > 0
    gap[has] = np.minimum((line[own[has]] - line[own[has] - 1]) / 60, LONGEST_GAP_MINUTES)
    day = own - np.searchsorted(line, posted - DAY_SECONDS)
    hour = own - np.searchsorted(line, posted - HOUR_SECONDS)
    return np.column_stack([np.log1p(np.maximum(gap, 0)), np.log1p(np.maximum(day, 0)), np.log1p(np.maximum(hour, 0))])


@dataclass(frozen=True)
class HistoryTable:
    """The sums as known at one moment, for posts planned after it: what a stored predictor carries.

    sums: mean's name → group value → [sum per target, then count per target]. recent_posts: seconds, ascending.
    """

    targets: tuple[str, ...]
    sums: dict[str, dict[str, list[float]]]
    recent_posts: tuple[int, ...]

    @classmethod
    def at(cls, posts: Posts, targets: tuple[str, ...], as_of: int) -> HistoryTable:
        """The table at second `as_of`."""
        import numpy as np

        tables: dict[str, dict[str, list[float]]] = {}
        for mean in _MEANS:
            values = np.array(_frequent(posts, mean.group), dtype=object)
            total, count = _sums(posts, targets, mean, np.full(len(values), as_of, dtype=np.int64), values)
            rows = np.column_stack([total, count])
            tables[mean.name] = {str(value): row.tolist() for value, row in zip(values, rows, strict=True)}
        before = posts.posted[posts.posted <= as_of]
        kept = before[before > as_of - DAY_SECONDS] if len(before) else before
        return cls(targets, tables, tuple((kept if len(kept) else before[-1:]).tolist()))

    def look_up(self, groups: dict[str, np.ndarray]) -> History:
        """The means for rows with these group values."""
        import numpy as np

        n = len(groups["type"])
        stranger = [0.0] * (2 * len(self.targets))

        def sums(mean: _Mean) -> tuple[np.ndarray, np.ndarray]:
            table = self.sums[mean.name]
            rows = np.array([table.get(str(value), stranger) for value in _column(groups, mean.group, n)], dtype=float)
            rows = rows.reshape(n, -1)
            return rows[:, : len(self.targets)], rows[:, len(self.targets) :]

        return _shrunk(sums)

    def to_payload(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"targets": list(self.targets), "sums": self.sums, "recent_posts": list(self.recent_posts)}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> HistoryTable:
        """Inverse of `to_payload`. Raises KeyError, TypeError or ValueError for anything else."""
        targets = tuple(str(name) for name in payload["targets"])
        sums = {
            mean.name: {
                str(value): [float(number) for number in row] for value, row in payload["sums"][mean.name].items()
            }
            for mean in _MEANS
        }
        if any(len(row) != 2 * len(targets) for table in sums.values() for row in table.values()):
            raise ValueError("a history row has the wrong length")
        return cls(targets, sums, tuple(int(second) for second in payload["recent_posts"]))


def _frequent(posts: Posts, group: str | None) -> list[str]:
    import pandas as pd

    if group is None:
        return [_EVERYONE]
    values = posts.groups[group][posts.collected < NEVER]
    counts = pd.Series(values[values != ""], dtype=object).value_counts(sort=True)
    return [str(value) for value in counts.index[:MAX_GROUP_VALUES]]
