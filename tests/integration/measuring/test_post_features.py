"""post_features: only what was known at planning time, re-runnable, and imported posts get their novelty."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.stages import collect, features

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def stored(engine) -> dict[str, dict]:
    with engine.begin() as conn:
        rows = conn.execute(text("SELECT decision_id, features FROM post_features"))
        return {str(row[0]): row[1] for row in rows}


@pytest.fixture
def three_days(engine, clock, settings, plant, source):
    """Three measured posts on three days; the clock ends on day 4 at noon."""
    posts = []
    for number in range(3):
        posts.append(plant(clock.now(), created_at=clock.now() - HOUR / 2, words=f"Did you know? Sleep fact {number}."))
        source.says(posts[-1].tweet_id, impressions=1000 * (number + 1), likes=4, retweets=number, replies=1, follows=0)
        for _ in range(2):
            clock.sleep(12.5 * 3600)
            collect.run(engine, clock, settings, lambda account: source)
        clock.sleep(3600)
    return posts


def test_features_are_those_of_text_time_and_the_known_past(engine, clock, three_days) -> None:
    first, last = three_days[0].posted_at.date(), clock.now().date()
    report = features.run(engine, clock, first, last)
    assert (report.posts, report.written, report.feature_version) == (3, 3, features.version())
    found = stored(engine)
    third = found[str(three_days[2].decision_id)]
    assert third["hook_pattern"] == "did-you-know"
    assert third["hour"] == three_days[2].posted_at.hour
    assert third["novelty"] == 0.5
    assert third["lag_outcomes"] == 2
    assert third["lag_log_impressions"] == pytest.approx((7.6014 + 6.9088) / 2, abs=1e-3)
    assert found[str(three_days[0].decision_id)]["lag_log_impressions"] is None


def test_future_outcomes_do_not_change_an_earlier_day(engine, clock, settings, plant, source, three_days) -> None:
    day = three_days[1].posted_at.date()
    features.run(engine, clock, day, day)
    before = stored(engine)
    later = plant(clock.now())
    source.says(later.tweet_id, impressions=90_000, likes=4000, retweets=900, replies=1, follows=0)
    clock.sleep(26 * 3600)
    collect.run(engine, clock, settings, lambda account: source)
    assert features.run(engine, clock, day, day).written == 0
    assert stored(engine) == before


def test_the_hour_is_the_account_zones(engine, clock, plant) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE accounts SET zone = 'America/New_York'"))
    post = plant(clock.now())
    features.run(engine, clock, clock.now().date(), clock.now().date())
    assert stored(engine)[str(post.decision_id)]["hour"] == 7


def test_an_imported_post_gets_its_novelty_against_the_thirty_days_before_it(engine, clock, plant) -> None:
    old = plant(
        clock.now() - 40 * DAY,
        generation_source="import",
        novelty=None,
        hook_pattern=None,
        words="Walking after dinner lowers blood sugar.",
    )
    twin = plant(
        clock.now() - 2 * DAY,
        generation_source="import",
        novelty=None,
        hook_pattern=None,
        words="Walking after dinner lowers blood sugar.",
    )
    copy = plant(
        clock.now() - DAY,
        generation_source="import",
        novelty=None,
        hook_pattern=None,
        words="Walking after dinner lowers blood sugar! https://a.example/x",
    )
    bare = plant(
        clock.now() - HOUR,
        generation_source="import",
        novelty=None,
        hook_pattern=None,
        words="https://a.example/only-a-link",
    )
    report = features.run(engine, clock, (clock.now() - 41 * DAY).date(), clock.now().date())
    assert report.described == 4
    novelty = {key: value["novelty"] for key, value in stored(engine).items()}
    assert novelty[str(old.decision_id)] == 1.0
    assert novelty[str(twin.decision_id)] == 1.0
    assert novelty[str(copy.decision_id)] < 0.05
    assert novelty[str(bare.decision_id)] is None
    with engine.begin() as conn:
        rows = conn.execute(
            text(
                "SELECT novelty, duplicate_similarity, embedder, hook_pattern FROM content_metadata WHERE embedder IS NOT NULL"
            )
        )
        assert all(row[2].startswith("wordllama") and row[3] == "none" for row in rows)
    assert features.run(engine, clock, (clock.now() - 41 * DAY).date(), clock.now().date()).written == 0
