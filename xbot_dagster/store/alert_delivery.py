"""The rest of an alert's life: escalation, what was sent where, and closing what has lost its cause."""

import json
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.store.browse import AlertRow

_COLUMNS = ", ".join(AlertRow.__dataclass_fields__)

# Alerts of other stages whose cause can be looked up: closed as soon as it is gone.
_CAUSE_GONE = """
    SELECT a.id FROM alerts a
    LEFT JOIN accounts k ON k.account = a.account
    LEFT JOIN content_metadata c ON c.decision_id = CASE WHEN a.rule IN ('in_doubt', 'needs_human') THEN a.subject::uuid END
    WHERE a.state <> 'closed' AND CASE a.rule
        WHEN 'in_doubt' THEN c.status IS DISTINCT FROM 'in_doubt'
        WHEN 'needs_human' THEN c.status IS DISTINCT FROM 'needs_human'
        WHEN 'circuit_open' THEN k.circuit_state = 'closed'
        WHEN 'ghost_post' THEN k.circuit_state = 'closed'
        WHEN 'session' THEN k.session_state = 'ok'
        WHEN 'llm_circuit_open' THEN NOT EXISTS (
            SELECT FROM budget_days b
            WHERE b.budget_day = :day AND b.account = '' AND b.provider = 'openai' AND b.circuit_open)
        WHEN 'llm_budget_exceeded' THEN a.subject <> cast(:day AS text)
        WHEN 'approval_backlog' THEN NOT EXISTS (SELECT FROM content_metadata d WHERE d.status = 'awaiting_approval')
        WHEN 'x_credits' THEN EXISTS (
            SELECT FROM posted_decisions p WHERE p.account = a.account AND p.posted_at > a.last_seen_at)
        WHEN 'predictor_unusable' THEN NOT coalesce(k.enabled, false) OR NOT EXISTS (
            SELECT FROM predictor_versions v WHERE (v.account || ':' || v.kind) = a.subject AND v.account = a.account
            AND v.state = 'champion' AND v.promoted_at <= a.last_seen_at)
        WHEN 'guard_failed' THEN a.last_seen_at < xbot_now() - interval '1 hour'
        ELSE a.state = 'acknowledged' AND a.rule IN ('duplicate_post', 'late_post', 'dead_letter', 'experiment_guardrail')
             AND a.last_seen_at < xbot_now() - interval '1 day'
    END
"""


def living(conn: Connection) -> list[AlertRow]:
    """Alerts that are not closed, and those closed during the last day (somebody may have to be told)."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM alerts WHERE state <> 'closed' OR closed_at > xbot_now() - interval '1 day' "
            "ORDER BY opened_at, id"
        )
    )
    return [AlertRow(**row) for row in rows.mappings()]


def cause_gone(conn: Connection, day: date) -> list[int]:
    """Ids of open alerts whose cause is gone; `day` is the present budget day."""
    return list(conn.execute(text(_CAUSE_GONE), {"day": day}).scalars())


def close(conn: Connection, alert_ids: list[int]) -> None:
    conn.execute(
        text("UPDATE alerts SET state = 'closed', closed_at = xbot_now() WHERE id = ANY(:ids) AND state <> 'closed'"),
        {"ids": alert_ids},
    )


def escalate(conn: Connection, alert_id: int, at: datetime) -> None:
    """Make an alert critical, once: the mark among its deliveries remembers that it happened."""
    mark = json.dumps([{"at": at.isoformat(), "event": "escalate"}])
    conn.execute(
        text(
            "UPDATE alerts SET severity = 'critical', deliveries = deliveries || cast(:mark AS jsonb) "
            "WHERE id = :id AND state = 'open'"
        ),
        {"id": alert_id, "mark": mark},
    )


def record(conn: Connection, alert_id: int, deliveries: list[dict[str, Any]]) -> None:
    """Append what was sent (at, event, channel, ok, error)."""
    conn.execute(
        text("UPDATE alerts SET deliveries = deliveries || cast(:entries AS jsonb) WHERE id = :id"),
        {"id": alert_id, "entries": json.dumps(deliveries)},
    )


def failing_channels(conn: Connection) -> list[dict[str, Any]]:
    """The latest failed delivery per channel of the last week that no later success has made good."""
    rows = conn.execute(
        text(
            """
            SELECT DISTINCT ON (d ->> 'channel') d ->> 'channel' AS channel, (d ->> 'ok')::boolean AS ok,
                   d ->> 'error' AS error, (d ->> 'at')::timestamptz AS at
            FROM alerts a CROSS JOIN LATERAL jsonb_array_elements(a.deliveries) WITH ORDINALITY AS e(d, place)
            WHERE a.last_seen_at > xbot_now() - interval '7 days' AND d ? 'channel'
            ORDER BY d ->> 'channel', (d ->> 'at')::timestamptz DESC, place DESC
            """
        )
    )
    return [dict(row) for row in rows.mappings() if not row["ok"]]
