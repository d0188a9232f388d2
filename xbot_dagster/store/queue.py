"""The decision queue as people look at it: list and clear. Cancelling one decision is `posting.cancel`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

STATUSES = (
    "pending",
    "awaiting_approval",
    "queued",
    "posting",
    "posted",
    "shadowed",
    "rejected",
    "in_doubt",
    "needs_human",
    "blocked",
    "expired",
    "cancelled",
)
WAITING = ("pending", "awaiting_approval", "queued")


@dataclass(frozen=True)
class Listed:
    """One decision in a list. `scheduled_at` is UTC."""

    decision_id: str
    account: str
    status: str
    decision_type: str
    scheduled_at: datetime | None
    topic: str | None
    arm: str | None
    text: str
    status_reason: str | None
    tweet_id: str | None


def decisions(
    conn: Connection, *, statuses: tuple[str, ...], account: str | None = None, limit: int = 50
) -> list[Listed]:
    """Decisions in one of `statuses`; waiting ones by the time they are due, others newest first."""
    order = "scheduled_at" if set(statuses) <= set(WAITING) else "updated_at DESC"
    rows = conn.execute(
        text(
            "SELECT decision_id::text, account, status, decision_type, scheduled_at, topic, arm, text, status_reason, tweet_id "
            "FROM content_metadata WHERE status = ANY(:statuses) AND (cast(:account AS text) IS NULL OR account = :account) "
            f"ORDER BY {order}, decision_id LIMIT :limit"
        ),
        {"statuses": list(statuses), "account": account, "limit": limit},
    )
    return [Listed(**row) for row in rows.mappings()]


def cancel_waiting(conn: Connection, account: str | None, reason: str) -> int:
    """Cancel everything that waits (never what is being posted or in doubt); returns how many."""
    done = conn.execute(
        text(
            "UPDATE content_metadata SET status = 'cancelled', status_reason = :reason, updated_at = xbot_now() "
            "WHERE status = ANY(:waiting) AND (cast(:account AS text) IS NULL OR account = :account)"
        ),
        {"reason": reason, "waiting": list(WAITING), "account": account},
    )
    return done.rowcount


def drop_candidates(conn: Connection, account: str | None) -> int:
    """Drop every fresh candidate; returns how many. They are not offered again until their source shows something new."""
    done = conn.execute(
        text(
            "UPDATE content_candidates SET state = 'dropped', state_reason = 'queue cleared', updated_at = xbot_now() "
            "WHERE state = 'fresh' AND (cast(:account AS text) IS NULL OR account = :account)"
        ),
        {"account": account},
    )
    return done.rowcount
