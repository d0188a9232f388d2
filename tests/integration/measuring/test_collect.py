"""The collector against a real database: what becomes a row, a retry, a censored row, a quarantined one."""

import logging
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from xbot_dagster.settings import load_settings
from xbot_dagster.stages import collect
from xbot_dagster.store import outcomes as store
from xbot_dagster.x.protocols import MetricRead

HOUR = timedelta(hours=1)
SEEN = {
    "impressions": 2000,
    "likes": 40,
    "retweets": 6,
    "replies": 4,
    "bookmarks": 9,
    "follows": 2,
    "profile_visits": 30,
}


def rows(engine: Engine, sql: str = "SELECT * FROM outcomes ORDER BY decision_id, collected_pass") -> list:
    with engine.begin() as conn:
        return list(conn.execute(text(sql)).mappings())


def collected(engine, clock, settings, source, **options):
    return collect.run(engine, clock, settings, lambda account: source, **options)


def test_both_passes_are_stored_with_the_documented_figures(engine, clock, settings, plant, source) -> None:
    post = plant(clock.now() - HOUR)
    source.says(post.tweet_id, **SEEN)
    report = collected(engine, clock, settings, source)
    assert (report.due, report.stored) == (1, {1: 1})
    clock.sleep(23 * 3600)
    source.says(post.tweet_id, **{**SEEN, "impressions": 4000, "follows": 3})
    assert collected(engine, clock, settings, source).stored == {2: 1}
    first, second = rows(engine)
    assert (first["collected_pass"], first["observed_age_s"], first["late"]) == (1, 3600, False)
    assert (second["collected_pass"], second["observed_age_s"]) == (2, 86400)
    assert second["fpki"] == pytest.approx(0.75)
    assert second["er_calculated"] == pytest.approx(50 / 4000)
    assert second["reward_composite"] == pytest.approx(
        0.5 * 0.75 + 0.3 * 6 / 4000 + 0.15 * 4 / 4000 + 0.05 * 0.5 - 0.1 * 0.2
    )
    assert second["exposure_weight"] == pytest.approx(0.25)
    assert second["simulated"] is True
    versions = rows(engine, "SELECT reward_version, reward FROM outcome_rewards WHERE collected_pass = 2 ORDER BY 1")
    assert [row["reward_version"] for row in versions] == ["norm_v1", "seed_v1"]
    assert versions[1]["reward"] == second["reward_composite"]
    posted = rows(engine, "SELECT * FROM posted_decisions")[0]
    assert (posted["next_pass"], posted["next_due_at"], posted["profile_visits"], posted["bookmarks"]) == (
        None,
        None,
        30,
        9,
    )
    assert collected(engine, clock, settings, source).due == 0


def test_the_log_lines_are_the_documented_ones(engine, clock, settings, plant, source, caplog) -> None:
    good, gone = plant(clock.now() - HOUR), plant(clock.now() - HOUR)
    source.says(good.tweet_id, **SEEN)
    source.says(gone.tweet_id, "not_found")
    with caplog.at_level(logging.INFO, logger="xbot"):
        collected(engine, clock, settings, source)
    lines = [record.getMessage() for record in caplog.records]
    assert (
        f"[ANALYTICS_COLLECTOR] ✅ Pass 1 stored: decision_id={good.decision_id} ER=2.50% FPKI=1.00 follows=2" in lines
    )
    assert "[ANALYTICS_COLLECTOR] ℹ️ No posts ready for Pass 2 (T+24h)" in lines
    assert any(
        line.startswith(f"[ANALYTICS_COLLECTOR] ⚠️ Could not fetch metrics for tweet_id={gone.tweet_id}")
        for line in lines
    )


def test_unknown_counts_stay_null(engine, clock, settings, plant, source, caplog) -> None:
    post = plant(clock.now() - HOUR)
    source.says(post.tweet_id, impressions=500, likes=3)
    with caplog.at_level(logging.INFO, logger="xbot"):
        collected(engine, clock, settings, source)
    row = rows(engine)[0]
    assert (row["retweets"], row["follows"], row["er_calculated"], row["fpki"], row["reward_composite"]) == (None,) * 5
    assert rows(engine, "SELECT * FROM outcome_rewards") == []
    assert any("ER=null% FPKI=null follows=null" in record.getMessage() for record in caplog.records)


def test_metrics_disabled_reads_nothing(engine, clock, plant, source, tmp_path) -> None:
    plant(clock.now() - HOUR)
    shadow = load_settings({"MODE": "shadow", "XBOT_HOME": str(tmp_path)})
    report = collected(engine, clock, shadow, source)
    assert (report.skipped, report.due, source.asked) == ("REAL_METRICS_ENABLED is not true", 0, [])


def test_a_read_nobody_asked_for_is_never_stored(engine, clock, settings, plant, source) -> None:
    post = plant(clock.now() - HOUR)
    source.extra = [MetricRead("1999999999999999999", "ok", "recorded", impressions=900_000, likes=20_000)]
    source.says(post.tweet_id, **SEEN)
    report = collected(engine, clock, settings, source)
    assert report.wrong_ids == 1
    assert [row["tweet_id"] for row in rows(engine)] == [post.tweet_id]


