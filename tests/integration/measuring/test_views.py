"""The views of the documents against small tables computed by hand; charts from the same rows; recomputation agrees."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.errors import NotFound
from xbot_dagster.stages import collect, report
from xbot_dagster.store import reports

HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)  # 00:30 on Tuesday in Berlin


@pytest.fixture
def world(engine, clock, settings, plant, source):
    """Three posts of one evening: measured twice, measured once, and censored; the clock ends a day and a half later."""
    with engine.begin() as conn:
        conn.execute(text("UPDATE accounts SET zone = 'Europe/Berlin'"))
    clock.set(MONDAY)
    twice, once, gone = plant(MONDAY, topic="sleep"), plant(MONDAY, topic="walking"), plant(MONDAY, topic="walking")
    clock.set(MONDAY + HOUR)
    source.says(twice.tweet_id, impressions=500, likes=5, retweets=0, replies=0, follows=0)
    source.says(once.tweet_id, impressions=1000, likes=30, retweets=8, replies=2, follows=1)
    source.says(gone.tweet_id, "not_found")
    collect.run(engine, clock, settings, lambda account: source)
    clock.set(MONDAY + 24 * HOUR)
    source.says(twice.tweet_id, impressions=2000, likes=30, retweets=6, replies=4, follows=2)
    source.says(once.tweet_id, "not_ready")
    collect.run(engine, clock, settings, lambda account: source)
    clock.set(MONDAY + 36 * HOUR)
    return {"twice": twice, "once": once, "gone": gone}


def rows(engine, name: str, **keys) -> list[dict]:
    with engine.begin() as conn:
        table = reports.view(conn, name, "default", 50)
    found = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return [row for row in found if all(row[key] == value for key, value in keys.items())]


def reward(fpki: float, retweets: float, replies: float) -> float:
    return 0.5 * fpki + 0.3 * retweets + 0.15 * replies + 0.05 * 0.5 - 0.1 * 0.2


def test_pass_two_replaces_pass_one_and_what_was_not_measured_has_no_figures(engine, world) -> None:
    by_id = {row["decision_id"]: row for row in rows(engine, "vw_recent_posts")}
    assert by_id[world["twice"].decision_id]["collected_pass"] == 2
    assert by_id[world["twice"].decision_id]["impressions"] == 2000
    assert by_id[world["once"].decision_id]["collected_pass"] == 1
    gone = by_id[world["gone"].decision_id]
    assert (gone["collected_pass"], gone["impressions"], gone["likes"], gone["reward_composite"]) == (None,) * 4


def test_topics_count_measured_posts_only(engine, world) -> None:
    [sleep] = rows(engine, "vw_topics_perf_7d", topic="sleep")
    [walking] = rows(engine, "vw_topics_perf_7d", topic="walking")
    assert (sleep["posts"], sleep["avg_impressions"], sleep["avg_engagement_rate"]) == (1, 2000, pytest.approx(0.02))
    assert (walking["posts"], walking["avg_fpki"]) == (1, pytest.approx(1.0))
    assert sleep["avg_reward"] == pytest.approx(reward(1.0, 0.003, 0.002))


def test_hours_and_days_are_those_of_the_account(engine, world) -> None:
    [hour] = rows(engine, "vw_time_of_day_perf_7d")
    assert (hour["hour"], hour["posts"], hour["avg_impressions"]) == (0, 2, 1500)
    [day] = rows(engine, "vw_learning_performance")
    assert (day["day"], day["posts"], day["impressions"], day["follows"]) == (date(2026, 11, 3), 2, 3000, 3)
    assert day["avg_engagement_rate"] == pytest.approx((0.02 + 0.04) / 2)
    assert day["avg_reward"] == pytest.approx((reward(1.0, 0.003, 0.002) + reward(1.0, 0.008, 0.002)) / 2)


def test_seven_days_later_the_weekly_views_are_empty(engine, clock, world) -> None:
    clock.set(MONDAY + timedelta(days=7, minutes=1))
    assert rows(engine, "vw_topics_perf_7d") == rows(engine, "vw_time_of_day_perf_7d") == []
    assert len(rows(engine, "vw_learning_performance")) == 1


def test_learning_cycles_are_added_up_by_the_accounts_day(engine, clock, world) -> None:
    def cycle(arms: int, ratio: float, version: str) -> None:
        with engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO audit_log (event_type, component, event_data, context) "
                    "VALUES ('LEARNING_CYCLE_COMPLETE', 'learn', CAST(:data AS jsonb), '{\"account\": \"default\"}')"
                ),
                {
                    "data": json.dumps(
                        {"arms_trained": arms, "explore_ratio": ratio, "outcomes": 4, "coeffs_updated": version}
                    )
                },
            )

    clock.set(datetime(2026, 11, 5, 22, 0, tzinfo=UTC))
    cycle(3, 0.2, "v9")
    clock.set(datetime(2026, 11, 5, 23, 30, tzinfo=UTC))  # the next day in Berlin
    cycle(5, 0.1, "v10")
    cycle(7, 0.3, "v11")
    newest, older = rows(engine, "vw_bandit_performance")
    assert (newest["day"], newest["cycles"], newest["arms_trained"], newest["outcomes"], newest["coeffs_updated"]) == (
        date(2026, 11, 6),
        2,
        12,
        8,
        "v11",
    )
    assert newest["explore_ratio"] == pytest.approx(0.2)
    assert (older["day"], older["cycles"], older["coeffs_updated"]) == (date(2026, 11, 5), 1, "v9")


def test_sources_are_judged_by_what_was_measured(engine, clock, plant, source, settings) -> None:
    with engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO content_sources (source, account, kind, runs, failures) VALUES ('bank', 'default', 'topic_bank', 4, 1), ('idle', 'default', 'feed', 0, 0)"
            )
        )
        for number in range(3):
            conn.execute(
                text(
                    "INSERT INTO content_candidates (candidate_id, account, source, topic, title, score, freshness, content_hash, expires_at) VALUES "
                    "(CAST(:id AS uuid), 'default', 'bank', 't', 'x', .5, .5, :hash, xbot_now() + interval '1 day')"
                ),
                {"id": f"00000000-0000-0000-0000-00000000000{number}", "hash": "sha256:" + str(number) * 64},
            )
    measured = plant(clock.now() - HOUR, candidate_id="00000000-0000-0000-0000-000000000001")
    plant(clock.now(), candidate_id="00000000-0000-0000-0000-000000000002")
    source.says(measured.tweet_id, impressions=1000, likes=10, retweets=5, replies=5, follows=1)
    collect.run(engine, clock, settings, lambda account: source)
    [bank] = rows(engine, "vw_content_sources_perf", source="bank")
    assert (bank["success_rate"], bank["candidates"], bank["decisions"], bank["measured_posts"]) == (0.75, 3, 2, 1)
    assert bank["avg_engagement_rate"] == pytest.approx(0.02)
    [idle] = rows(engine, "vw_content_sources_perf", source="idle")
    assert (idle["success_rate"], idle["candidates"], idle["measured_posts"], idle["avg_reward"]) == (None, 0, 0, None)


def test_the_documents_old_query_runs_on_the_tweets_view(engine, world) -> None:
    with engine.begin() as conn:
        count = conn.execute(
            text("SELECT count(*) FROM tweets WHERE analytics IS NOT NULL AND analytics != '{}'")
        ).scalar()
    assert count == 2


def test_the_report_has_every_view_and_refuses_a_strange_account(engine, world) -> None:
    assert [table.name for table in report.tables(engine, "default")] == list(reports.VIEWS)
    with pytest.raises(NotFound, match="nobody"):
        report.tables(engine, "nobody")


def test_charts_are_pictures_with_and_without_data(engine, world, tmp_path) -> None:
    from PIL import Image

    full = report.charts(engine, "default", tmp_path / "full").files
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE outcomes CASCADE"))
    empty = report.charts(engine, "default", tmp_path / "empty").files
    assert list(full) == list(empty) == ["hours", "topics", "learning", "bandit", "backtest"]
    for name in ("topics", "learning"):
        assert Image.open(full[name]).tobytes() != Image.open(empty[name]).tobytes()
    assert all(Image.open(path).size[0] > 600 for path in [*full.values(), *empty.values()])


def test_a_thin_cell_of_the_heat_map_shows_its_count_and_no_mean() -> None:
    cells = [reports.HourCell(1, 9, report.ENOUGH, 0.031, 0.2), reports.HourCell(2, 9, report.ENOUGH - 1, 0.9, 0.2)]
    means, labels = report.heat(cells)
    assert means[1][9] == 0.031
    assert labels[1][9] == "3.1\nn=5"
    assert means[2][9] != means[2][9]
    assert labels[2][9] == "n=4"
