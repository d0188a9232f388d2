"""How a window's follower change is split over the posts that were live in it: an estimate with an interval, not a fact.

A window is the time between two follower snapshots. Its change minus the account's usual trend is split by the impressions
each post gained inside the window; what is not split is the unattributed rest. Parts and rest always sum to the change.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

METHOD = "impressions_v1"
LIVE_FOR = timedelta(hours=72)  # after that a post gains next to nothing
DEFAULT_FIRST_HOUR = 0.35  # share of a day's impressions that come in the first hour, until the account has its own
BASELINE_WINDOWS = 8  # fewer windows than this and the usual trend is taken as unknown
_Z95 = 1.96
_LIFE = LIVE_FOR.total_seconds() / 3600
_PRIOR_TREND_SHARE = 0.5  # of an account's mean change: how large its trend may be before the windows have said so
_REWEIGHTINGS = 4
_DAY_SHARE = 0.9  # of the impressions of a post's whole life, the part that came within a day


@dataclass(frozen=True)
class LivePost:
    """A post that was live in a window. `reads`: (age in hours, impressions) of its measured passes, at least one."""

    key: str
    posted_at: datetime
    reads: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Window:
    """Two neighbouring snapshots: `followers` at `start` and at `end`. `approximate` counts are off by up to `error` each."""

    start: datetime
    end: datetime
    before: int
    after: int
    error: float = 0.0

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600

    @property
    def change(self) -> int:
        return self.after - self.before


@dataclass(frozen=True)
class Part:
    """Follows credited to a post (`key`) or to nobody (`key` None), with a 95 % interval. May be negative."""

    key: str | None
    follows: float
    low: float
    high: float


@dataclass(frozen=True)
class Trend:
    """Followers an hour that come without any post of ours, with the standard error of that figure."""

    per_hour: float
    error: float


NO_TREND = Trend(0.0, 0.0)


def accumulated(age_hours: float, first_hour: float = DEFAULT_FIRST_HOUR) -> float:
    """Share of a post's life-time impressions that it has at `age_hours` (0..1, concave, 1 after `LIVE_FOR`).

    A power law through the first hour and the first day, then straight to the end of life.
    """
    if age_hours <= 0:
        return 0.0
    if age_hours >= _LIFE:
        return 1.0
    if age_hours >= 24:
        return _DAY_SHARE + (1 - _DAY_SHARE) * (age_hours - 24) / (_LIFE - 24)
    exponent = -math.log(min(0.95, max(0.05, first_hour))) / math.log(24)
    return _DAY_SHARE * (age_hours / 24) ** exponent


def gained(post: LivePost, window: Window, first_hour: float = DEFAULT_FIRST_HOUR) -> float:
    """Impressions the post is estimated to have gained inside the window, from its latest read and the usual curve."""
    age, impressions = max(post.reads)
    share = accumulated(age, first_hour)
    if share <= 0:
        return 0.0
    hours = [(moment - post.posted_at).total_seconds() / 3600 for moment in (window.start, window.end)]
    return impressions / share * (accumulated(hours[1], first_hour) - accumulated(hours[0], first_hour))


def trend(history: Iterable[tuple[Window, float]]) -> Trend:
    """The account's usual change per hour when nothing of it is being seen.

    `history`: earlier windows, each with the impressions gained in it. Weighted least squares of change per hour on
    impressions per hour; the intercept, shrunk to zero as far as the windows cannot tell it from being seen, and kept
    between zero and the whole change. Fewer than `BASELINE_WINDOWS` windows give no trend.
    """
    rows = [(w.change / w.hours, seen / w.hours, w.hours) for w, seen in history if w.hours > 0]
    mean = sum(y * h for y, _, h in rows) / (sum(h for *_, h in rows) or 1.0)
    if len(rows) < BASELINE_WINDOWS or mean == 0:
        return NO_TREND
    fitted = [mean] * len(rows)
    intercept, variance = 0.0, math.inf
    for _ in range(_REWEIGHTINGS):
        # Arrivals vary with their number: quiet windows, which know most about the trend, weigh more.
        weights = [h / max(abs(mu), 0.1 * abs(mean)) for mu, (*_, h) in zip(fitted, rows, strict=True)]
        total = sum(weights)
        mean_y = sum(w * y for w, (y, *_) in zip(weights, rows, strict=True)) / total
        mean_x = sum(w * x for w, (_, x, _h) in zip(weights, rows, strict=True)) / total
        spread = sum(w * (x - mean_x) ** 2 for w, (_, x, _h) in zip(weights, rows, strict=True))
        if spread <= 0:
            return NO_TREND
        slope = sum(w * (x - mean_x) * (y - mean_y) for w, (y, x, _) in zip(weights, rows, strict=True)) / spread
        intercept = mean_y - slope * mean_x
        fitted = [intercept + slope * x for _, x, _h in rows]
        residual = sum(w * (y - mu) ** 2 for w, mu, (y, *_) in zip(weights, fitted, rows, strict=True)) / (
            len(rows) - 2
        )
        variance = residual * (1 / total + mean_x**2 / spread)
    prior = (_PRIOR_TREND_SHARE * mean) ** 2
    shrunk = intercept * prior / (prior + variance)
    return Trend(min(max(shrunk, min(0.0, mean)), max(0.0, mean)), math.sqrt(prior * variance / (prior + variance)))


def attribute(
    window: Window, posts: Sequence[LivePost], usual: Trend = NO_TREND, first_hour: float = DEFAULT_FIRST_HOUR
) -> list[Part]:
    """Split the window's change: one part per post that gained impressions, then the rest (key None).

    The interval of a part takes the arrivals as Poisson, their assignment to posts as multinomial, and adds the errors of
    the trend and of rounded follower counts.
    """
    weights = {post.key: gained(post, window, first_hour) for post in posts}
    weights = {key: value for key, value in weights.items() if value > 0}
    total = sum(weights.values())
    if total <= 0:
        spread = _Z95 * window.error * math.sqrt(2)
        return [Part(None, float(window.change), window.change - spread, window.change + spread)]
    baseline = usual.per_hour * window.hours
    credited = window.change - baseline
    shared_error = (usual.error * window.hours) ** 2 + 2 * window.error**2
    parts = []
    for key, weight in weights.items():
        share = weight / total
        parts.append(_part(key, credited * share, abs(credited) * share, share**2 * shared_error))
    rest = window.change - math.fsum(part.follows for part in parts)
    parts.append(_part(None, rest, abs(baseline), shared_error))
    return parts


def _part(key: str | None, follows: float, arrivals: float, error: float) -> Part:
    spread = _Z95 * math.sqrt(max(arrivals, 0.0) + error)
    return Part(key, follows, follows - spread, follows + spread)
