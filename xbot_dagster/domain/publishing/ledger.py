"""The rate ledger's rules: when may the next post or reply of an account be submitted?

Pure functions over the times of slots that are or may be live. Each returns None ("now") or the first instant at which the
answer can change. Any doubt means "do not post": a slot in the future counts like one at this moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
Kind = Literal["post", "reply"]


@dataclass(frozen=True)
class Limits:
    """One account's limits. interval: the stricter of MIN_POST_INTERVAL_MINUTES and post_interval_min; quiet hours local."""

    per_hour: int
    interval: timedelta
    replies_per_day: int
    quiet_hours: tuple[int, ...]
    zone: str


@dataclass(frozen=True)
class Refusal:
    """Why not now, and when to ask again (None: not before somebody changes a limit)."""

    reason: str
    until: datetime | None


def window_refusal(
    slots: Sequence[datetime], now: datetime, limit: int, window: timedelta, name: str
) -> Refusal | None:
    """No more than `limit` slots in any rolling `window`: the window ending now, counting the one asked for."""
    if limit <= 0:
        return Refusal(f"{name}=0", None)
    recent = sorted(at for at in slots if at > now - window)
    if len(recent) < limit:
        return None
    return Refusal(f"{name}={limit} reached", min(recent[len(recent) - limit], now) + window)


def interval_refusal(last: datetime | None, now: datetime, interval: timedelta) -> Refusal | None:
    """At least `interval` between the last slot and now."""
    if last is None or now - last >= interval:
        return None
    minutes = interval.total_seconds() / 60
    return Refusal(f"less than {minutes:g} min since the last post", last + interval)


def quiet_refusal(now: datetime, quiet_hours: Sequence[int], zone: str) -> Refusal | None:
    """No submit while the account's own clock shows a quiet hour; the end is the next hour that is not quiet.

    Walks in real hours, so that the hour skipped or repeated by daylight saving is counted as it is lived."""
    quiet = set(quiet_hours)
    place = ZoneInfo(zone)
    if now.astimezone(place).hour not in quiet:
        return None
    local = now.astimezone(place)
    # Quarter hours, because some zones are 30 or 45 minutes off: the next local full hour is always hit.
    step = now - timedelta(minutes=local.minute % 15, seconds=local.second, microseconds=local.microsecond)
    for _ in range(4 * 48):
        step += timedelta(minutes=15)
        if step.astimezone(place).hour not in quiet:
            return Refusal(f"quiet hour {local.hour:02d} in {zone}", step)
    return Refusal("every hour is quiet", None)


def refusal(
    kind: Kind, slots: Sequence[datetime], now: datetime, limits: Limits, *, continues: bool = False
) -> Refusal | None:
    """The first rule that says no to one more submit of `kind` at `now`, with the latest moment any rule asks for; None = go.

    slots: times of this account's slots of the same kind. `continues` marks a later part of a thread under way: it counts in
    every window like any post, but need not keep the interval to its own head.
    """
    found = [quiet_refusal(now, limits.quiet_hours, limits.zone)]
    if kind == "reply":
        found.append(window_refusal(slots, now, limits.replies_per_day, DAY, "REPLY_MAX_PER_DAY"))
    else:
        found.append(window_refusal(slots, now, limits.per_hour, HOUR, "MAX_POSTS_PER_HOUR"))
        if not continues:
            found.append(interval_refusal(max(slots, default=None), now, limits.interval))
    refusals = [r for r in found if r is not None]
    if not refusals:
        return None
    if any(r.until is None for r in refusals):
        return next(r for r in refusals if r.until is None)
    return max(refusals, key=lambda r: (r.until or now, r.reason))
