"""When a post can go out: the hours of an account's day that still have room, and the minute within the chosen hour.

Hours are 0..23 on the account's own clock; instants are aware UTC. A day of 23 or 25 hours (daylight saving) has an hour
that never comes or comes twice: a slot is always a real instant of that local day.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

HOURS: Final = 24
LEAD: Final = timedelta(minutes=5)  # writing and approving take a moment: nothing is planned into the past
HOUR: Final = timedelta(hours=1)
TRIES_PER_POST: Final = 3  # candidates a slot may burn before it stays empty


@dataclass(frozen=True)
class DayRules:
    """One account's limits. `interval` between two posts; at most `per_hour` in any rolling hour; quiet hours are local."""

    zone: str
    per_hour: int
    interval: timedelta
    quiet_hours: tuple[int, ...]
    posts_per_day: int

    @property
    def tries(self) -> int:
        """Decisions a day may cost, blocked ones included: an account with nothing new to say must not ask the LLM all day."""
        return TRIES_PER_POST * self.posts_per_day


def local_day(now: datetime, zone: str) -> date:
    """The calendar day on the account's clock."""
    return now.astimezone(ZoneInfo(zone)).date()


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """First instant of a local day and of the next one, in UTC."""
    place = ZoneInfo(zone)
    start = datetime.combine(day, time(), place).astimezone(UTC)
    return start, datetime.combine(day + timedelta(days=1), time(), place).astimezone(UTC)


@lru_cache(maxsize=2048)  # two days in forty zones: the accounts of a zone share them
def minutes_of(day: date, hour: int, zone: str) -> tuple[datetime, ...]:
    """Every minute of a local day at which the account's clock shows `hour`: 60, none, or 120 of them."""
    start, end = day_bounds(day, zone)
    place = ZoneInfo(zone)
    # Only the real hours around the named one can show it; a zone's offset never moves by more than a few hours a day.
    first = max(start, start + timedelta(hours=hour - 3))
    last = min(end, start + timedelta(hours=hour + 4))
    count = int((last - first).total_seconds() // 60)
    instants = (first + timedelta(minutes=n) for n in range(count))
    return tuple(instant for instant in instants if instant.astimezone(place).hour == hour)


def open_minutes(day: date, hour: int, rules: DayRules, taken: Sequence[datetime], now: datetime) -> list[datetime]:
    """The minutes of `hour` at which one more post keeps every rule. `taken`: slots of the account around that day."""
    if hour in rules.quiet_hours or rules.per_hour <= 0:
        return []
    minutes = [minute for minute in minutes_of(day, hour, rules.zone) if minute >= now + LEAD]
    if not minutes:
        return []
    reach = max(HOUR, rules.interval)
    near = sorted(other for other in taken if minutes[0] - reach < other < minutes[-1] + reach)
    return [minute for minute in minutes if _fits(minute, near, rules)] if near else minutes


def _fits(minute: datetime, near: Sequence[datetime], rules: DayRules) -> bool:
    if any(abs(other - minute) < rules.interval for other in near):
        return False
    window = sorted([*near, minute])
    return all(window[i + rules.per_hour] - window[i] >= HOUR for i in range(len(window) - rules.per_hour))


def capacity(day: date, rules: DayRules, taken: Sequence[datetime], now: datetime) -> list[int]:
    """How many posts each hour of the day can still take (24 numbers)."""
    return [room_in(day, hour, rules, taken, now) for hour in range(HOURS)]


def room_in(day: date, hour: int, rules: DayRules, taken: Sequence[datetime], now: datetime) -> int:
    """How many posts one hour of the day can still take, one after the other as early as they fit."""
    filled = list(taken)
    for count in range(rules.per_hour):
        free = open_minutes(day, hour, rules, filled, now)
        if not free:
            return count
        filled.append(free[0])
    return max(0, rules.per_hour)


def draw_minute(
    day: date, hour: int, rules: DayRules, taken: Sequence[datetime], now: datetime, rng: np.random.Generator
) -> datetime | None:
    """One of the open minutes of `hour`, drawn evenly; None when there is none."""
    free = open_minutes(day, hour, rules, taken, now)
    return free[int(rng.integers(len(free)))] if free else None


def after_quiet(at: datetime, zone: str, quiet_hours: Sequence[int]) -> datetime:
    """`at`, or the first quarter hour after it that is not in a quiet hour; `at` itself when every hour is quiet."""
    place = ZoneInfo(zone)
    if at.astimezone(place).hour not in quiet_hours:
        return at
    step = at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
    later = (step + n * timedelta(minutes=15) for n in range(1, 4 * 48))
    return next((moment for moment in later if moment.astimezone(place).hour not in quiet_hours), at)


def still_needed(now: datetime, rules: DayRules, planned: Sequence[datetime], made: int) -> int:
    """How many posts the local day still needs. `planned`: slots that are taken, past ones included; `made`: see `still_lacking`."""
    start, end = day_bounds(local_day(now, rules.zone), rules.zone)
    taken, upcoming = sum(start <= slot < end for slot in planned), sum(slot > now for slot in planned)
    return still_lacking(now, rules, today=taken, upcoming=upcoming, made=made)


def still_lacking(now: datetime, rules: DayRules, *, today: int, upcoming: int, made: int) -> int:
    """How many posts the local day still needs, given how many slots of it are taken and how many lie ahead, and how many
    decisions were made for it, whatever became of them.

    A day begun late gets its share only: posts_per_day times the part of its open hours that is left, and never more than
    posts_per_day in all.
    """
    if today >= rules.posts_per_day:
        return 0
    share, room = _rest_of_day(now, rules)
    return max(0, min(share - upcoming, rules.posts_per_day - today, room - upcoming, rules.tries - made))


def why_full(rules: DayRules, made: int) -> str:
    """Why a day that lacks nothing gets no more decisions."""
    if made < rules.tries:
        return "the day is planned"
    return f"{made} decisions were made for the day, {rules.tries} are its most: look at what blocked them (xbot gates)"


@lru_cache(maxsize=1024)  # the accounts of one zone with the same rules have the same day
def _rest_of_day(now: datetime, rules: DayRules) -> tuple[int, int]:
    """What is left of the local day: its share of posts_per_day, and how many posts its hours can hold."""
    start, end = day_bounds(local_day(now, rules.zone), rules.zone)
    place = ZoneInfo(rules.zone)
    hours = int((end - start) / HOUR)
    instants = [start + timedelta(hours=n) for n in range(hours)]
    open_hours = [instant for instant in instants if instant.astimezone(place).hour not in rules.quiet_hours]
    ahead = [instant for instant in open_hours if instant + HOUR > now + LEAD]
    if not ahead:
        return 0, 0
    # The hour under way counts with what is left of it.
    left = sum(min(1.0, (instant + HOUR - now) / HOUR) for instant in ahead)
    share = math.ceil(rules.posts_per_day * left / len(open_hours) - 1e-9)
    return share, rules.per_hour * len(ahead)
