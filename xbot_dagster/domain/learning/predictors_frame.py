"""The training frame: outcomes as pandas rows → arrays in the order in which the posts were planned.

Belongs here: reading and checking the frame, targets, the features known from a post itself, the groups whose history a
post inherits. Does not belong here: history (`predictors_history`), models.

A frame has one row per post (the final pass; pass 2 replaces pass 1) and these columns: text, posted_at (UTC),
collected_at (UTC; null = not measured yet) and, each nullable or absent: decision_id, impressions, retweets, replies,
likes, profile_visits, link_clicks, follows, engagements, arm, topic, hook_pattern, decision_type. `planned_at`, where
given, is when the post was planned (default: posted_at); outcomes collected after it are unknown to that row.
Columns of `measuring.features.PostFeatures` are used as they are if `feature_version` is the current one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xbot_dagster.domain.content.hooks import HOOK_PATTERNS
from xbot_dagster.domain.measuring.features import FEATURE_VERSION, extract
from xbot_dagster.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Seconds; later than any date a timestamp can hold here, so that "never collected" sorts last.
NEVER: Final = 2**33 - 1
HOURS_PER_SLOT_GROUP: Final = 3

LOG_TARGETS: Final = ("log_impressions", "log_retweets", "log_engagement_rate", "log_profile_visits")
POOLED_TARGETS: Final = ("log_follows",)
GROUPS: Final = ("type", "arm", "topic", "hook", "mention", "hours")

_NUMERIC: Final = (
    "weighted_length", "words", "sentences", "average_word_length", "readability_ari", "readability_coleman_liau",
    "sentiment", "urls", "hashtags", "mentions", "digits", "line_breaks", "emoji", "question_marks",
    "exclamation_marks", "upper_share", "starts_with_mention", "link_only", "hour_sin", "hour_cos", "weekday_sin",
    "weekday_cos", "novelty", "follower_count", "tweet_velocity", "tweet_age_min",
)  # fmt: skip
_OPTIONAL: Final = ("novelty", "follower_count", "tweet_velocity", "tweet_age_min")
_LOGGED: Final = ("follower_count", "tweet_velocity", "tweet_age_min")
STATIC_FEATURES: Final = (*_NUMERIC, *(f"hook:{name}" for name in HOOK_PATTERNS))

_MENTION: Final = re.compile(r"@(\w{1,15})")


class FrameError(UserError):
    """The training frame lacks a column nothing can be learned without, or holds times that are no times."""


@dataclass(frozen=True)
class Posts:
    """Posts in planning order. Times are whole UTC seconds; `order[i]` is the frame's row of post i.

    static: (n, len(STATIC_FEATURES)), NaN = unknown. groups: group → array of n strings ('' = none).
    targets: name → array of n, NaN = not measured. collected: NEVER where no outcome exists.
    """

    order: np.ndarray
    decision_id: tuple[str, ...]
    texts: tuple[str, ...]
    planned: np.ndarray
    posted: np.ndarray
    collected: np.ndarray
    static: np.ndarray
    groups: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.texts)

    def known_at(self, second: int) -> np.ndarray:
        """Rows whose outcome had been collected at `second`, in planning order."""
        import numpy as np

        return np.flatnonzero((self.collected <= second) & (self.collected < NEVER))


def read_posts(frame: pd.DataFrame, zone: str) -> Posts:
    """Read a training frame or a frame of planned posts. Raises FrameError, features.UnknownZone."""
    import numpy as np

    for column in ("text", "posted_at"):
        if column not in frame.columns:
            raise FrameError(f"The training frame has no column '{column}'.", "Load it with the training query.")
    posted = _seconds(frame, "posted_at")
    if (posted == NEVER).any():
        raise FrameError("The training frame holds posts without a posting time.", "Load only posted decisions.")
    planned = np.minimum(_seconds(frame, "planned_at"), posted)
    # A clock that ran back cannot make an outcome known before its post existed.
    collected = np.maximum(_seconds(frame, "collected_at"), posted)
    names = _strings(frame, "decision_id")
    order = np.lexsort((names, planned))
    frame = frame.iloc[order]
    texts = tuple(_strings(frame, "text").tolist())
    columns = _feature_columns(frame, texts, posted[order], zone)
    hooks = columns["hook_pattern"]
    static = np.column_stack(
        [columns[name] for name in _NUMERIC] + [(hooks == name).astype(float) for name in HOOK_PATTERNS]
    )
    return Posts(
        order=order,
        decision_id=tuple(names[order].tolist()),
        texts=texts,
        planned=planned[order],
        posted=posted[order],
        collected=collected[order],
        static=static,
        groups={
            "type": _post_types(frame, texts),
            "arm": _strings(frame, "arm"),
            "topic": _strings(frame, "topic"),
            "hook": hooks,
            "mention": np.array([_first_mention(text) for text in texts], dtype=object),
            "hours": (columns["hour"].astype(int) // HOURS_PER_SLOT_GROUP).astype(str).astype(object),
        },
        targets=_targets(frame),
    )


def _targets(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    import numpy as np

    counts = {
        name: _counts(frame, name)
        for name in ("impressions", "retweets", "replies", "likes", "profile_visits", "link_clicks", "follows")
    }
    engagements = _counts(frame, "engagements")
    if np.isnan(engagements).all():
        # A source without X's own total: the public interactions, if it has any of them.
        public = np.vstack([counts["retweets"], counts["replies"], counts["likes"]])
        engagements = np.where(np.isnan(public).all(axis=0), np.nan, np.nansum(public, axis=0))
    impressions = counts["impressions"]
    seen = np.where(impressions > 0, impressions, np.nan)
    return {
        "log_impressions": np.log1p(impressions),
        "log_retweets": np.log1p(counts["retweets"]),
        # Half an engagement keeps the logarithm of the many posts without any finite.
        "log_engagement_rate": np.log((engagements + 0.5) / (seen + 1.0)),
        "log_profile_visits": np.log1p(counts["profile_visits"]),
        "log_follows": np.log1p(counts["follows"]),
    }


def _feature_columns(frame: pd.DataFrame, texts: tuple[str, ...], posted: np.ndarray, zone: str) -> dict[str, Any]:
    import numpy as np

    required = {*_NUMERIC, "hook_pattern", "hour", "feature_version"} - set(_OPTIONAL)
    if required <= set(frame.columns) and (_counts(frame, "feature_version") == FEATURE_VERSION).all():
        columns: dict[str, Any] = {name: _numbers(frame, name) for name in _NUMERIC}
        columns["hour"] = _counts(frame, "hour")
        columns["hook_pattern"] = _strings(frame, "hook_pattern")
    else:
        columns = _extracted(texts, posted, zone)
        for name in _OPTIONAL:
            columns[name] = _numbers(frame, name)
        stored = _strings(frame, "hook_pattern")
        columns["hook_pattern"] = np.where(stored == "", columns["hook_pattern"], stored)
    for name in _LOGGED:
        columns[name] = np.log1p(np.where(columns[name] < 0, np.nan, columns[name]))
    return columns


def _extracted(texts: tuple[str, ...], posted: np.ndarray, zone: str) -> dict[str, Any]:
    from datetime import UTC, datetime

    import numpy as np

    rows = [
        extract(text, datetime.fromtimestamp(int(second), tz=UTC), zone)
        for text, second in zip(texts, posted, strict=True)
    ]
    columns: dict[str, Any] = {
        name: np.array([getattr(row, name) for row in rows], dtype=float)
        for name in (*_NUMERIC, "hour")
        if name not in _OPTIONAL
    }
    columns["hook_pattern"] = np.array([row.hook_pattern for row in rows], dtype=object)
    return columns


def _post_types(frame: pd.DataFrame, texts: tuple[str, ...]) -> np.ndarray:
    """decision_type where it is known; imported posts without one are told apart by their text."""
    import numpy as np

    stored = _strings(frame, "decision_type")
    if (stored != "").all():
        return stored
    read = [
        "reply" if text.lstrip().startswith("@") else "repost" if text.startswith("RT @") else "single"
        for text in texts
    ]
    return np.where(stored == "", np.array(read, dtype=object), stored)


def _first_mention(text: str) -> str:
    found = _MENTION.search(text) if "@" in text else None
    return found.group(1).lower() if found else ""


def _seconds(frame: pd.DataFrame, column: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    if column not in frame.columns:
        return np.full(len(frame), NEVER, dtype=np.int64)
    try:
        times = pd.to_datetime(frame[column], utc=True)
    except (ValueError, TypeError) as error:
        raise FrameError(f"The column '{column}' holds something that is not a time.", "Use UTC timestamps.") from error
    seconds = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(dtype=float)
    return np.where(np.isnan(seconds), NEVER, np.clip(np.nan_to_num(seconds), 0, NEVER)).astype(np.int64)


def _numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    if column not in frame.columns:
        return np.full(len(frame), np.nan)
    values = np.asarray(pd.Series(pd.to_numeric(frame[column], errors="coerce"), dtype="float64"))
    return np.where(np.isfinite(values), values, np.nan)


def _counts(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Counts; negative ones are no measurement."""
    import numpy as np

    values = _numbers(frame, column)
    return np.where(values < 0, np.nan, values)


def _strings(frame: pd.DataFrame, column: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    if column not in frame.columns:
        return np.full(len(frame), "", dtype=object)
    values = frame[column]
    if isinstance(values.dtype, pd.StringDtype):
        return values.fillna("").to_numpy(dtype=object)
    filled = values.astype(object).where(values.notna(), "")
    return np.array([str(value) for value in filled], dtype=object)
