"""The whole thing as a team runs it: `xbot dev` hands runs to two workers, the loop and a 30-day backfill run over them, both are
killed at their worst moments, and nothing is lost or doubled."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from benchmarks.scaled_out import Place, free_port, place, until
from tests.learning_world import History
from xbot_dagster.clock import SystemClock
from xbot_dagster.stages import features

DAYS = 30
LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


@dataclass
class Desk:
    """Dagster's web server of the deployment."""

    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return next(iter(json.loads(answer.read())["data"].values()))

    def launch(self, job: str) -> str:
        selector = {"repositoryLocationName": "xbot", "repositoryName": "__repository__", "jobName": job}
        done = self.ask(LAUNCH, p={"selector": selector, "mode": "default", "runConfigData": {}})
        assert done["__typename"] == "LaunchRunSuccess", done
        return done["run"]["runId"]

    def backfill(self, *assets: str, days: list[str]) -> str:
        wanted = [{"path": [name]} for name in assets]
        done = self.ask(BACKFILL, p={"assetSelection": wanted, "partitionNames": days})
        assert done["__typename"] == "LaunchBackfillSuccess", done
        return done["backfillId"]


@contextmanager
def desk(here: Place) -> Iterator[Desk]:
    """`xbot dev` on the deployment."""
    port = free_port()
    flags = {**here.flags, "XBOT_DAGSTER_PORT": str(port), "XBOT_API_PORT": str(free_port())}
    with open(here.settings.home / "dev.txt", "wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", "from xbot_dagster.cli import main; main()", "dev"],
            env=flags, cwd=here.settings.home.parent, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
    try:
        said = here.settings.home / "dev.txt"
        until(lambda: "Ctrl-C" in said.read_text() or process.poll() is not None, "xbot dev is ready", 240)
        assert "xbot workers" in said.read_text(), said.read_text()
        yield Desk(f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(2)
        process.wait(timeout=120)


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_workers_are_killed(tmp_path: Path) -> None:
    with place(tmp_path / "h") as here:
        now = SystemClock().now()
        History(here.engine).add(140, now - timedelta(days=DAYS + 8), every=timedelta(hours=6))
        features.run(here.engine, SystemClock(), (now - timedelta(days=DAYS + 9)).date(), now.date())
        client = here.client()
        with desk(here) as dagster, here.workers("--count", "2"):
            for job in ("refresh_candidates", "plan"):
                assert here.finish(dagster.launch(job)) == dg.DagsterRunStatus.SUCCESS
            assert here.rows(
                "SELECT 1 FROM content_metadata WHERE status = 'queued' AND arm IS NOT NULL AND tweet_id IS NULL"
            )

            posted = kill_a_posting_run(here, client)
            first, second = kill_a_backfill(here, dagster, now)

            assert here.finish(second) == dg.DagsterRunStatus.SUCCESS
            assert first != second
            versions = here.rows(
                "SELECT kind, partition_day, count(*) AS n FROM predictor_versions WHERE state = 'backtest' GROUP BY 1, 2"
            )
            assert {row.n for row in versions} == {1}
            for kind in ("content", "timing"):
                assert len([row for row in versions if row.kind == kind]) >= DAYS - 8, versions
            # The loop went on meanwhile: what was killed is live once, and the next decision went out.
            until(lambda: status(here, posted) == "posted", "the reconciler found the post", 300)
            assert run_of(here, "reconcile", dg.DagsterRunStatus.SUCCESS)
            here.may_post_again()
            following = here.queue("Ten quiet minutes with a notebook settle the evening.")
            until(lambda: status(here, following) == "posted", "the next posting run posts", 300)
        live = client.ledger("xbot_demo")["posts"]
        texts = [post["text"] for post in live]
        assert len(texts) == len(set(texts)) == client.submits("xbot_demo")["count"]
        known = here.rows("SELECT tweet_id FROM posted_decisions WHERE publisher = 'recorded' AND run_id IS NOT NULL")
        assert sorted(post["id"] for post in live) == sorted(row.tweet_id for row in known)


def kill_a_posting_run(here: Place, client: Any) -> str:
    """The due_posts sensor asks for a run; its worker is killed between the submit and the answer. Returns the decision."""
    client.set_fault("accept_slow", seconds=30)
    decision = here.queue("A walk around the block before noon clears more than a third coffee.")
    until(lambda: client.ledger("xbot_demo")["posts"], "the post is live")
    run = run_of(here, "post", dg.DagsterRunStatus.STARTED)
    assert run is not None
    here.kill_worker_of(run)
    assert here.finish(run) == dg.DagsterRunStatus.FAILURE
    here.run("UPDATE posting_attempts SET lease_until = xbot_now() WHERE state IN ('claimed', 'armed')")
    return decision


def kill_a_backfill(here: Place, dagster: Desk, now: Any) -> tuple[str, str]:
    """A backfill over thirty days, its worker killed, and the same backfill again: the ids of both runs."""
    days = [(now - timedelta(days=n)).date().isoformat() for n in range(DAYS, 0, -1)]
    runs = []
    for attempt in range(2):
        backfill = dagster.backfill("content_predictor", "timing_predictor", days=days)
        run = until(lambda b=backfill: run_tagged(here, "dagster/backfill", b), "the backfill has a run")
        if attempt == 0:
            until(lambda r=run: here.status(r) == dg.DagsterRunStatus.STARTED, "the backfill's run has started")
            assert "train" in here.kill_worker_of(run).queues
            assert here.finish(run) == dg.DagsterRunStatus.FAILURE
        runs.append(run)
    return runs[0], runs[1]


def status(here: Place, decision: str) -> str:
    return here.rows("SELECT status FROM content_metadata WHERE decision_id = :id", id=decision)[0].status


def run_of(here: Place, job: str, state: dg.DagsterRunStatus) -> str | None:
    runs = here.instance.get_runs(dg.RunsFilter(job_name=job, statuses=[state]), limit=1)
    return runs[0].run_id if runs else None


def run_tagged(here: Place, name: str, value: str) -> str | None:
    runs = here.instance.get_runs(dg.RunsFilter(tags={name: value}), limit=1)
    return runs[0].run_id if runs else None
