"""History that may go, a batch at a time, and how much room the database takes. Nothing that learning reads is ever touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

# A tick that is the last of its name stays: it tells since when that sensor or schedule has been silent.
_OLD_TICKS = """
SELECT t.id FROM tick_log t WHERE t.at < :before
AND EXISTS (SELECT 1 FROM tick_log l WHERE l.name = t.name AND (l.at, l.id) > (t.at, t.id))
"""
# A read that may still be confirmed by the next look at the same pass is not over.
_OLD_QUARANTINE = """
SELECT q.id FROM outcome_quarantine q JOIN posted_decisions p USING (decision_id)
WHERE q.created_at < :before AND p.next_pass IS DISTINCT FROM q.collected_pass
"""
# The two passes of a post stay for ever: policies are rebuilt from them and predictors trained on them. What nothing learns
# from are readings besides these (pass 0), and the drafts of a decision that were not chosen.
_DETAILS = {
    "outcomes": ("o.collected_pass = 0 AND o.collected_at < :before", "(decision_id, collected_pass)"),
    "drafts": (
        "NOT o.chosen AND o.created_at < :before AND EXISTS (SELECT 1 FROM content_metadata c WHERE c.decision_id = o.decision_id "
        "AND c.status NOT IN ('pending', 'awaiting_approval', 'queued', 'posting', 'in_doubt', 'needs_human'))",
        "(draft_id)",
    ),
}
DETAILS = tuple(_DETAILS)


@dataclass(frozen=True)
class Room:
    """What the database takes on disk, in bytes; `tables` are the ten largest with their indexes."""

    total: int
    posts: int
    tables: dict[str, int]


def delete_ticks(conn: Connection, before: datetime, batch: int) -> int:
    """Remove up to `batch` ticks from before `before`."""
    return _delete(conn, "tick_log", _OLD_TICKS, before, batch)


def delete_quarantine(conn: Connection, before: datetime, batch: int) -> int:
    """Remove up to `batch` quarantined reads from before `before` that no later look can confirm any more."""
    return _delete(conn, "outcome_quarantine", _OLD_QUARANTINE, before, batch)


def is_any_old(conn: Connection, ticks: datetime, quarantine: datetime, details: datetime) -> bool:
    """Whether any tick, quarantined read or detail is older than its moment."""
    return (
        _any(conn, _OLD_TICKS, ticks)
        or _any(conn, _OLD_QUARANTINE, quarantine)
        or any(_any(conn, f"SELECT 1 FROM {t} o WHERE {condition}", details) for t, (condition, _) in _DETAILS.items())
    )


def count_ticks(conn: Connection, before: datetime) -> int:
    return _count(conn, _OLD_TICKS, before)


def count_quarantine(conn: Connection, before: datetime) -> int:
    return _count(conn, _OLD_QUARANTINE, before)


def count_details(conn: Connection, table: str, before: datetime) -> int:
    """How many rows of `table` (one of DETAILS) could be archived."""
    return _count(conn, f"SELECT 1 FROM {table} o WHERE {_DETAILS[table][0]}", before)


def take_details(conn: Connection, table: str, before: datetime, batch: int) -> list[dict[str, Any]]:
    """Delete up to `batch` rows of `table` (one of DETAILS) and return them whole, for the archive; the caller commits."""
    condition, key = _DETAILS[table]
    names = key.strip("()")
    rows = conn.execute(
        text(
            f"DELETE FROM {table} WHERE {key} IN (SELECT {names} FROM {table} o WHERE {condition} ORDER BY {names} LIMIT :batch) "
            f"RETURNING to_jsonb({table}) AS row"
        ),
        {"before": before, "batch": batch},
    )
    return [dict(row) for row in rows.scalars()]


def unsettled(conn: Connection, decisions: Sequence[str]) -> set[str]:
    """Those of `decisions` whose post may or may not be live: what was seen of them is still needed."""
    rows = conn.execute(
        text(
            "SELECT decision_id::text FROM content_metadata WHERE decision_id = ANY(cast(:ids AS uuid[])) "
            "AND status IN ('posting', 'in_doubt', 'needs_human')"
        ),
        {"ids": list(decisions)},
    )
    return set(rows.scalars())


def room(conn: Connection) -> Room:
    """The size of this database and the number of posts in it."""
    posts = conn.execute(text("SELECT count(*) FROM posted_decisions")).scalar_one()
    tables = conn.execute(
        text(
            "SELECT relname, pg_total_relation_size(oid) AS bytes FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC, 1 LIMIT 10"
        )
    )
    return Room(bytes_of_database(conn), posts, {row.relname: row.bytes for row in tables})


def bytes_of_database(conn: Connection) -> int:
    """What the connected database takes on disk."""
    return conn.execute(text("SELECT pg_database_size(current_database())")).scalar_one()


def _delete(conn: Connection, table: str, old: str, before: datetime, batch: int) -> int:
    return conn.execute(
        text(f"DELETE FROM {table} WHERE id IN ({old} LIMIT :batch)"), {"before": before, "batch": batch}
    ).rowcount


def _any(conn: Connection, old: str, before: datetime) -> bool:
    return conn.execute(text(f"SELECT EXISTS ({old})"), {"before": before}).scalar_one()


def _count(conn: Connection, old: str, before: datetime) -> int:
    return conn.execute(text(f"SELECT count(*) FROM ({old}) AS old"), {"before": before}).scalar_one()
