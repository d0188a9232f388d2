"""What a person looks at first: what will be posted, what was posted and how it did, what did not go out and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Planned:
    """A decision that is still to be posted. `predicted` is what the predictor said when it was planned, or None."""

    decision_id: str
    account: str
    decision_type: str
    text: str
    status: str
    status_reason: str | None
    scheduled_at: datetime | None
    not_before: datetime | None
    expires_at: datetime | None
    topic: str | None
    arm: str | None
    hook_pattern: str | None
    experiment_id: str | None
    experiment_arm: str | None
    target_username: str | None
    approval_required: bool
    approved_by: str | None
    approved_at: datetime | None
    edited: bool
    quality_score: float | None
    novelty: float | None
    predicted: dict[str, Any] | None
    parts: tuple[str, ...]
    updated_at: datetime


@dataclass(frozen=True)
class Happened:
    """A post that went out, with its latest measured outcome (None where nothing was read yet)."""

    decision_id: str
    account: str
    decision_type: str
    text: str
    tweet_id: str
    handle: str
    posted_at: datetime
    topic: str | None
    arm: str | None
    collected_pass: int | None
    impressions: int | None
    likes: int | None
    retweets: int | None
    replies: int | None
    follows: int | None
    er_calculated: float | None
    fpki: float | None
    reward_composite: float | None
    next_pass: int | None
    next_due_at: datetime | None
    last_read_status: str | None


@dataclass(frozen=True)
class Blocked:
    """A decision that did not go out, and why."""

    decision_id: str
    account: str
    decision_type: str
    text: str
    status: str
    reason: str | None
    gate: str | None
    score: float | None
    threshold: float | None
    updated_at: datetime


PLANNED_STATUSES = ("awaiting_approval", "queued", "posting", "in_doubt", "needs_human")
BLOCKED_STATUSES = ("blocked", "rejected", "expired", "cancelled", "shadowed")

_PLANNED_COLUMNS = """
    c.decision_id::text, c.account, c.decision_type, c.text, c.status, c.status_reason, c.scheduled_at, c.not_before,
    c.expires_at, c.topic, c.arm, c.hook_pattern, c.experiment_id, c.experiment_arm, c.target_username,
    c.approval_required, c.approved_by, c.approved_at, c.edited, c.quality_score, c.novelty, c.predicted,
    (SELECT coalesce(array_agg(d.text ORDER BY d.part), '{}') FROM decision_parts d
     WHERE d.decision_id = c.decision_id) AS parts, c.updated_at
"""


def planned(
    conn: Connection,
    account: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    statuses: tuple[str, ...] = PLANNED_STATUSES,
    limit: int = 200,
) -> list[Planned]:
    """Decisions still to be posted, by their time; `since` and `until` bound `scheduled_at`."""
    rows = conn.execute(
        text(
            f"SELECT {_PLANNED_COLUMNS} FROM content_metadata c "
            "WHERE c.account = :account AND c.status = ANY(:statuses) "
            "AND c.scheduled_at >= coalesce(cast(:since AS timestamptz), '-infinity') AND c.scheduled_at < coalesce(cast(:until AS timestamptz), 'infinity') "
            "ORDER BY c.scheduled_at, c.decision_id LIMIT :limit"
        ),
        {"account": account, "statuses": list(statuses), "since": since, "until": until, "limit": limit},
    )
    return [_planned(row) for row in rows.mappings()]


def planned_one(conn: Connection, decision_id: str) -> Planned | None:
    """One decision, whatever its status."""
    row = (
        conn.execute(
            text(f"SELECT {_PLANNED_COLUMNS} FROM content_metadata c WHERE c.decision_id = cast(:id AS uuid)"),
            {"id": decision_id},
        )
        .mappings()
        .first()
    )
    return _planned(row) if row is not None else None


def happened(
    conn: Connection, account: str, *, since: datetime | None = None, until: datetime | None = None, limit: int = 50
) -> list[Happened]:
    """Posts that went out, newest first."""
    rows = conn.execute(
        text(
            """
            SELECT p.decision_id::text, p.account, c.decision_type, p.text, p.tweet_id, a.handle, p.posted_at, c.topic,
                   c.arm, o.collected_pass, o.impressions, o.likes, o.retweets, o.replies, o.follows, o.er_calculated,
                   o.fpki, o.reward_composite, p.next_pass, p.next_due_at, p.last_read_status
            FROM posted_decisions p
            JOIN content_metadata c USING (decision_id)
            JOIN accounts a ON a.account = p.account
            LEFT JOIN LATERAL (
                SELECT * FROM outcomes o
                WHERE o.decision_id = p.decision_id AND o.collected_pass IN (1, 2) AND o.read_status = 'ok'
                ORDER BY o.collected_pass DESC LIMIT 1
            ) o ON true
            WHERE p.account = :account AND p.posted_at >= coalesce(cast(:since AS timestamptz), '-infinity')
              AND p.posted_at < coalesce(cast(:until AS timestamptz), 'infinity')
            ORDER BY p.posted_at DESC LIMIT :limit
            """
        ),
        {"account": account, "since": since, "until": until, "limit": limit},
    )
    return [Happened(**row) for row in rows.mappings()]


def blocked(conn: Connection, account: str, *, since: datetime, limit: int = 20) -> list[Blocked]:
    """Decisions made since `since` that ended without a post, newest first, with the gate that blocked them."""
    rows = conn.execute(
        text(
            """
            SELECT c.decision_id::text, c.account, c.decision_type, c.text, c.status,
                   coalesce(v.reason, c.status_reason) AS reason, v.gate, v.score, v.threshold, c.updated_at
            FROM content_metadata c
            LEFT JOIN LATERAL (
                SELECT gate, reason, score, threshold FROM gate_verdicts g
                WHERE g.decision_id = c.decision_id AND g.verdict <> 'pass' ORDER BY position LIMIT 1
            ) v ON c.status = 'blocked'
            WHERE c.account = :account AND c.created_at >= :since AND c.status = ANY(:statuses)
            ORDER BY c.updated_at DESC LIMIT :limit
            """
        ),
        {"account": account, "since": since, "statuses": list(BLOCKED_STATUSES), "limit": limit},
    )
    return [Blocked(**row) for row in rows.mappings()]


def _planned(row: Any) -> Planned:
    return Planned(**{**row, "parts": tuple(row["parts"])})
