"""The audience: one fixed future per post, counts that only grow, and a truth that agrees with what happens."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from xbot_dagster.sandbox.audience import DAY_MS, HOUR_MS, SHIFT_DAY, STEERED, SWAP_DAY, Audience, Traits, mean_share
from xbot_dagster.sandbox.vocabulary import HOOKS, STYLES, TOPICS

BORN = round(datetime(2026, 11, 8, 9, 30, tzinfo=UTC).timestamp() * 1000)
PLAIN = Traits("story", "sleep", "none", 0.65)


@pytest.fixture
def audience() -> Audience:
    return Audience(7, "quiet_habits", BORN, "Europe/Berlin")


def test_the_same_post_has_the_same_future_in_every_world(audience: Audience) -> None:
    twin = Audience(7, "Quiet_Habits", BORN, "Europe/Berlin")
    twin.expected_follows(90, PLAIN)  # somebody else looked far ahead first
    mine = audience.outcome(3, "key", BORN + 5 * DAY_MS, PLAIN)
    theirs = twin.outcome(3, "key", BORN + 5 * DAY_MS, PLAIN)
    assert [mine.at(age) for age in (0.1, 1, 24, 400)] == [theirs.at(age) for age in (0.1, 1, 24, 400)]


@pytest.mark.parametrize("change", [{"seed": 8}, {"handle": "other"}])
def test_another_seed_or_account_has_another_future(audience: Audience, change: dict) -> None:
    other = Audience(**{"seed": 7, "handle": "quiet_habits", "born_ms": BORN, "zone": "Europe/Berlin", **change})
    assert other.outcome(3, "key", BORN, PLAIN).at(24) != audience.outcome(3, "key", BORN, PLAIN).at(24)


def test_counts_never_fall_whatever_the_order_of_reading(audience: Audience) -> None:
    outcome = audience.outcome(0, "key", BORN, PLAIN)
    ages = np.linspace(0, 72, 300)
    read = {age: outcome.at(age) for age in np.random.default_rng(1).permutation(ages)}
    rows = np.array([read[age] for age in ages])
    assert (np.diff(rows, axis=0) >= 0).all()
    assert rows[0].sum() == 0
    assert rows[-1, 0] > 0


def test_the_first_hour_is_about_a_third_of_the_final_count(audience: Audience) -> None:
    shares = [
        outcome.at(1).impressions / outcome.at(1000).impressions
        for outcome in (audience.outcome(n, str(n), BORN, PLAIN) for n in range(400))
    ]
    assert np.mean(shares) == pytest.approx(0.35, abs=0.03)  # the mean of Beta(3.5, 6.5)
    assert np.std(shares) == pytest.approx(0.144, abs=0.03)


def test_a_new_follower_has_visited_the_profile(audience: Audience) -> None:
    for n in range(200):
        counts = audience.outcome(n, str(n), BORN, PLAIN).at(24)
        assert counts.profile_visits >= counts.follows
        assert counts.engagements == sum(counts) - counts.impressions


def test_only_a_post_with_a_link_gets_link_clicks(audience: Audience) -> None:
    linked = Traits("story", "sleep", "none", 0.65, has_url=True)
    clicks = [audience.outcome(n, str(n), BORN, linked).at(24).link_clicks for n in range(50)]
    assert sum(clicks) > 0
    assert all(audience.outcome(n, str(n), BORN, PLAIN).at(24).link_clicks == 0 for n in range(50))


def test_expectations_agree_with_many_outcomes(audience: Audience) -> None:
    posted = BORN + 2 * DAY_MS
    day, hour, style = audience.day(posted), audience.hour(posted), STYLES.index(PLAIN.style)
    final = [audience.outcome(n, str(n), posted, PLAIN).at(10_000) for n in range(1500)]
    for name, expected in (
        ("follows", audience.expected_follows(day, PLAIN)[style, hour]),
        ("impressions", audience.expected_impressions(day, PLAIN)[style, hour]),
    ):
        values = np.array([getattr(counts, name) for counts in final])
        assert values.mean() == pytest.approx(expected, abs=4 * values.std() / len(values) ** 0.5)


def test_counts_are_over_dispersed(audience: Audience) -> None:
    follows = np.array([audience.outcome(n, str(n), BORN, PLAIN).at(10_000).follows for n in range(500)])
    assert follows.var() > 1.5 * follows.mean()


def test_the_random_policy_is_the_mean_over_styles_and_hours(audience: Audience) -> None:
    posted, rng = BORN + DAY_MS, np.random.default_rng(3)
    table = audience.expected_follows(audience.day(posted), PLAIN)
    drawn = [table[rng.integers(10), rng.integers(24)] for _ in range(20_000)]
    [expected] = audience.expected_random([(posted, PLAIN)])
    assert expected == pytest.approx(np.mean(drawn), rel=0.03)
    [daytime] = audience.expected_random([(posted, PLAIN)], hours=range(7, 23))
    assert daytime == pytest.approx(table[:, 7:23].mean())


def test_expected_random_does_not_depend_on_what_was_chosen(audience: Audience) -> None:
    posts = [(BORN, Traits(style, "sleep", "cta", 0.5)) for style in STYLES]
    assert len(set(audience.expected_random(posts))) == 1
    assert len(set(audience.expected_actual(posts))) == len(STYLES)


def test_styles_swap_on_day_45_and_hours_shift_on_day_60(audience: Audience) -> None:
    order = np.argsort(audience._common[SWAP_DAY])
    best, worst, middle = order[-1], order[0], order[4]
    before, after = (audience.style_effect("follows", day) for day in (SWAP_DAY - 1, SWAP_DAY))
    assert after[best] == pytest.approx(before[worst], abs=0.5)
    assert after[worst] == pytest.approx(before[best], abs=0.5)
    assert abs(before[best] - before[worst]) > 1
    assert after[middle] == pytest.approx(before[middle], abs=0.5)
    hours = [audience.log_mean("impressions", day, PLAIN)[0] for day in (SHIFT_DAY - 1, SHIFT_DAY)]
    centred = [profile - profile.mean() for profile in hours]
    assert np.allclose(np.roll(centred[0], 4), centred[1])


def test_effects_drift_slowly_from_day_to_day(audience: Audience) -> None:
    days = np.stack([audience.style_effect("retweets", day) for day in range(SWAP_DAY)])
    assert np.abs(np.diff(days, axis=0)).mean() < 0.5 * days.std()


def test_days_and_hours_are_local(audience: Audience) -> None:
    late = round(datetime(2026, 11, 8, 23, 30, tzinfo=UTC).timestamp() * 1000)  # already the 9th in Berlin
    assert (audience.day(late), audience.hour(late)) == (1, 0)
    assert audience.day_of("2026-11-10") == 2
    with pytest.raises(ValueError, match="isoformat"):
        audience.day_of("tomorrow")


@pytest.mark.parametrize(("kind", "share"), [("thread", 0.5), ("reply", 0.2)])
def test_replies_and_later_parts_reach_fewer_people(audience: Audience, kind: str, share: float) -> None:
    less = audience.expected_impressions(0, Traits("story", "sleep", "none", 0.65, kind=kind))
    assert np.allclose(less, share * audience.expected_impressions(0, PLAIN))


def test_one_hashtag_helps_and_three_hurt(audience: Audience) -> None:
    reach = [
        audience.expected_impressions(0, Traits("story", "sleep", "none", 0.65, hashtags=n)).mean() for n in (0, 1, 3)
    ]
    assert reach[1] > reach[0] > reach[2]


def test_every_context_has_a_truth(audience: Audience) -> None:
    for topic in TOPICS:
        for hook in HOOKS:
            utility = audience.utility(0, Traits("story", topic, hook, 0.5))
            assert utility.shape == (10, 24)
            assert ((utility > 0) & (utility <= 1)).all()
    assert set(audience.references) == set(STEERED)


def test_followers_move_without_posts_too(audience: Audience) -> None:
    changes = [audience.baseline_change(BORN + round(d * DAY_MS)) for d in np.arange(0, 60, 0.25)]
    assert changes[0] == 0
    assert any(later < earlier for earlier, later in pairwise(changes))  # people leave as well
    expected = 59.75 * (audience.baseline_gain - audience.baseline_loss)
    assert changes[-1] == pytest.approx(expected, abs=40)


def test_the_mean_share_describes_an_average_post(audience: Audience) -> None:
    reached = [audience.outcome(n, str(n), BORN, PLAIN) for n in range(500)]
    for hours in (1, 6, 24):
        measured = np.mean([outcome.at(hours).impressions / outcome.at(10_000).impressions for outcome in reached])
        assert mean_share(hours) == pytest.approx(measured, abs=0.03)
    assert mean_share(0) == 0


def test_follow_times_are_in_order_and_match_the_counts(audience: Audience) -> None:
    outcomes = [audience.outcome(n, str(n), BORN, Traits("question", "focus", "cta", 1.0)) for n in range(40)]
    assert max(len(outcome.events["follows"]) for outcome in outcomes) > 2
    for outcome in outcomes:
        times = audience.follow_times(BORN, outcome)
        assert (np.diff(times) >= 0).all()
        for hours in (0.5, 1, 5, 48):
            assert (times <= BORN + hours * HOUR_MS).sum() == outcome.at(hours).follows
