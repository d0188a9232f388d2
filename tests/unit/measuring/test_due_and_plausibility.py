"""When a post is looked at, and which counts cannot be true of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.measuring import due, plausibility
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.ids import EPOCH_MS, created_at

POSTED = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # half an hour before the clocks change in Berlin
HOUR = timedelta(hours=1)


def test_passes_are_due_by_elapsed_time_whatever_the_zone_does() -> None:
    assert due.due_at(POSTED, 1) == POSTED + HOUR
    assert due.following(POSTED, 1) == (2, POSTED + 24 * HOUR)
    assert due.following(POSTED, 2) is None


@pytest.mark.parametrize(
    ("number", "hours", "late"),
    [(1, 1, False), (1, 2, False), (1, 2.1, True), (2, 24, False), (2, 36, False), (2, 36.1, True)],
)
def test_a_read_is_late_beyond_the_tolerance(number: int, hours: float, late: bool) -> None:
    assert due.is_late(POSTED, number, POSTED + hours * HOUR) is late


@given(st.sampled_from([1, 2]), st.floats(0, 400))
def test_waits_lie_between_five_minutes_and_six_hours(number: int, hours: float) -> None:
    now = due.due_at(POSTED, number) + hours * HOUR
    assert timedelta(minutes=5) <= due.retry_at(POSTED, number, now) - now <= 6 * HOUR


@pytest.mark.parametrize("number", [1, 2])
def test_a_pass_is_given_up_after_a_handful_of_looks(number: int) -> None:
    now, looks = due.due_at(POSTED, number), 1
    while not due.gave_up(POSTED, number, now, "not_found"):
        now, looks = due.retry_at(POSTED, number, now), looks + 1
    assert looks <= 20
    assert not due.gave_up(POSTED, number, now, "error")
    assert due.gave_up(POSTED, number, POSTED + timedelta(days=16), "error")


def test_ids_carry_their_time() -> None:
    moment = datetime(2026, 11, 8, 12, 0, 0, 250_000, tzinfo=UTC)
    assert created_at(str((int(moment.timestamp() * 1000) - EPOCH_MS) << 22 | 5)) == moment
    for wrong in ("12345", str(1 << 63)):
        with pytest.raises(ValueError, match="carries its time"):
            created_at(wrong)


def reasons(counts: Counts, previous: Counts | None = None, **options) -> list[str]:
    return [finding.reason for finding in plausibility.check(counts, previous, **options)]


def test_ordinary_counts_are_plausible() -> None:
    first = Counts(impressions=500, likes=12, retweets=3, replies=2, follows=0, profile_visits=4)
    final = Counts(impressions=2000, likes=40, retweets=9, replies=4, follows=2, profile_visits=14)
    assert reasons(first) == reasons(final, first) == []
    assert reasons(Counts()) == []


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (Counts(impressions=-1), "impressions=-1 is negative"),
        (Counts(likes=10**12), "likes=1000000000000 is absurd"),
        (Counts(impressions=10, likes=500), "likes=500 exceeds impressions=10"),
        (Counts(impressions=10, follows=50), "follows=50 exceeds impressions=10"),
    ],
)
def test_impossible_counts(counts: Counts, reason: str) -> None:
    assert reasons(counts) == [reason]


def test_net_follows_may_be_negative() -> None:
    assert reasons(Counts(impressions=100, follows=-2)) == []


def test_views_only_grow_and_interactions_do_not_collapse() -> None:
    before = Counts(impressions=10_000, likes=100, follows=3)
    assert reasons(Counts(impressions=9_000, likes=100), before) == ["impressions fell from 10000 to 9000"]
    assert reasons(Counts(impressions=12_000, likes=40), before) == ["likes collapsed from 100 to 40"]
    assert reasons(Counts(impressions=9_900, likes=90, follows=1), before) == []


def test_rounded_views_may_seem_to_fall() -> None:
    before, now = Counts(impressions=1249), Counts(impressions=1200)
    assert reasons(now, before) != []
    assert reasons(now, before, approximate=True) == []


def test_a_giant_can_be_confirmed_and_the_impossible_cannot() -> None:
    giant = plausibility.check(Counts(impressions=900_000, likes=25_000), account_best=40)
    assert [finding.confirmable for finding in giant] == [True]
    assert plausibility.check(Counts(impressions=900_000, likes=25_000), account_best=2_000) == []
    assert [f.confirmable for f in plausibility.check(Counts(impressions=-1))] == [False]
    seen = Counts(impressions=900_000, likes=25_000)
    assert plausibility.confirms(Counts(impressions=950_000, likes=26_000), seen)
    assert not plausibility.confirms(Counts(impressions=800, likes=12), seen)
    assert not plausibility.confirms(Counts(), seen)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_count_that_grows_is_never_refused(before: int, more: int) -> None:
    assert reasons(Counts(impressions=before + more), Counts(impressions=before)) == []
