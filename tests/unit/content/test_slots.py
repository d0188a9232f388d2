"""Slots: every rule kept, on ordinary days and on the two days a year when the clock moves."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.content import slots
from xbot_dagster.domain.content.slots import DayRules

BERLIN = "Europe/Berlin"


def rules(
    zone: str = "UTC", per_hour: int = 2, minutes: int = 30, quiet: tuple[int, ...] = (2, 3, 4, 5), posts: int = 12
) -> DayRules:
    return DayRules(zone, per_hour, timedelta(minutes=minutes), quiet, posts)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_has_the_minutes_its_clock_shows(day: date, hours: int) -> None:
    minutes = [minute for hour in range(24) for minute in slots.minutes_of(day, hour, BERLIN)]
    assert len(minutes) == hours * 60
    assert len(set(minutes)) == len(minutes)
    start, end = slots.day_bounds(day, BERLIN)
    assert all(start <= minute < end for minute in minutes)
    assert end - start == timedelta(hours=hours)


def test_the_hour_that_never_comes_has_no_room() -> None:
    day = date(2026, 3, 29)
    now = slots.day_bounds(day, BERLIN)[0]
    assert slots.capacity(day, rules(BERLIN, quiet=()), [], now)[2] == 0
    assert slots.draw_minute(day, 2, rules(BERLIN, quiet=()), [], now, np.random.default_rng(0)) is None


@given(
    st.lists(st.integers(0, 47), min_size=1, max_size=40),
    st.integers(1, 3),
    st.sampled_from([15, 30, 45, 60]),
    st.integers(0, 2**32),
)
def test_slots_drawn_one_after_the_other_keep_every_rule(
    hours: list[int], per_hour: int, minutes: int, seed: int
) -> None:
    limits = rules(BERLIN, per_hour, minutes)
    day = date(2026, 10, 25)
    now = slots.day_bounds(day, BERLIN)[0] + timedelta(minutes=2)
    rng = np.random.default_rng(seed)
    taken: list[datetime] = []
    for hour in hours:
        at = slots.draw_minute(day, hour % 24, limits, taken, now, rng)
        if at is not None:
            taken.append(at)
    ordered = sorted(taken)
    assert all(b - a >= limits.interval for a, b in itertools.pairwise(ordered))
    assert all(ordered[i + per_hour] - ordered[i] >= timedelta(hours=1) for i in range(len(ordered) - per_hour))
    for at in taken:
        local = at.astimezone(ZoneInfo(BERLIN))
        assert local.date() == day
        assert local.hour not in limits.quiet_hours
        assert at >= now + slots.LEAD


def test_room_counts_what_fits() -> None:
    day, now = date(2026, 11, 8), datetime(2026, 11, 8, 0, 2, tzinfo=UTC)
    room = slots.capacity(day, rules(), [], now)
    assert room[2:6] == [0, 0, 0, 0]
    assert room[10] == 2
    assert slots.capacity(day, rules(minutes=60), [], now)[10] == 1
    assert slots.room_in(day, 10, rules(), [now.replace(hour=10, minute=15), now.replace(hour=10, minute=45)], now) == 0
    assert slots.room_in(day, 0, rules(), [], now.replace(minute=50)) == 1
    assert slots.capacity(day, rules(per_hour=0), [], now) == [0] * 24


def test_a_day_begun_late_gets_its_share() -> None:
    midnight = datetime(2026, 11, 8, 0, 2, tzinfo=UTC)
    assert slots.still_needed(midnight, rules(), [], 0) == 12
    assert slots.still_needed(midnight.replace(hour=18), rules(), [], 0) == 4
    assert slots.still_needed(midnight.replace(hour=23, minute=58), rules(), [], 0) == 0
    planned = [midnight.replace(hour=h, minute=30) for h in range(6, 18)]
    assert slots.still_needed(midnight.replace(hour=18), rules(), planned, 0) == 0
    assert slots.still_needed(midnight.replace(hour=12), rules(), planned[:4], 0) == 8
    assert slots.still_needed(midnight, rules(posts=48), [], 0) <= 40
    assert slots.still_needed(midnight, rules(quiet=tuple(range(24))), [], 0) == 0
    assert slots.still_needed(midnight, rules(posts=0), [], 0) == 0


def test_a_day_may_cost_only_so_many_decisions() -> None:
    midnight = datetime(2026, 11, 8, 0, 2, tzinfo=UTC)
    assert rules().tries == 36
    assert slots.still_needed(midnight, rules(), [], 30) == 6
    assert slots.still_needed(midnight, rules(), [], 36) == 0
    assert slots.still_needed(midnight, rules(), [], 40) == 0
    assert slots.why_full(rules(), 12) == "the day is planned"
    assert slots.why_full(rules(), 36).startswith("36 decisions were made for the day, 36 are its most")


def test_a_reply_waits_for_the_end_of_the_quiet_hours() -> None:
    night = datetime(2026, 11, 8, 3, 17, tzinfo=UTC)
    assert slots.after_quiet(night, "UTC", (2, 3, 4, 5)) == night.replace(hour=6, minute=0)
    assert slots.after_quiet(night, "UTC", ()) == night
    assert slots.after_quiet(night, "UTC", tuple(range(24))) == night
