"""The one way a sensor or schedule asks the database: a fault is a skip reason with a sentence, never a crash loop."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster.errors import DatabaseError, HomeError
from xbot_dagster.resources.database import Database
from xbot_dagster.store import ticks
from xbot_dagster.store.engine import said_plainly

# What is due is decided by rows and kill switches, not by whether a person switched a sensor on.
RUNNING = dg.DefaultSensorStatus.RUNNING

Answer = list[dg.RunRequest] | str

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def ask(
    name: str,
    kind: str,
    context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext,
    database: Database,
    question: Callable[[Connection], Answer],
    *,
    busy_with: Sequence[str] = (),
) -> Any:
    """Ask `question`; a string is the reason for doing nothing. `busy_with` are jobs that must not already be under way."""
    try:
        with said_plainly(), database.engine.begin() as conn:
            ticks.need_not_wait_for_the_disk(conn)
            answer = question(conn)
            if not isinstance(answer, str):
                under_way = [job for job in busy_with if _under_way(context.instance, job)]
                if under_way:
                    answer = f"a run of {', '.join(under_way)} is still under way"
            if isinstance(answer, str):
                ticks.record(conn, name, kind, skipped=answer)
                return dg.SkipReason(answer)
            ticks.record(
                conn, name, kind, did={"requested": [r.job_name or job for r in answer for job in busy_with[:1]]}
            )
            return answer
    except (DatabaseError, HomeError) as error:
        return dg.SkipReason(f"degraded: {error}")


def _under_way(instance: dg.DagsterInstance, job: str) -> bool:
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=UNFINISHED)) > 0
