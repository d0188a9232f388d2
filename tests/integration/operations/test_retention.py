"""`prune_history`: what is old goes, what is under way, in doubt or learned from stays, and learning cannot tell the difference."""

import json
import os
import uuid
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from tests.learning_world import History, insert
from xbot_dagster.definitions import build_definitions
from xbot_dagster.embedded import services
from xbot_dagster.errors import HomeError
from xbot_dagster.resources.opening import initialise, opened
from xbot_dagster.resources.run_history import DagsterHistory
from xbot_dagster.runner import Runner
from xbot_dagster.settings import load_settings
from xbot_dagster.stages import features, retention, rewards, train
from xbot_dagster.store import frames, predictors, ticks

LONG_AGO = timedelta(days=400)


class NoRuns:
    """A Dagster without history."""

    def old(self, before, limit):
        return []

    def count(self, before):
        return 0

    def delete(self, run_id):
        raise AssertionError

    def size_bytes(self):
        return 0


@pytest.fixture
def settings(tmp_path):
    return load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "KEEP_DETAILS_DAYS": "30"})


def rows(engine, sql, **values):
    with engine.begin() as conn:
        return conn.execute(text(sql), values).all()


def test_old_ticks_go_but_the_last_of_each_name(engine, clock, settings):
    def tick(name):
        with engine.begin() as conn:
            ticks.record(conn, name, "sensor", skipped="nothing is due")

    for name in ("stopped", "alive", "alive"):
        tick(name)
    clock.sleep(61 * 86_400)
    tick("alive")
    with engine.begin() as conn:
        assert retention.prune_due(conn, settings, clock.now(), NoRuns())
    assert retention.run(engine, clock, settings, NoRuns(), dry_run=True).ticks == 2
    assert len(rows(engine, "SELECT 1 FROM tick_log")) == 4
    assert retention.run(engine, clock, settings, NoRuns()).ticks == 2
    assert [r.name for r in rows(engine, "SELECT name FROM tick_log ORDER BY name")] == ["alive", "stopped"]
    with engine.begin() as conn:
        assert not retention.prune_due(conn, settings, clock.now(), NoRuns())
    [event] = rows(engine, "SELECT event_data FROM audit_log WHERE event_type = 'HISTORY_PRUNED'")
    assert event.event_data["ticks"] == 2


def test_quarantine_goes_when_no_look_can_confirm_it_any_more(engine, clock, settings):
    over, waiting = History(engine).add(2, clock.now() - LONG_AGO)
    with engine.begin() as conn:
        conn.execute(
            text("UPDATE posted_decisions SET next_pass = 2, next_due_at = xbot_now() WHERE decision_id = :id"),
            {"id": waiting},
        )
        for decision in (over, waiting):
            insert(
                conn, "outcome_quarantine", decision_id=decision, collected_pass=2, tweet_id="1" * 18, reason="shrank",
                raw=json.dumps({"counts": {}}), created_at=clock.now() - LONG_AGO,
            )  # fmt: skip
    assert retention.run(engine, clock, settings, NoRuns()).quarantine == 1
    assert [r.decision_id for r in rows(engine, "SELECT decision_id FROM outcome_quarantine")] == [waiting]


def test_evidence_goes_but_not_of_a_post_in_doubt(engine, clock, settings):
    posted, doubtful = History(engine).add(2, clock.now() - LONG_AGO)
    with engine.begin() as conn:
        conn.execute(
            text("UPDATE content_metadata SET status = 'needs_human' WHERE decision_id = :id"), {"id": doubtful}
        )
    folder = settings.home / "logs" / "evidence"
    young = f"{uuid.uuid4()}-0"
    long_ago = (clock.now() - LONG_AGO).timestamp()
    for name in (f"{posted}-0", f"{doubtful}-0", "no-decision", young):
        (folder / name).mkdir(parents=True)
        (folder / name / "page.png").write_bytes(b"x")
        moment = clock.now().timestamp() if name == young else long_ago
        for path in (folder / name / "page.png", folder / name):
            os.utime(path, (moment, moment))
    assert retention.run(engine, clock, settings, NoRuns()).evidence == 2
    assert sorted(p.name for p in folder.iterdir()) == sorted([f"{doubtful}-0", young])


