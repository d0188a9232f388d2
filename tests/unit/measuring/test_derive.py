"""Derived figures: the documented formulas, null where a part is unknown."""

import pytest

from xbot_dagster.domain.learning.reward import RewardReferences
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.derive import derive, duplicate_penalty, reward_of

POST = Counts(impressions=4, likes=2, retweets=1, replies=1, follows=1)


def test_one_follow_on_four_impressions_is_not_an_overflow() -> None:
    found = derive(POST, 1.0, None)
    assert (found.er, found.fpki, found.retweet_rate, found.reply_rate, found.exposure_weight) == (
        1.0,
        250.0,
        0.25,
        0.25,
        1.0,
    )
    assert found.reward_composite == pytest.approx(125 + 0.3 * 0.25 + 0.15 * 0.25 + 0.05)


def test_nobody_saw_it_is_unknown_not_zero() -> None:
    found = derive(Counts(impressions=0, likes=0, retweets=0, replies=0, follows=0), 0.5, 0.1)
    assert (found.er, found.fpki, found.retweet_rate, found.reward_composite) == (None,) * 4
    assert found.exposure_weight == 1.0


@pytest.mark.parametrize("missing", ["follows", "retweets", "replies", "impressions"])
def test_a_missing_part_leaves_the_composite_unknown(missing: str) -> None:
    counts = Counts(**{**POST.as_dict(), missing: None})
    assert derive(counts, 0.5, 0.1).reward_composite is None
    assert reward_of("seed_v1", counts, 0.5, 0.1) is None


def test_versions_differ_in_scale_and_agree_in_documented_units() -> None:
    counts = Counts(impressions=100_000, likes=9, retweets=20, replies=5, follows=4)
    seed, norm = reward_of("seed_v1", counts, 0.6, 0.2), reward_of("norm_v1", counts, 0.6, 0.2)
    assert seed is not None
    assert norm is not None
    assert 0 <= norm.reward <= 1
    assert norm.refs == {"fpki": 0.25, "retweet_rate": 0.004, "reply_rate": 0.0015}
    assert seed.weight == norm.weight == pytest.approx(0.01)
    unit = reward_of("norm_v1", counts, 0.6, 0.2, RewardReferences(1, 1, 1))
    assert unit is not None
    assert unit.reward == pytest.approx(seed.reward)


def test_an_unknown_version_is_an_error() -> None:
    with pytest.raises(ValueError, match="seed_v9"):
        reward_of("seed_v9", POST, 0.5, 0.1)


def test_the_duplicate_penalty_is_the_nearest_cosine() -> None:
    assert [duplicate_penalty(x) for x in (None, -0.3, 0.4, 1.2)] == [0.0, 0.0, 0.4, 1.0]
