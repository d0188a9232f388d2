"""Lists that people page through: decisions, alerts, ticks, runs of the audit log. Newest first, by (time, id)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

After = tuple[datetime, str] | None


@dataclass(frozen=True)
class DecisionRow:
    """One decision in a list; times are aware, UTC."""

    decision_id: str
    account: str
    decision_type: str
    text: str
    status: str
    status_reason: str | None
    generation_source: str
    scheduled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    topic: str | None
    arm: str | None
    hook_pattern: str | None
    experiment_id: str | None
    experiment_arm: str | None
    propensity: float | None
    policy: str | None
    predictor_version: str | None
    tweet_id: str | None
    approval_required: bool
    approved_by: str | None
    simulated: bool


@dataclass(frozen=True)
class AlertRow:
    """One alert with its deliveries (each: at, event, channel, ok, error)."""

    id: int
    rule: str
    subject: str
    account: str | None
    severity: str
    message: str
    fix: str
    state: str
    occurrences: int
    deliveries: list[dict[str, Any]]
    opened_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None


@dataclass(frozen=True)
class TickRow:
    """One tick: what it did, or why it did nothing."""

    id: int
    at: datetime
    name: str
    kind: str
    account: str | None
    did: dict[str, Any]
    skipped: str | None
    run_id: str | None


_DECISION = ", ".join("decision_id::text" if n == "decision_id" else n for n in DecisionRow.__dataclass_fields__)
_ALERT, _TICK = ", ".join(AlertRow.__dataclass_fields__), ", ".join(TickRow.__dataclass_fields__)


def decisions(conn: Connection, account: str, statuses: Sequence[str], after: After, limit: int) -> list[DecisionRow]:
    """Decisions of an account, newest first; all statuses where none is named."""
    rows = conn.execute(
        text(
            f"SELECT {_DECISION} FROM content_metadata WHERE account = :account "
            "AND (cardinality(cast(:statuses AS text[])) = 0 OR status = ANY(:statuses)) "
            "AND (cast(:at AS timestamptz) IS NULL OR (created_at, decision_id) < (:at, cast(:id AS uuid))) "
            "ORDER BY created_at DESC, content_metadata.decision_id DESC LIMIT :limit"
        ),
        {"account": account, "statuses": list(statuses), **_after(after), "limit": limit},
    )
    return [DecisionRow(**row) for row in rows.mappings()]


def waiting(conn: Connection, account: str, statuses: Sequence[str], after: After, limit: int) -> list[DecisionRow]:
    """Decisions of an account that have a time, earliest first."""
    rows = conn.execute(
        text(
            f"SELECT {_DECISION} FROM content_metadata WHERE account = :account AND status = ANY(:statuses) "
            "AND scheduled_at IS NOT NULL "
            "AND (cast(:at AS timestamptz) IS NULL OR (scheduled_at, decision_id) > (:at, cast(:id AS uuid))) "
            "ORDER BY scheduled_at, content_metadata.decision_id LIMIT :limit"
        ),
        {"account": account, "statuses": list(statuses), **_after(after), "limit": limit},
    )
    return [DecisionRow(**row) for row in rows.mappings()]


def alerts(conn: Connection, states: Sequence[str], after: After, limit: int) -> list[AlertRow]:
    """Alerts, newest first; all states where none is named."""
    rows = conn.execute(
        text(
            f"SELECT {_ALERT} FROM alerts WHERE (cardinality(cast(:states AS text[])) = 0 OR state = ANY(:states)) "
            "AND (cast(:at AS timestamptz) IS NULL OR (opened_at, id) < (:at, cast(:id AS bigint))) "
            "ORDER BY opened_at DESC, id DESC LIMIT :limit"
        ),
        {"states": list(states), **_after(after), "limit": limit},
    )
    return [AlertRow(**row) for row in rows.mappings()]


def alert(conn: Connection, alert_id: int) -> AlertRow | None:
    """One alert."""
    row = conn.execute(text(f"SELECT {_ALERT} FROM alerts WHERE id = :id"), {"id": alert_id}).mappings().first()
    return AlertRow(**row) if row is not None else None


def ticks(conn: Connection, name: str | None, after: After, limit: int) -> list[TickRow]:
    """Ticks, newest first; of one sensor or schedule where it is named."""
    rows = conn.execute(
        text(
            f"SELECT {_TICK} FROM tick_log WHERE (cast(:name AS text) IS NULL OR name = :name) "
            "AND (cast(:at AS timestamptz) IS NULL OR (at, id) < (:at, cast(:id AS bigint))) "
            "ORDER BY at DESC, id DESC LIMIT :limit"
        ),
        {"name": name, **_after(after), "limit": limit},
    )
    return [TickRow(**row) for row in rows.mappings()]


def latest_ticks(conn: Connection) -> list[TickRow]:
    """The last tick of every sensor and schedule that ticked in the last eight days."""
    # Every name is one step along the index, however often each of them ticked.
    rows = conn.execute(
        text(
            f"""
            WITH RECURSIVE names AS (
                SELECT min(name) AS name FROM tick_log
                UNION ALL
                SELECT (SELECT min(l.name) FROM tick_log l WHERE l.name > n.name) FROM names n WHERE n.name IS NOT NULL
            )
            SELECT {", ".join("t." + n for n in TickRow.__dataclass_fields__)}
            FROM (SELECT name FROM names WHERE name IS NOT NULL) n CROSS JOIN LATERAL (
                SELECT * FROM tick_log l WHERE l.name = n.name AND l.at > xbot_now() - interval '8 days'
                ORDER BY l.at DESC, l.id DESC LIMIT 1
            ) t ORDER BY t.name
            """
        )
    )
    return [TickRow(**row) for row in rows.mappings()]


def _after(after: After) -> dict[str, Any]:
    return {"at": after[0], "id": after[1]} if after is not None else {"at": None, "id": None}
