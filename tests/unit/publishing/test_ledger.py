from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.publishing.ledger import DAY, HOUR, Limits, quiet_refusal, refusal, window_refusal

NOON = datetime(2026, 11, 8, 12, tzinfo=UTC)


def limits(**changes):
    standard = {
        "per_hour": 2,
        "interval": timedelta(minutes=30),
        "replies_per_day": 10,
        "quiet_hours": (),
        "zone": "UTC",
    }
    return Limits(**{**standard, **changes})


def ago(*minutes):
    return [NOON - timedelta(minutes=m) for m in minutes]


def test_an_empty_ledger_lets_a_post_through():
    assert refusal("post", [], NOON, limits()) is None


def test_the_interval_ends_to_the_second():
    assert refusal("post", ago(30), NOON, limits()) is None
    found = refusal("post", ago(29), NOON, limits())
    assert found is not None
    assert found.until == NOON + timedelta(minutes=1)


def test_the_hour_clears_when_its_oldest_slot_leaves_it():
    found = refusal("post", ago(59, 31), NOON, limits())
    assert found is not None
    assert found.until == NOON + timedelta(minutes=1)
    assert refusal("post", ago(60, 31), NOON, limits()) is None


def test_a_later_part_of_a_thread_need_not_keep_the_interval_but_keeps_the_hour():
    assert refusal("post", ago(1), NOON, limits(), continues=True) is None
    assert refusal("post", ago(1, 2), NOON, limits(), continues=True) is not None


def test_replies_have_a_daily_limit_of_their_own():
    assert refusal("reply", ago(*range(9)), NOON, limits()) is None
    found = refusal("reply", ago(*range(10)), NOON, limits())
    assert found is not None
    assert found.until == NOON - timedelta(minutes=9) + DAY


def test_a_limit_of_zero_never_clears_by_itself():
    found = refusal("post", [], NOON, limits(per_hour=0))
    assert found is not None
    assert found.until is None


def test_a_slot_in_the_future_holds_posting_back():
    """A clock that was turned back must not open the ledger."""
    assert refusal("post", [NOON + timedelta(hours=5)], NOON, limits(per_hour=1)) is not None


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # New York's night of the change back: 01:30 is lived twice, quiet hours 0-1 last three real hours.
        (datetime(2026, 11, 1, 4, 30, tzinfo=UTC), datetime(2026, 11, 1, 7, 0, tzinfo=UTC)),
        # The change forward: 02:00 is skipped, quiet hours 1-2 last one real hour.
        (datetime(2026, 3, 8, 6, 30, tzinfo=UTC), datetime(2026, 3, 8, 7, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_are_lived_hours_of_the_account(now, until):
    quiet = (0, 1) if now.month == 11 else (1, 2)
    found = quiet_refusal(now, quiet, "America/New_York")
    assert found is not None
    assert found.until == until


def test_a_zone_of_half_hours_ends_its_quiet_hour_at_its_own_full_hour():
    found = quiet_refusal(datetime(2026, 11, 8, 20, 40, tzinfo=UTC), (2,), "Asia/Kolkata")
    assert found is not None
    assert found.until == datetime(2026, 11, 8, 21, 30, tzinfo=UTC)


def test_a_day_of_nothing_but_quiet_hours_never_ends():
    found = quiet_refusal(NOON, tuple(range(24)), "UTC")
    assert found is not None
    assert found.until is None


@given(st.lists(st.integers(0, 7200), max_size=30), st.integers(1, 6))
def test_waiting_until_the_named_moment_is_enough_and_needed(seconds, limit):
    slots = [NOON - timedelta(seconds=s) for s in seconds]
    found = window_refusal(slots, NOON, limit, HOUR, "n")
    if found is None:
        assert sum(at > NOON - HOUR for at in slots) < limit
        return
    assert found.until is not None
    assert window_refusal(slots, found.until, limit, HOUR, "n") is None
    assert window_refusal(slots, found.until - timedelta(microseconds=1), limit, HOUR, "n") is not None


@given(st.lists(st.integers(0, 300), max_size=60))
def test_posting_whenever_allowed_never_puts_three_into_an_hour(waits):
    now, slots = NOON, []
    for minutes in waits:
        now += timedelta(minutes=minutes / 10)
        if refusal("post", slots, now, limits(interval=timedelta(minutes=1))) is None:
            slots.append(now)
    for start in slots:
        assert sum(start <= at < start + HOUR for at in slots) <= 2
