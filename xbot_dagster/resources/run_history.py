"""Dagster's record of runs, as retention sees it."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from xbot_dagster.clock import SystemClock
from xbot_dagster.embedded.services import Services
from xbot_dagster.store import retention
from xbot_dagster.store.engine import make_engine

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class DagsterHistory:
    """Finished runs of one instance. `services` names its database, for the size."""

    def __init__(self, instance: dg.DagsterInstance, services: Services) -> None:
        self._instance, self._services = instance, services

    def old(self, before: datetime, limit: int) -> Sequence[str]:
        return [
            record.dagster_run.run_id
            for record in self._instance.get_run_records(self._older(before), limit=limit, ascending=True)
        ]

    def count(self, before: datetime) -> int:
        return self._instance.get_runs_count(self._older(before))

    def delete(self, run_id: str) -> None:
        self._instance.delete_run(run_id)
        # What the run printed lies beside the instance, whichever compute log manager this process has.
        shutil.rmtree(Path(self._services.home.dagster) / "storage" / run_id, ignore_errors=True)

    def size_bytes(self) -> int:
        engine = make_engine(self._services.dagster_url, SystemClock(), actor="prune")
        try:
            with engine.connect() as conn:
                return retention.bytes_of_database(conn)
        finally:
            engine.dispose()

    @staticmethod
    def _older(before: datetime) -> dg.RunsFilter:
        return dg.RunsFilter(statuses=_FINISHED, created_before=before)
