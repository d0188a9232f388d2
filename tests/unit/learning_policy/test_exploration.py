"""The epsilon schedule: linear, restart-safe, indifferent to clocks changing and midnights, re-anchored by operators."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.learning.exploration import epsilon_at

FIRST = datetime(2026, 3, 22, 23, 30, tzinfo=UTC)


def test_it_falls_from_a_fifth_to_a_twentieth_over_fourteen_days():
    assert epsilon_at(FIRST, FIRST) == 0.20
    assert epsilon_at(FIRST + timedelta(days=7), FIRST) == pytest.approx(0.125)
    assert epsilon_at(FIRST + timedelta(days=14), FIRST) == pytest.approx(0.05)
    assert epsilon_at(FIRST + timedelta(days=400), FIRST) == pytest.approx(0.05)


def test_before_the_first_outcome_and_with_a_clock_gone_back_it_is_the_start():
    assert epsilon_at(FIRST, None) == 0.20
    assert epsilon_at(FIRST - timedelta(days=3), FIRST) == 0.20


@given(st.integers(0, 20 * 24 * 60))
def test_the_zone_it_is_asked_in_does_not_matter(minutes):
    now = FIRST + timedelta(minutes=minutes)
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Kathmandu"):
        assert epsilon_at(now.astimezone(ZoneInfo(zone)), FIRST.astimezone(ZoneInfo(zone))) == epsilon_at(now, FIRST)


def test_the_night_clocks_change_is_as_long_as_it_really_is():
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 29, 1, 59, tzinfo=berlin)
    after = datetime(2026, 3, 29, 3, 0, tzinfo=berlin)  # one minute later: the hour from two to three does not exist
    step = epsilon_at(before, FIRST) - epsilon_at(after, FIRST)
    assert step == pytest.approx(0.15 / 14 / 24 / 60, rel=1e-6)


def test_midnight_is_no_step():
    midnight = datetime(2026, 3, 27, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert epsilon_at(midnight - second, FIRST) - epsilon_at(midnight + second, FIRST) < 1e-6


@given(st.floats(0, 30), st.floats(0, 30))
def test_it_never_rises(earlier, later):
    early, late = sorted((earlier, later))
    assert epsilon_at(FIRST + timedelta(days=late), FIRST) <= epsilon_at(FIRST + timedelta(days=early), FIRST)


def test_an_operators_change_starts_the_fall_anew_from_that_value():
    changed = FIRST + timedelta(days=30)
    ask = {"first_outcome_at": FIRST, "anchored_at": changed, "anchored_value": 0.3}
    assert epsilon_at(changed, **ask) == 0.3
    assert epsilon_at(changed + timedelta(days=7), **ask) == pytest.approx(0.175)
    assert epsilon_at(changed + timedelta(days=14), **ask) == pytest.approx(0.05)


def test_a_value_below_the_floor_is_kept():
    assert epsilon_at(FIRST, FIRST, anchored_at=FIRST, anchored_value=0.0) == 0.0
    assert epsilon_at(FIRST + timedelta(days=20), FIRST, anchored_at=FIRST, anchored_value=0.0) == 0.0


def test_a_change_before_the_first_outcome_waits_for_it():
    changed = FIRST - timedelta(days=60)
    assert epsilon_at(FIRST, FIRST, anchored_at=changed, anchored_value=0.4) == 0.4
    assert epsilon_at(changed, None, anchored_at=changed, anchored_value=0.4) == 0.4


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        epsilon_at(datetime(2026, 3, 22), FIRST)  # noqa: DTZ001