def test_an_unreadable_post_is_retried_with_growing_waits_and_closed_as_censored(
    engine, clock, settings, plant, source
) -> None:
    post = plant(clock.now() - HOUR)
    source.says(post.tweet_id, "not_ready", detail="nothing to see here yet")
    waits, censored = [], 0
    while not censored:
        report = collected(engine, clock, settings, source, passes=(1,))
        censored = report.censored
        with engine.begin() as conn:
            upcoming = store.next_outcome_time(conn)
        assert upcoming is not None
        waits.append((upcoming - clock.now()).total_seconds())
        clock.set(upcoming)
    assert waits[:2] == [300, 300]
    assert waits[-2] > waits[0]
    row = rows(engine)[0]
    assert (row["read_status"], row["impressions"], row["reward_composite"], row["exposure_weight"]) == (
        "not_ready",
        None,
        None,
        None,
    )
    assert rows(engine, "SELECT next_pass FROM posted_decisions")[0]["next_pass"] == 2
    assert rows(engine, "SELECT * FROM final_outcomes") == []


def test_our_own_failure_does_not_censor_a_post(engine, clock, settings, plant, source) -> None:
    plant(clock.now() - 40 * HOUR)
    report = collected(engine, clock, settings, source)
    assert (report.censored, report.retried, rows(engine)) == (0, 1, [])
    assert report.problems == {"error: no answer": 1}


def test_a_censored_row_never_replaces_a_measured_one(engine, clock, settings, plant, source) -> None:
    post = plant(clock.now() - HOUR)
    source.says(post.tweet_id, **SEEN)
    collected(engine, clock, settings, source)
    with engine.begin() as conn:
        conn.execute(text("UPDATE posted_decisions SET next_pass = 1, next_due_at = posted_at + interval '1 hour'"))
    clock.sleep(10 * 3600)
    source.says(post.tweet_id, "not_found")
    assert collected(engine, clock, settings, source).censored == 1
    assert (rows(engine)[0]["read_status"], rows(engine)[0]["impressions"]) == ("ok", 2000)


def test_one_look_after_an_outage_serves_both_passes_and_marks_the_first_late(
    engine, clock, settings, plant, source
) -> None:
    post = plant(clock.now() - 30 * HOUR)
    source.says(post.tweet_id, **SEEN)
    report = collected(engine, clock, settings, source)
    assert (report.stored, report.late, source.asked) == ({1: 1, 2: 1}, 1, [post.tweet_id])
    first, second = rows(engine)
    assert (first["late"], first["observed_age_s"], second["late"]) == (True, 30 * 3600, False)


def test_falling_impressions_go_to_quarantine_and_the_pass_stays_due(engine, clock, settings, plant, source) -> None:
    post = plant(clock.now() - HOUR)
    source.says(post.tweet_id, **SEEN)
    collected(engine, clock, settings, source)
    clock.sleep(23 * 3600)
    source.says(post.tweet_id, **{**SEEN, "impressions": 900}, raw={"label": "900 views"})
    report = collected(engine, clock, settings, source)
    assert (report.quarantined, report.stored) == (1, {})
    refused = rows(engine, "SELECT * FROM outcome_quarantine")[0]
    assert refused["reason"] == "impressions fell from 2000 to 900"
    assert refused["raw"]["page"] == {"label": "900 views"}
    assert refused["raw"]["counts"]["impressions"] == 900
    assert rows(engine, "SELECT next_pass FROM posted_decisions")[0]["next_pass"] == 2


def test_a_sudden_giant_is_believed_only_when_a_second_look_says_the_same(
    engine, clock, settings, plant, source
) -> None:
    for _ in range(5):
        small = plant(clock.now() - HOUR)
        source.says(small.tweet_id, **SEEN)
    collected(engine, clock, settings, source)
    giant = plant(clock.now() - HOUR)
    source.says(giant.tweet_id, impressions=900_000, likes=25_000, retweets=100, replies=3, follows=0)
    assert collected(engine, clock, settings, source).quarantined == 1
    clock.sleep(300)
    assert collected(engine, clock, settings, source).stored == {1: 1}
    with engine.begin() as conn:
        assert (
            conn.execute(text("SELECT likes FROM outcomes WHERE tweet_id = :id"), {"id": giant.tweet_id}).scalar()
            == 25_000
        )


def test_a_second_run_changes_nothing(engine, clock, settings, plant, source) -> None:
    post = plant(clock.now() - HOUR)
    source.says(post.tweet_id, **SEEN)
    collected(engine, clock, settings, source)
    before = rows(engine)
    with engine.begin() as conn:
        conn.execute(text("UPDATE posted_decisions SET next_pass = 1, next_due_at = posted_at + interval '1 hour'"))
    clock.sleep(60)
    collected(engine, clock, settings, source, passes=(1,))
    assert rows(engine) == before


def test_the_oldest_due_posts_come_first_and_the_limit_holds(engine, clock, settings, plant, source) -> None:
    young, old = plant(clock.now() - HOUR), plant(clock.now() - 3 * HOUR)
    source.says(old.tweet_id, **SEEN)
    collected(engine, clock, settings, source, limit=1)
    assert source.asked == [old.tweet_id]
    with engine.begin() as conn:
        assert store.count_due(conn) == {1: 1}
        assert store.next_outcome_time(conn) == young.posted_at + HOUR
