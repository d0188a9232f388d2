"""The tick log: what every sensor and schedule tick did, or why it did nothing."""

import json
from typing import Any

from sqlalchemy import Connection, text


def record(conn: Connection, name: str, kind: str, *, did: dict[str, Any] | None = None, skipped: str | None = None, account: str | None = None) -> None:
    """Append one tick. `kind` is sensor, schedule or stage; exactly one of `did` and `skipped` says something."""
    conn.execute(
        text("INSERT INTO tick_log (name, kind, did, skipped, account) VALUES (:name, :kind, cast(:did AS jsonb), :skipped, :account)"),
        {"name": name, "kind": kind, "did": json.dumps(did or {}, default=str), "skipped": skipped, "account": account},
    )
