"""Celery workers as they last reported themselves: what they execute, which code and settings they have, how their clock goes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.clock import Clock

BEAT_SECONDS = 5
SILENT_SECONDS = 30  # six beats missed: the worker is gone, or cut off from the database
_FORGOTTEN = "interval '1 hour'"  # what was silent for so long was taken away on purpose, or is a row of an old backup


@dataclass(frozen=True)
class Worker:
    """One worker process. `settings` maps a flag to a digest of its value; `skew_s` is its clock minus the database's, seconds."""

    name: str
    pid: int
    queues: tuple[str, ...]
    code_version: str
    settings: dict[str, str]
    skew_s: float = 0.0
    runs: tuple[str, ...] = ()
    seen_at: datetime | None = None
    silent: bool = False


def skew(conn: Connection, clock: Clock) -> float:
    """Seconds by which `clock` is ahead of the database's; exact to half the time the question takes."""
    before = clock.now()
    theirs = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
    middle: datetime = before + (clock.now() - before) / 2
    ahead: timedelta = middle - theirs
    return ahead.total_seconds()


def beat(conn: Connection, worker: Worker) -> None:
    """Write the worker's row again, as of the database's present; rows nobody has written for an hour go."""
    values: dict[str, Any] = {
        "name": worker.name, "pid": worker.pid, "queues": list(worker.queues), "code": worker.code_version,
        "settings": json.dumps(worker.settings), "skew": worker.skew_s, "runs": list(worker.runs),
    }  # fmt: skip
    conn.execute(
        text(
            f"WITH gone AS (DELETE FROM workers WHERE seen_at < clock_timestamp() - {_FORGOTTEN} AND name <> :name) "
            "INSERT INTO workers (name, pid, queues, code_version, settings, skew_s, runs) "
            "VALUES (:name, :pid, :queues, :code, cast(:settings AS jsonb), :skew, :runs) "
            "ON CONFLICT (name) DO UPDATE SET pid = excluded.pid, queues = excluded.queues, code_version = excluded.code_version, "
            "settings = excluded.settings, skew_s = excluded.skew_s, runs = excluded.runs, seen_at = clock_timestamp(), "
            "started_at = CASE WHEN workers.pid = excluded.pid THEN workers.started_at ELSE clock_timestamp() END"
        ),
        values,
    )


def leave(conn: Connection, names: Sequence[str]) -> None:
    """Forget workers that have ended."""
    conn.execute(text("DELETE FROM workers WHERE name = ANY(:names)"), {"names": list(names)})


def workers(conn: Connection) -> list[Worker]:
    """Every worker that has reported itself within an hour, by name; `silent` when its last beats are missing."""
    rows = conn.execute(
        text(
            f"SELECT name, pid, queues, code_version, settings, skew_s, runs, seen_at, "
            f"seen_at < clock_timestamp() - interval '{SILENT_SECONDS} seconds' AS silent FROM workers "
            f"WHERE seen_at > clock_timestamp() - {_FORGOTTEN} ORDER BY name"
        )
    ).mappings()
    return [Worker(**{**row, "queues": tuple(row["queues"]), "runs": tuple(row["runs"])}) for row in rows]


def executes(conn: Connection, run_id: str) -> bool:
    """Whether a worker that is alive executes this run."""
    return any(run_id in worker.runs and not worker.silent for worker in workers(conn))
