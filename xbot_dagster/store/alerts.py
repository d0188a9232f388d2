"""Alerts: raised once per rule and subject, seen again, closed when the cause is gone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Alert:
    id: int
    rule: str
    subject: str
    account: str | None
    severity: str
    message: str
    fix: str
    state: str
    occurrences: int
    opened_at: datetime
    last_seen_at: datetime


_COLUMNS = ", ".join(Alert.__dataclass_fields__)


def raise_alert(
    conn: Connection,
    rule: str,
    subject: str,
    severity: Severity,
    message: str,
    fix: str = "",
    account: str | None = None,
) -> bool:
    """Open an alert, or count one more occurrence of the open (or acknowledged) one. True when it is new.

    An alert that was escalated to critical stays critical.
    """
    row = conn.execute(
        text(
            "INSERT INTO alerts (rule, subject, severity, message, fix, account, opened_at, last_seen_at) "
            "VALUES (:rule, :subject, :severity, :message, :fix, :account, xbot_now(), xbot_now()) "
            "ON CONFLICT (rule, subject) WHERE state <> 'closed' DO UPDATE SET occurrences = alerts.occurrences + 1, "
            "last_seen_at = xbot_now(), message = EXCLUDED.message, fix = EXCLUDED.fix, "
            "severity = CASE WHEN alerts.severity = 'critical' THEN 'critical' ELSE EXCLUDED.severity END "
            "RETURNING occurrences"
        ),
        {"rule": rule, "subject": subject, "severity": severity, "message": message, "fix": fix, "account": account},
    ).one()
    return row.occurrences == 1


def close_alert(conn: Connection, rule: str, subject: str) -> bool:
    """Close the open alert of this rule and subject; False when there is none."""
    done = conn.execute(
        text(
            "UPDATE alerts SET state = 'closed', closed_at = xbot_now() "
            "WHERE rule = :rule AND subject = :subject AND state <> 'closed'"
        ),
        {"rule": rule, "subject": subject},
    )
    return done.rowcount > 0


def acknowledge(conn: Connection, alert_id: int, actor: str) -> bool:
    """Mark an open alert as seen by a person; False when it is not open."""
    done = conn.execute(
        text(
            "UPDATE alerts SET state = 'acknowledged', acknowledged_at = xbot_now(), acknowledged_by = :actor "
            "WHERE id = :id AND state = 'open'"
        ),
        {"id": alert_id, "actor": actor},
    )
    return done.rowcount > 0


def open_alerts(conn: Connection, account: str | None = None) -> list[Alert]:
    """Alerts that are not closed, newest first; those of one account when it is named."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM alerts WHERE state <> 'closed' AND (cast(:account AS text) IS NULL OR account = :account) "
            "ORDER BY opened_at DESC, id DESC"
        ),
        {"account": account},
    )
    return [Alert(**row) for row in rows.mappings()]


def ever_raised(conn: Connection, rule: str, subjects: list[str]) -> set[str]:
    """Those of `subjects` this rule has ever had an alert for, closed ones included."""
    rows = conn.execute(
        text("SELECT DISTINCT subject FROM alerts WHERE rule = :rule AND subject = ANY(:subjects)"),
        {"rule": rule, "subjects": subjects},
    )
    return set(rows.scalars())
