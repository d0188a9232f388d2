"""Splitting a window's follower change over the posts live in it."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.measuring import attribution as a

NOON = datetime(2026, 11, 8, 12, tzinfo=UTC)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def window(change: int, length: float = 6, **options) -> a.Window:
    return a.Window(NOON, NOON + hours(length), 1000, 1000 + change, **options)


def post(key: str, age_at_start: float, impressions: float, read_at: float = 24) -> a.LivePost:
    return a.LivePost(key, NOON - hours(age_at_start), ((read_at, impressions),))


def test_the_curve_starts_at_zero_never_falls_and_ends_at_one() -> None:
    ages = [i / 4 for i in range(4 * 80)]
    shares = [a.accumulated(age) for age in ages]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert all(later >= earlier for earlier, later in pairwise(shares))
    assert a.accumulated(1, 0.4) / a.accumulated(24, 0.4) == pytest.approx(0.4)


def test_the_change_goes_to_the_post_that_was_seen() -> None:
    parts = a.attribute(window(12), [post("young", 0, 4000), post("old", 60, 4000)])
    by_key = {part.key: part for part in parts}
    assert by_key["young"].follows > 10 * by_key["old"].follows
    assert by_key[None].follows == pytest.approx(0)
    assert by_key["young"].low < by_key["young"].follows < by_key["young"].high


def test_without_a_live_post_everything_is_rest() -> None:
    assert a.attribute(window(-3), []) == [a.Part(None, -3.0, -3.0, -3.0)]
    assert [part.key for part in a.attribute(window(5), [post("dead", 100, 9000)])] == [None]


def test_losses_are_kept_as_losses() -> None:
    parts = a.attribute(window(-8), [post("p", 1, 3000)])
    assert parts[0].follows == pytest.approx(-8)
    assert parts[0].high > parts[0].follows


def test_the_usual_trend_is_nobodys_merit() -> None:
    parts = a.attribute(window(10), [post("p", 0, 3000)], a.Trend(1.0, 0.1))
    assert {part.key: part.follows for part in parts} == {"p": pytest.approx(4), None: pytest.approx(6)}


def test_rounded_counts_widen_the_interval() -> None:
    exact, rounded = (a.attribute(window(10, error=e), [post("p", 0, 3000)])[0] for e in (0.0, 29.0))
    assert rounded.high - rounded.low > 3 * (exact.high - exact.low)


def test_the_trend_is_the_change_that_comes_without_being_seen() -> None:
    history = [
        (a.Window(NOON, NOON + hours(6), 1000, 1000 + round(3 + 0.002 * seen)), float(seen))
        for seen in range(0, 9000, 500)
    ]
    found = a.trend(history)
    assert found.per_hour == pytest.approx(0.5, abs=0.05)
    assert 0 < found.error < 0.1
    assert a.trend(history[: a.BASELINE_WINDOWS - 1]) == a.NO_TREND


@given(
    change=st.integers(-500, 500),
    trend=st.floats(-5, 5),
    seen=st.lists(st.tuples(st.floats(-5, 80), st.integers(0, 10**7)), max_size=12),
)
def test_parts_and_rest_always_sum_to_the_change(change: int, trend: float, seen: list[tuple[float, int]]) -> None:
    posts = [post(str(i), age, impressions) for i, (age, impressions) in enumerate(seen)]
    parts = a.attribute(window(change), posts, a.Trend(trend, 0.2))
    assert math.fsum(part.follows for part in parts) == pytest.approx(change, abs=1e-9)
    assert all(part.low <= part.follows <= part.high for part in parts)
    assert sum(part.key is None for part in parts) == 1


def test_credit_recovers_planted_follows_on_average() -> None:
    """Follows at a planted rate per impression plus a trend: the credited sum is near the planted one, day after day."""
    import numpy as np

    rng = np.random.default_rng(5)
    sizes = 2000 * rng.lognormal(0, 1.2, 120)
    posts = [a.LivePost(str(i), NOON + hours(4 * i), ((24.0, float(size)),)) for i, size in enumerate(sizes)]
    count, history, credited, planted = 5000, [], 0.0, 0.0
    for step in range(4, 80):
        start, end = NOON + hours(6 * step), NOON + hours(6 * step + 6)
        live = [p for p in posts if start - a.LIVE_FOR < p.posted_at < end]
        seen = sum(a.gained(p, a.Window(start, end, 0, 0)) for p in live)
        follows, drift = rng.poisson(0.001 * seen), rng.poisson(1.0 * 6)
        w = a.Window(start, end, count, count + int(follows + drift))
        if len(history) >= 20:
            credited += sum(p.follows for p in a.attribute(w, live, a.trend(history)) if p.key)
            planted += follows
        history.append((w, seen))
        count = w.after
    assert credited == pytest.approx(planted, rel=0.2)
    assert count - 5000 > 1.5 * planted  # without the trend the posts would have been credited with much more
