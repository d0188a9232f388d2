"""Presets, sticky assignment, and what a window can show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.learning.experiments import (
    CONTROL,
    PRESETS,
    SEVEN_DAY_PLAN,
    TREATMENT,
    draw,
    power,
    preset,
    uniform,
)
from xbot_dagster.errors import UsageError

NAMES = st.text(min_size=1, max_size=12)


def test_each_preset_changes_what_is_written_or_when():
    assert set(PRESETS) == {"hashtag_1", "question_cta", "contrarian_reply", "late_evening_slot"}
    for found in PRESETS.values():
        assert not found.treatment.changes_nothing
        assert found.arm(TREATMENT) != found.arm(CONTROL)
        assert 0 < found.share < 1
    assert PRESETS["late_evening_slot"].treatment.hours == (20, 21)
    assert PRESETS["contrarian_reply"].applies_to == ("reply",)


def test_unknown_preset_is_one_sentence():
    with pytest.raises(UsageError, match="no experiment preset 'emoji_9'"):
        preset("emoji_9")


@given(st.integers(0, 2**63), NAMES, NAMES, st.floats(0.01, 0.99))
def test_assignment_is_sticky_and_its_propensity_is_that_of_its_arm(seed, experiment, unit, share):
    first = draw(seed, experiment, unit, share)
    assert draw(seed, experiment, unit, share) == first
    assert first.propensity == (share if first.arm == TREATMENT else 1 - share)


@given(st.integers(0, 2**32), NAMES, NAMES, st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_raising_the_share_takes_nobody_out_of_treatment(seed, experiment, unit, low, high):
    if draw(seed, experiment, unit, low).arm == TREATMENT:
        assert draw(seed, experiment, unit, high).arm == TREATMENT


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5])
def test_shares_are_met(share):
    treated = sum(draw(1, "e", str(unit), share).arm == TREATMENT for unit in range(5_000))
    assert abs(treated / 5_000 - share) < 0.03  # more than four standard deviations


def test_experiments_and_seeds_draw_independently():
    def treated(seed: int, experiment: str) -> list[bool]:
        return [draw(seed, experiment, str(unit), 0.5).arm == TREATMENT for unit in range(4_000)]

    base = treated(1, "e")
    for other in (treated(1, "f"), treated(2, "e")):
        agreement = sum(a == b for a, b in zip(base, other, strict=True)) / 4_000
        assert 0.46 < agreement < 0.54


def test_names_are_not_run_together():
    assert uniform(1, "ab", "c") != uniform(1, "a", "bc")
    assert uniform(1, "a") != uniform(11, "")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_leaves_an_arm_empty_is_refused(share):
    with pytest.raises(UsageError, match="one arm empty"):
        draw(1, "e", "u", share)


def test_power_by_hand():
    # sd = mean, equal arms: n = 2 · (1.96 + .8416)² · 2 / .2² = 785 posts in all, 392.4 per arm.
    found = power(mean=2.0, deviation=2.0, measured=100, posts_per_day=10, share=0.5, days=14, wanted=0.2)
    assert found.days_needed == pytest.approx(78.49, abs=0.01)
    assert found.posts == 140
    assert found.detectable == pytest.approx(2.8016 / 0.5 / 140**0.5, rel=1e-4)
    at_need = power(mean=2.0, deviation=2.0, measured=100, posts_per_day=10, share=0.5, days=found.days_needed)
    assert at_need.detectable == pytest.approx(0.2)
    assert "needs 79 days" in found.sentence()


def test_uneven_shares_need_longer():
    even, uneven = (
        power(mean=1.0, deviation=1.0, measured=100, posts_per_day=10, share=share, days=14).days_needed
        for share in (0.5, 0.2)
    )
    assert uneven / even == pytest.approx(0.25 / 0.16)


@pytest.mark.parametrize(
    "history",
    [
        {"mean": None, "deviation": None, "measured": 0, "posts_per_day": 0.0},
        {"mean": 0.0, "deviation": 0.0, "measured": 50, "posts_per_day": 5.0},
        {"mean": 1.0, "deviation": 1.0, "measured": 9, "posts_per_day": 5.0},
    ],
)
def test_without_history_nothing_is_promised(history):
    found = power(**history, share=0.3, days=14)
    assert found.detectable is None
    assert found.sentence().startswith("What it can show is unknown")


def test_the_week_of_the_runbook_has_no_gap():
    days = [day for window in SEVEN_DAY_PLAN for day in range(window.first_day, window.first_day + window.days)]
    assert days == list(range(1, 8))
    assert [window.preset for window in SEVEN_DAY_PLAN] == [None, "question_cta", "late_evening_slot", None]
