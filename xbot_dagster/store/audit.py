"""The audit log: who or what changed something that matters."""

import json
from typing import Any

from sqlalchemy import Connection, text


def record(
    conn: Connection, event_type: str, component: str, data: dict[str, Any], *, severity: str = "info", **context: Any
) -> None:
    """Append one event; the actor is the session's (`xbot.actor`), else 'system'."""
    conn.execute(
        text(
            "INSERT INTO audit_log (event_type, component, severity, event_data, context, actor) VALUES (:type, :component, :severity, "
            "cast(:data AS jsonb), cast(:context AS jsonb), coalesce(nullif(current_setting('xbot.actor', true), ''), 'system'))"
        ),
        {
            "type": event_type,
            "component": component,
            "severity": severity,
            "data": json.dumps(data, default=str),
            "context": json.dumps(context, default=str),
        },
    )
