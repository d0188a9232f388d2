"""Runs on Celery workers: executed by them, told apart by deployment, code, settings and clock; a broker that goes and comes."""

import logging
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from sqlalchemy import Engine

from benchmarks.scaled_out import Place, living, place, until
from tests.scaleout_world import fixed_valkey
from xbot_dagster.errors import HomeError
from xbot_dagster.resources.launcher import celery_options
from xbot_dagster.settings import load_settings
from xbot_dagster.stages import presence
from xbot_dagster.store import workers
from xbot_dagster.store.workers import Worker

ROOT = Path(__file__).parents[3]


def test_only_the_launcher_differs_between_the_instance_files() -> None:
    plain = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    celery = yaml.safe_load((ROOT / "deploy" / "dagster.celery.yaml").read_text())
    assert celery.pop("run_launcher") == {"module": "xbot_dagster.resources.launcher", "class": "CeleryLauncher"}
    assert celery == plain


def test_messages_of_another_deployment_are_under_another_prefix() -> None:
    one, other = (
        celery_options(load_settings({"REDIS_PREFIX": prefix}), "redis://h")["config_source"] for prefix in ("a:", "b:")
    )
    assert one["broker_transport_options"]["global_keyprefix"] == "celery:a:"
    assert other["broker_transport_options"]["global_keyprefix"] == "celery:b:"
    assert one["worker_prefetch_multiplier"] == 1
    assert not one["task_acks_late"]
    longest = yaml.safe_load((ROOT / "dagster.yaml").read_text())["run_monitoring"]["max_runtime_seconds"]
    assert one["broker_transport_options"]["visibility_timeout"] > longest