def learned(engine, clock, settings, reference):
    """All that learning makes of the tables: the frame, the features, rewards recomputed, and a predictor's payload."""
    today = clock.now().date()
    features.run(engine, clock, today - LONG_AGO - timedelta(days=5), today)
    frame = frames.training_frame(engine, frames.FrameQuery("default", True, clock.now(), features.version()))
    recomputed = rewards.recompute(engine, "norm_v1")
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM predictor_versions"))
    report = train.run(engine, clock, settings, None, "default", "timing", today)
    with engine.begin() as conn:
        payload = predictors.newest(conn, "default", "timing")
        stored = conn.execute(
            text(
                "SELECT decision_id, collected_pass, reward, weight, refs FROM outcome_rewards WHERE collected_pass > 0 ORDER BY 1, 2"
            )
        ).all()
        content = (
            conn.execute(text("SELECT payload FROM predictor_versions ORDER BY kind, version DESC")).scalars().all()
        )
    assert report.version is not None, reference
    assert payload is not None
    return frame.to_csv(), recomputed.changed, stored, json.dumps(content, sort_keys=True)


def test_learning_is_bit_identical_after_the_archive(engine, clock, settings):
    ids = History(engine).add(60, clock.now() - LONG_AGO, every=timedelta(hours=5))
    with engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO outcomes (decision_id, collected_pass, account, tweet_id, impressions, simulated, source, read_status, "
                "observed_age_s, collected_at) SELECT decision_id, 0, account, tweet_id, 7, simulated, source, 'ok', 60, collected_at "
                "FROM outcomes WHERE collected_pass = 1"
            )
        )
        for number, chosen in ((0, True), (1, False)):
            insert(
                conn, "drafts", decision_id=ids[0], ordinal=number, parts=json.dumps([f"draft {number}"]), chosen=chosen,
                created_at=clock.now() - LONG_AGO,
            )  # fmt: skip
    learned(engine, clock, settings, "rewards once")
    before = learned(engine, clock, settings, "before")
    kept = rows(engine, "SELECT * FROM outcomes WHERE collected_pass > 0 ORDER BY decision_id, collected_pass")
    done = retention.run(engine, clock, settings, NoRuns())
    assert done.archived == {"outcomes": 60, "drafts": 1}
    assert learned(engine, clock, settings, "after") == before
    assert kept == rows(engine, "SELECT * FROM outcomes WHERE collected_pass > 0 ORDER BY decision_id, collected_pass")
    assert [r.parts for r in rows(engine, "SELECT parts FROM drafts")] == [["draft 0"]]
    archived = [pq.read_table(settings.home / "archive" / name).to_pylist() for name in done.files]
    assert sorted(map(len, archived)) == [1, 60]
    assert {row["impressions"] for row in archived[0]} == {7}
    assert done.bytes_per_1000_posts == done.database_bytes * 1000 // 60


def test_nothing_leaves_the_database_when_the_archive_cannot_be_written(engine, clock, settings):
    [decision] = History(engine).add(1, clock.now() - LONG_AGO)
    with engine.begin() as conn:
        insert(
            conn, "drafts", decision_id=decision, ordinal=0, parts="[]", chosen=False, created_at=clock.now() - LONG_AGO
        )
    settings.home.mkdir(parents=True)
    (settings.home / "archive").write_text("a file where the folder should be")
    with pytest.raises(HomeError, match="nothing was removed"):
        retention.run(engine, clock, settings, NoRuns())
    assert len(rows(engine, "SELECT 1 FROM drafts")) == 1


def test_finished_runs_go_with_their_logs_and_running_ones_stay(tmp_path):
    settings = load_settings({"XBOT_HOME": str(tmp_path / "h"), "PUBLISHER": "recorded"})
    initialise(settings, seed=7)
    with opened(settings) as found, Runner(settings, build_definitions(settings)) as runner:
        done = runner.run("evaluate_alerts").run_id
        running = runner.instance.create_run_for_job(
            runner.definitions.resolve_job_def("plan"), status=dg.DagsterRunStatus.STARTED
        ).run_id
        history = DagsterHistory(runner.instance, found.services)
        output = found.services.home.dagster / "storage" / done
        output.mkdir(parents=True)
        later = datetime.now(UTC) + timedelta(minutes=1)
        assert history.old(datetime.now(UTC) - timedelta(days=1), 10) == []
        assert history.old(later, 10) == [done]
        assert history.count(later) == 1
        history.delete(done)
        assert runner.instance.get_run_by_id(done) is None
        assert runner.instance.all_logs(done) == []
        assert not output.exists()
        assert runner.instance.get_run_by_id(running) is not None
        assert history.size_bytes() > 1_000_000
        assert runner.run("prune_history").success  # and the shipped job works
    services.detach(settings)
