"""The tick log: what every sensor and schedule tick did, or why it did nothing."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


def need_not_wait_for_the_disk(conn: Connection) -> None:
    """This transaction only notes a tick: a power cut may take the last ones, and many a second would keep the disk busy."""
    conn.execute(text("SET LOCAL synchronous_commit = off"))


def record(
    conn: Connection,
    name: str,
    kind: str,
    *,
    did: dict[str, Any] | None = None,
    skipped: str | None = None,
    account: str | None = None,
) -> None:
    """Append one tick. `kind` is sensor, schedule or stage; exactly one of `did` and `skipped` says something."""
    conn.execute(
        text(
            "INSERT INTO tick_log (name, kind, did, skipped, account) VALUES (:name, :kind, cast(:did AS jsonb), :skipped, :account)"
        ),
        {"name": name, "kind": kind, "did": json.dumps(did or {}, default=str), "skipped": skipped, "account": account},
    )


def last_requested(conn: Connection, name: str, job: str) -> datetime | None:
    """When the tick `name` last asked for a run of `job`."""
    return conn.execute(
        text("SELECT max(at) FROM tick_log WHERE name = :name AND skipped IS NULL AND did -> 'requested' ? :job"),
        {"name": name, "job": job},
    ).scalar_one()
