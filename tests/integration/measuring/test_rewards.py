"""Rewards are a function of the raw columns, at any version, and versions stand side by side."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.domain.learning.reward import RewardReferences
from xbot_dagster.errors import UsageError
from xbot_dagster.stages import collect, rewards

HOUR = timedelta(hours=1)


@pytest.fixture
def measured(engine, clock, settings, plant, source):
    for number in range(4):
        post = plant(clock.now() - HOUR)
        source.says(post.tweet_id, impressions=1000 + number, likes=5, retweets=2, replies=1, follows=number)
    collect.run(engine, clock, settings, lambda account: source)
    return engine


def stored(engine, version: str) -> list[float]:
    with engine.begin() as conn:
        rows = conn.execute(
            text("SELECT reward FROM outcome_rewards WHERE reward_version = :v ORDER BY decision_id"), {"v": version}
        )
        return [row[0] for row in rows]


def test_recomputing_from_raw_columns_gives_what_the_collector_stored(measured) -> None:
    before = stored(measured, "seed_v1")
    with measured.begin() as conn:
        conn.execute(text("UPDATE outcome_rewards SET reward = -1 WHERE reward_version = 'seed_v1'"))
    report = rewards.recompute(measured, "seed_v1")
    assert (report.rows, report.computed, report.changed) == (4, 4, 4)
    assert stored(measured, "seed_v1") == before
    assert rewards.recompute(measured, "seed_v1").changed == 0


def test_one_version_leaves_the_other_alone(measured) -> None:
    seed, norm = stored(measured, "seed_v1"), stored(measured, "norm_v1")
    rewards.recompute(measured, "norm_v1", RewardReferences(fpki=5.0, retweet_rate=0.01, reply_rate=0.01))
    assert stored(measured, "seed_v1") == seed
    assert stored(measured, "norm_v1") != norm
    with measured.begin() as conn:
        refs = (
            conn.execute(text("SELECT DISTINCT refs FROM outcome_rewards WHERE reward_version = 'norm_v1'"))
            .scalars()
            .all()
        )
    assert refs == [{"fpki": 5.0, "retweet_rate": 0.01, "reply_rate": 0.01}]


def test_an_unknown_version_is_refused_with_the_known_ones(measured) -> None:
    with pytest.raises(UsageError, match="seed_v1, norm_v1"):
        rewards.recompute(measured, "seed_v9")
