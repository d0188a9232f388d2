"""Run one of the shipped jobs here and now, stored on the home's Dagster instance like any other run.

Used by the commands, the rehearsal and the API's triggers (`python -m xbot_dagster.runner JOB RUN_ID`).
"""

import functools
import os
import socket
import sys
import uuid
import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import dagster as dg

from xbot_dagster.embedded import services
from xbot_dagster.embedded.home import started_at
from xbot_dagster.errors import UserError
from xbot_dagster.resources.dagster_home import IN_PROCESS_FILE, environment
from xbot_dagster.sensors.asking import UNFINISHED
from xbot_dagster.settings import Settings, load_settings

# Which process executes a run: "host:pid:start time".
_PROCESS = "xbot/process"
# The caller prints what it wants to say; Dagster's own lines stay in the event log.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class StageFailed(UserError):
    """A run of a job failed; the message is the cause, the run holds the rest."""


class Runner:
    """The home's Dagster instance with its definitions. Use as a context manager."""

    def __init__(self, settings: Settings, definitions: dg.Definitions) -> None:
        os.environ.update(environment(settings, services.attach(settings)))
        self.definitions = definitions
        self.instance = dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"], IN_PROCESS_FILE)
        # Dagster's Postgres storage opens a connection per statement unless told that a long-lived process uses it.
        self.instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=600, max_overflow=8)
        _ask_schema_once(self.instance)
        self._process = f"{socket.gethostname()}:{os.getpid()}:{started_at(os.getpid())}"
        self._end_the_dead()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.instance.dispose()

    def _end_the_dead(self) -> None:
        """Fail the runs whose process was killed: nobody else would, and sensors wait while a run seems under way."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
            process = run.tags.get(_PROCESS)
            if process is not None and not _alive(process):
                self.instance.report_run_failed(run, f"The process {process.split(':')[1]} that ran it ended.")

    def run(
        self,
        job: str,
        *,
        tags: Mapping[str, str] | None = None,
        partition_key: str | None = None,
        asset_selection: Sequence[dg.AssetKey] | None = None,
        run_id: str | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Execute `job`. Raises StageFailed with the first cause when a step fails."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            result = self.definitions.resolve_job_def(job).execute_in_process(
                run_config=_QUIET,
                instance=self.instance,
                tags={**(tags or {}), _PROCESS: self._process},
                partition_key=partition_key,
                asset_selection=asset_selection,
                run_id=run_id or str(uuid.uuid4()),
                raise_on_error=False,
            )
        if not result.success:
            raise StageFailed(f"The {job} run failed: {_cause(result)}", f"Its run is {result.run_id}.")
        return result


def _ask_schema_once(instance: dg.DagsterInstance) -> None:
    """Let Dagster's storages look up once a process, not at every event, which tables and columns their own schema has.

    Each look is a handful of catalogue queries, together a quarter of what a short run costs. The schema cannot change under us:
    the instance was opened on it, and a newer Dagster migrates it in a process of its own. Private names, hence the pinned version.
    """
    events: Any = instance.event_log_storage
    runs: Any = instance.run_storage
    look = events._has_asset_key_col_on_connection
    known: dict[str, bool] = {}

    def has_column(conn: Any, name: str) -> bool:
        if name not in known:
            known[name] = look(conn, name)
        return known[name]

    events._has_asset_key_col_on_connection = has_column
    for storage, question in (
        (events, "has_asset_key_col"),
        (events, "has_table"),
        (runs, "has_run_stats_index_cols"),
        (runs, "has_backfill_id_column"),
    ):
        setattr(storage, question, functools.cache(getattr(storage, question)))


def _alive(process: str) -> bool:
    """Whether it may still run: that of another machine or container is for run monitoring to judge."""
    host, pid, started = process.rsplit(":", 2)
    return host != socket.gethostname() or str(started_at(int(pid))) == started


def _cause(result: dg.ExecuteInProcessResult) -> str:
    """The innermost error message of the first failure."""
    for event in result.all_events:
        if event.is_failure and event.event_specific_data is not None:
            error = getattr(event.event_specific_data, "error", None)
            while error is not None and error.cause is not None:
                error = error.cause
            if error is not None:
                # Dagster writes "module.Class: message"; of our own errors the message is the whole sentence.
                return error.message.strip().splitlines()[0].removeprefix(f"xbot_dagster.errors.{error.cls_name}: ")
    return "no step reported why"


def run_job(
    job: str, run_id: str | None = None, tags: Mapping[str, str] | None = None, partition_key: str | None = None
) -> dg.ExecuteInProcessResult:
    """Run a shipped job on the deployment of this environment."""
    from xbot_dagster.definitions import build_definitions

    settings = load_settings()
    with Runner(settings, build_definitions(settings)) as runner:
        return runner.run(job, run_id=run_id, tags=tags, partition_key=partition_key)


if __name__ == "__main__":
    try:
        run_job(sys.argv[1], sys.argv[2], {"xbot/actor": sys.argv[3]} if len(sys.argv) > 3 else None)
    except UserError as error:
        sys.stderr.write(f"xbot: {error}\n")
        sys.exit(error.exit_code)
