"""Incident 15: schedules and zones (a slot 19 hours late). One zone per account, the hour on its clock, UTC in the database."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.content import slots
from xbot_dagster.domain.content.slots import DayRules

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns"]
# Spring forward and fall back in Berlin and New York, a midnight, a year's end, and just before and after them.
MOMENTS = [
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 6, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
    datetime(2026, 11, 8, 0, 0, tzinfo=UTC),
    datetime(2026, 11, 8, 23, 59, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 30, tzinfo=UTC),
]


def rules(zone: str) -> DayRules:
    return DayRules(zone, per_hour=2, interval=timedelta(minutes=30), quiet_hours=(2, 3, 4, 5), posts_per_day=12)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("now", MOMENTS)
def test_every_slot_is_ahead_within_the_local_day_and_in_its_hour(zone: str, now: datetime) -> None:
    day = slots.local_day(now, zone)
    place = ZoneInfo(zone)
    for hour in range(24):
        for slot in slots.open_minutes(day, hour, rules(zone), [], now):
            assert slot.tzinfo is UTC
            assert timedelta(0) <= slot - now < timedelta(hours=25 if _long_day(day, zone) else 24)
            assert slot.astimezone(place).hour == hour
            assert slot.astimezone(place).date() == day
            assert hour not in (2, 3, 4, 5)


def _long_day(day: object, zone: str) -> bool:
    start, end = slots.day_bounds(day, zone)  # pyright: ignore[reportArgumentType]
    return end - start > timedelta(hours=24)


def test_the_hour_that_spring_takes_has_no_slot_and_the_one_that_autumn_repeats_has_two_hours() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert slots.minutes_of(spring, 2, "Europe/Berlin") == ()
    assert len(slots.minutes_of(autumn, 2, "Europe/Berlin")) == 120
    assert len(slots.minutes_of(spring, 3, "Europe/Berlin")) == 60


def test_a_slot_is_never_now() -> None:
    now = datetime(2026, 11, 8, 12, 30, tzinfo=UTC)
    drawn = [
        slots.draw_minute(now.date(), 12, rules("UTC"), [], now, np.random.default_rng(seed)) for seed in range(50)
    ]
    assert all(slot is not None and slot >= now + slots.LEAD for slot in drawn)


@given(
    zone=st.sampled_from(ZONES),
    now=st.integers(0, 365 * 24 * 60).map(lambda m: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=m)),
    taken=st.lists(st.integers(0, 24 * 60), max_size=8),
)
def test_open_minutes_keep_interval_and_rate(zone: str, now: datetime, taken: list[int]) -> None:
    used = [now + timedelta(minutes=m) for m in taken]
    limits = rules(zone)
    day = slots.local_day(now, zone)
    hour = now.astimezone(ZoneInfo(zone)).hour
    for slot in slots.open_minutes(day, hour, limits, used, now)[:20]:
        assert all(abs(other - slot) >= limits.interval for other in used)
        assert sum(timedelta(0) <= slot - other < timedelta(hours=1) for other in used) < limits.per_hour
