"""The exploration schedule is a function of stored instants: no restart, daylight-saving change or midnight moves it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from xbot_dagster.domain.learning.exploration import epsilon_at

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")]


@pytest.mark.parametrize(
    "first",
    [
        datetime(2026, 3, 28, 23, 59, tzinfo=UTC),  # Berlin's clocks go forward the next night
        datetime(2026, 10, 24, 22, 30, tzinfo=UTC),  # and back
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_it_falls_evenly_whatever_the_wall_clock_does(first):
    steps = [epsilon_at(first + timedelta(hours=h), first) for h in range(15 * 24)]
    assert steps[0] == pytest.approx(0.2)
    assert steps[-1] == pytest.approx(0.05)
    falls = [a - b for a, b in pairwise(steps)]
    assert all(fall == pytest.approx(0.15 / (14 * 24), abs=1e-12) for fall in falls[: 14 * 24 - 1])


@pytest.mark.parametrize("zone", ZONES)
def test_the_zone_an_instant_is_written_in_does_not_matter(zone):
    first, now = datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 30, 1, 30, tzinfo=UTC)
    assert epsilon_at(now.astimezone(zone), first.astimezone(zone)) == epsilon_at(now, first)