def test_two_workers_execute_runs_and_end_without_a_trace(here: Place) -> None:
    decision = here.queue("Walking after lunch: twenty minutes are enough for a clear head.")
    with here.workers("--count", "2") as started:
        first, second = here.present()
        assert "train" not in first.queues
        assert second.queues == presence.QUEUES
        assert first.code_version == presence.code_version()
        runs = [here.launch("post"), here.launch("evaluate_alerts")]
        assert [here.finish(run) for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
        [row] = here.rows("SELECT status, tweet_id FROM content_metadata WHERE decision_id = :id", id=decision)
        assert row.status == "posted"
        assert [p["id"] for p in here.client().ledger("xbot_demo")["posts"]] == [row.tweet_id]
        assert here.rows("SELECT run_id FROM posted_decisions")[0].run_id == runs[0]
        said = here.command("doctor", "workers", "redis").stdout
        assert "2 alive" in said, said
        family = started.tree()
        assert len(family) >= 5  # the command, two workers, a child each
        assert started.end(signal.SIGINT) == 0
        assert "nothing is left running" in started.said
        assert living(family) == []
    assert here.present() == []


def test_impatience_leaves_nothing_behind(here: Place) -> None:
    with here.workers("--count", "2") as started:
        family = started.tree()
        while started.process.poll() is None:
            started.process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        assert started.process.returncode == 0
        assert "nothing is left running" in started.said
        assert living(family) == []
    assert here.present() == []


@pytest.mark.slow
def test_the_run_of_a_killed_worker_is_ended_and_its_post_is_live_once(here: Place) -> None:
    """The worker dies after X took the post and before it said so: the case in which a second try would post twice."""
    here.may_post_again()
    client = here.client()
    client.set_fault("accept_slow", seconds=30)
    before = len(client.ledger("xbot_demo")["posts"])
    with here.workers("--count", "1") as started:
        decision = here.queue("A short walk before breakfast makes the first hour of work easier.")
        run = here.launch("post")
        until(lambda: len(client.ledger("xbot_demo")["posts"]) == before + 1, "the post is live")
        killed = here.kill_worker_of(run)
        started.wait_for("started again")
        until(lambda: [w for w in here.present() if w.pid != killed.pid], "another worker is there")
        monitored(here, run)
        assert here.status(run) == dg.DagsterRunStatus.FAILURE
        # Five minutes pass: until then the claim might still be somebody's.
        here.run("UPDATE posting_attempts SET lease_until = xbot_now() WHERE state IN ('claimed', 'armed')")
        assert here.finish(here.launch("reconcile")) == dg.DagsterRunStatus.SUCCESS
        assert here.finish(here.launch("post")) == dg.DagsterRunStatus.SUCCESS
    [row] = here.rows("SELECT status FROM content_metadata WHERE decision_id = :id", id=decision)
    assert row.status == "posted"
    assert len(client.ledger("xbot_demo")["posts"]) == before + 1
    assert client.submits("xbot_demo")["count"] == before + 1


def monitored(here: Place, run: str) -> None:
    """Look at a run as Dagster's run monitoring does, until it has ended it."""

    def look() -> bool:
        [record] = here.instance.get_run_records(dg.RunsFilter(run_ids=[run]))
        if record.dagster_run.status == dg.DagsterRunStatus.STARTED:
            monitor_started_run(here.instance, None, record, logging.getLogger("monitoring"))  # pyright: ignore[reportArgumentType]
        return here.status(run) == dg.DagsterRunStatus.FAILURE

    until(look, "run monitoring ends the run")


@pytest.mark.slow
def test_a_lost_broker_is_said_and_its_return_is_enough(tmp_path: Path) -> None:
    with (
        fixed_valkey(tmp_path / "valkey") as broker,
        place(tmp_path / "h", REDIS_URL=broker.url) as here,
        here.workers("--count", "1") as started,
    ):
        broker.stop()
        started.wait_for("does not answer: no run starts until it does")
        with pytest.raises(HomeError, match="the run was not handed to a worker"):
            here.launch("evaluate_alerts")
        assert "no run reaches a worker" in here.command("doctor", "redis").stdout
        broker.start()
        started.wait_for("answers again")
        assert here.finish(here.launch("evaluate_alerts")) == dg.DagsterRunStatus.SUCCESS
        broker.stop()
        assert here.command("workers").stderr.count("does not answer") == 1
        broker.start()


def test_the_queues_of_a_worker_can_be_chosen_and_must_exist(here: Place) -> None:
    wrong = here.command("workers", "--queues", "post,mail")
    assert wrong.returncode == 2
    assert "There is no queue 'mail'" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_worker_with_other_settings_or_code_is_named(engine: Engine) -> None:
    mine, theirs = load_settings({}), load_settings({"MAX_POSTS_PER_HOUR": "9", "OPENAI_API_KEY": "sk-1"})
    assert (
        load_settings({"OPENAI_API_KEY": "sk-2"}).fingerprint()
        == load_settings({"OPENAI_API_KEY": "sk-1"}).fingerprint()
    )
    assert "sk-1" not in str(theirs.fingerprint())
    same = Worker("w1@here", 1, ("post",), presence.code_version(), mine.fingerprint())
    other = Worker("w2@there", 2, ("post",), "0.1.0+other", theirs.fingerprint(), skew_s=-40.0)
    with engine.begin() as conn:
        workers.beat(conn, same)
        assert presence.trouble(conn, mine) == []
        workers.beat(conn, other)
    with engine.begin() as conn:
        code, flags, clock = presence.trouble(conn, mine)
    assert "w2@there runs other code (0.1.0+other)" in code
    assert "MAX_POSTS_PER_HOUR, OPENAI_API_KEY" in flags
    assert "w2@there is 40.0 s behind the database's" in clock


def test_a_silent_worker_is_said_and_its_runs_are_nobodys(engine: Engine) -> None:
    gone = Worker("w1@here", 1, ("post",), presence.code_version(), load_settings({}).fingerprint(), runs=("run-1",))
    with engine.begin() as conn:
        workers.beat(conn, gone)
        assert workers.executes(conn, "run-1")
        assert not workers.executes(conn, "run-2")
        conn.exec_driver_sql("UPDATE workers SET seen_at = seen_at - interval '31 seconds'")
        assert not workers.executes(conn, "run-1")
        [sentence] = presence.trouble(conn, load_settings({}))
    assert "has not been heard of" in sentence


class Wrong:
    """A clock that is ahead."""

    simulated = False

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=90)

    def sleep(self, seconds: float) -> None:
        raise AssertionError


def test_a_clock_that_is_wrong_is_measured_against_the_databases(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    me = Worker("w1@here", 1, ("post",), presence.code_version(), load_settings({}).fingerprint())
    present = presence.Presence(engine, Wrong(), me, list)
    present.start()
    with engine.connect() as conn:
        until(lambda: (conn.rollback(), workers.workers(conn))[1], "the first beat")
        [found] = workers.workers(conn)
        conn.rollback()
        assert 89 < found.skew_s < 91
        [said] = presence.trouble(conn, load_settings({"XBOT_LAUNCHER": "celery"}))[:-1]
        assert "w1@here is 90" in said
        assert (
            "No worker takes the queue collect, default, train"
            in presence.trouble(conn, load_settings({"XBOT_LAUNCHER": "celery"}))[-1]
        )
    present.leave()
    assert "This machine's clock is 90" in caplog.text
    with engine.connect() as conn:
        assert workers.workers(conn) == []
