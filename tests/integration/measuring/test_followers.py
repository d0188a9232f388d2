"""Snapshots, and the split of the windows between them, against a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.settings import load_settings
from xbot_dagster.stages import collect, followers
from xbot_dagster.store import followers as store
from xbot_dagster.x.protocols import FollowerRead

HOUR = timedelta(hours=1)


def snap(engine, clock, settings, source, count: int | None, **options):
    source.count = FollowerRead(count, False, "recorded", **options)
    return followers.run(engine, clock, settings, lambda account: source)


def parts(engine):
    with engine.begin() as conn:
        return list(
            conn.execute(text("SELECT * FROM follower_attribution ORDER BY window_end, follows DESC")).mappings()
        )


def test_a_snapshot_is_due_every_six_hours(engine, clock, settings, source) -> None:
    assert snap(engine, clock, settings, source, 1000).snapshots == 1
    with engine.begin() as conn:
        assert store.snapshots_due(conn) == []
        assert store.next_snapshot_time(conn) == clock.now() + 6 * HOUR
    assert snap(engine, clock, settings, source, 1001).snapshots == 0
    clock.sleep(6 * 3600)
    assert snap(engine, clock, settings, source, 1002).snapshots == 1


def test_an_unreadable_count_is_no_snapshot(engine, clock, settings, source) -> None:
    report = snap(engine, clock, settings, source, None, detail="expired: the session is logged out")
    assert (report.snapshots, report.problems) == (0, {"default": "expired: the session is logged out"})


def test_metrics_disabled_takes_none(engine, clock, source, tmp_path) -> None:
    shadow = load_settings({"MODE": "shadow", "XBOT_HOME": str(tmp_path)})
    assert snap(engine, clock, shadow, source, 5).skipped == "REAL_METRICS_ENABLED is not true"


def test_a_window_is_split_over_the_posts_seen_in_it_and_sums_to_the_change(
    engine, clock, settings, plant, source
) -> None:
    big, small = plant(clock.now()), plant(clock.now())
    snap(engine, clock, settings, source, 1000)
    clock.sleep(3600)
    source.says(big.tweet_id, impressions=6000, likes=1, retweets=1, replies=1, follows=1)
    source.says(small.tweet_id, impressions=2000, likes=1, retweets=1, replies=1, follows=1)
    collect.run(engine, clock, settings, lambda account: source)
    clock.sleep(5 * 3600)
    report = snap(engine, clock, settings, source, 1012)
    assert (report.windows, report.attributed) == (1, 3)
    found = {row["decision_id"]: row for row in parts(engine)}
    assert found[big.decision_id]["follows"] == pytest.approx(9)
    assert found[small.decision_id]["follows"] == pytest.approx(3)
    assert found[None]["follows"] == pytest.approx(0)
    assert found[big.decision_id]["low"] < 9 < found[big.decision_id]["high"]
    with engine.begin() as conn:
        assert store.unbalanced_windows(conn) == []


def test_later_outcomes_revise_the_split_and_repeating_changes_nothing(engine, clock, settings, plant, source) -> None:
    post = plant(clock.now())
    snap(engine, clock, settings, source, 1000)
    clock.sleep(6 * 3600)
    snap(engine, clock, settings, source, 990)
    assert [(row["decision_id"], row["follows"]) for row in parts(engine)] == [(None, -10)]
    source.says(post.tweet_id, impressions=3000, likes=1, retweets=1, replies=1, follows=1)
    collect.run(engine, clock, settings, lambda account: source, passes=(1,))
    with engine.begin() as conn:
        followers.attribute(conn, "default", clock.now())
    first = [(row["decision_id"], row["follows"]) for row in parts(engine)]
    assert dict(first)[post.decision_id] == pytest.approx(-10)
    with engine.begin() as conn:
        followers.attribute(conn, "default", clock.now())
    assert [(row["decision_id"], row["follows"]) for row in parts(engine)] == first


def test_parts_that_do_not_sum_to_the_change_are_found(engine, clock, settings, source) -> None:
    snap(engine, clock, settings, source, 1000)
    clock.sleep(6 * 3600)
    snap(engine, clock, settings, source, 1007)
    with engine.begin() as conn:
        conn.execute(text("UPDATE follower_attribution SET follows = follows + 2, high = high + 2"))
    with engine.begin() as conn:
        assert [row[2] for row in store.unbalanced_windows(conn)] == [2]
