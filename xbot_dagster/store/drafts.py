"""Drafts of a slot, and what people did with them: edits, approvals, rejections."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.errors import NotFound


@dataclass(frozen=True)
class DraftRow:
    """One draft. `predicted` is what the predictor said; `rejected_reason` why it was not taken."""

    ordinal: int
    parts: tuple[str, ...]
    predicted: dict[str, Any] | None = None
    chosen: bool = False
    rejected_reason: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A decision that waits for a person, or any other one that a person looks at."""

    decision_id: UUID
    account: str
    decision_type: str
    status: str
    status_reason: str | None
    text: str
    parts: tuple[str, ...]
    topic: str | None
    arm: str | None
    scheduled_at: datetime | None
    expires_at: datetime | None
    approval_reason: str | None
    target_tweet_id: str | None
    target_username: str | None
    candidate_id: UUID | None
    updated_at: datetime


@dataclass(frozen=True)
class Edit:
    """One thing a person (or the sandbox's approver) did. `before`/`after` hold parts or times."""

    decision_id: UUID
    actor: str
    action: str
    before: Any
    after: Any
    reason: str | None
    created_at: datetime


_WAITING = ", ".join(name for name in Waiting.__dataclass_fields__ if name != "parts")
_PARTS = "ARRAY(SELECT p.text FROM decision_parts p WHERE p.decision_id = c.decision_id ORDER BY p.part) AS parts"


def insert(conn: Connection, decision_id: UUID, drafts: Sequence[DraftRow]) -> None:
    """Write the drafts of a slot, in one statement."""
    conn.execute(
        text(
            "INSERT INTO drafts (decision_id, ordinal, parts, predicted, chosen, rejected_reason) "
            "SELECT :id, ordinal, parts, predicted, chosen, rejected_reason FROM jsonb_to_recordset(cast(:rows AS jsonb)) "
            "AS r(ordinal smallint, parts jsonb, predicted jsonb, chosen boolean, rejected_reason text)"
        ),
        {"id": decision_id, "rows": json.dumps([row.__dict__ for row in drafts])},
    )


def drafts_of(conn: Connection, decision_id: UUID) -> list[DraftRow]:
    """The drafts of a decision in the writer's order."""
    rows = conn.execute(
        text(
            "SELECT ordinal, parts, predicted, chosen, rejected_reason FROM drafts WHERE decision_id = :id ORDER BY ordinal"
        ),
        {"id": decision_id},
    )
    return [DraftRow(row.ordinal, tuple(row.parts), row.predicted, row.chosen, row.rejected_reason) for row in rows]


def waiting(conn: Connection, account: str | None = None, *, limit: int = 200) -> list[Waiting]:
    """Decisions that wait for approval, earliest slot first."""
    rows = conn.execute(
        text(
            f"SELECT {_WAITING}, {_PARTS} FROM content_metadata c WHERE status = 'awaiting_approval' "
            "AND (cast(:account AS text) IS NULL OR account = :account) ORDER BY scheduled_at NULLS LAST, decision_id LIMIT :limit"
        ),
        {"account": account, "limit": limit},
    )
    return [_waiting(row) for row in rows.mappings()]


def decision(conn: Connection, decision_id: UUID, *, lock: bool = False) -> Waiting:
    """One decision as a person sees it, locked for a change on request. Raises NotFound."""
    row = conn.execute(
        text(f"SELECT {_WAITING}, {_PARTS} FROM content_metadata c WHERE decision_id = :id{' FOR UPDATE' if lock else ''}"), {"id": decision_id}
    ).mappings().first()  # fmt: skip
    if row is None:
        raise NotFound(f"There is no decision {decision_id}.", "List them with: xbot queue list")
    return _waiting(row)


def _waiting(row: Any) -> Waiting:
    return Waiting(**{**row, "parts": tuple(row["parts"]) or (row["text"],)})


def approve(conn: Connection, decision_id: UUID, actor: str, edited: bool) -> None:
    """Put an awaiting decision into the queue."""
    conn.execute(
        text(
            "UPDATE content_metadata SET status = 'queued', status_reason = NULL, approved_by = :actor, approved_at = xbot_now(), "
            "edited = edited OR :edited, updated_at = xbot_now() WHERE decision_id = :id AND status = 'awaiting_approval'"
        ),
        {"id": decision_id, "actor": actor, "edited": edited},
    )


def replace_text(conn: Connection, decision_id: UUID, parts: Sequence[str], columns: dict[str, Any]) -> None:
    """Set a decision's parts and the columns that follow from them. `columns['embedding']` is a list of numbers or None."""
    values = dict(columns)
    vector = values.pop("embedding", None)
    sets = "".join(f", {name} = :{name}" for name in values)
    conn.execute(
        text(
            f"UPDATE content_metadata SET text = :text, edited = true, embedding = cast(:embedding AS vector), updated_at = xbot_now(){sets} "
            "WHERE decision_id = :id"
        ),
        {
            "id": decision_id,
            "text": "\n\n".join(parts),
            "embedding": None if vector is None else "[" + ",".join(f"{float(x):.7g}" for x in vector) + "]",
            **values,
        },
    )
    conn.execute(text("DELETE FROM decision_parts WHERE decision_id = :id"), {"id": decision_id})
    conn.execute(
        text(
            "INSERT INTO decision_parts (decision_id, part, text) SELECT :id, n - 1, t FROM unnest(cast(:parts AS text[])) WITH ORDINALITY AS p(t, n)"
        ),
        {"id": decision_id, "parts": list(parts)},
    )


def close(conn: Connection, decision_id: UUID, status: str, reason: str) -> None:
    """End an awaiting or queued decision as cancelled, blocked or expired."""
    conn.execute(
        text(
            "UPDATE content_metadata SET status = :status, status_reason = :reason, updated_at = xbot_now() "
            "WHERE decision_id = :id AND status IN ('awaiting_approval', 'queued', 'pending')"
        ),
        {"id": decision_id, "status": status, "reason": reason[:300]},
    )
    conn.execute(
        text("UPDATE decision_choices SET dropped_by = :reason WHERE decision_id = :id"),
        {"id": decision_id, "reason": reason[:300]},
    )


def reschedule(conn: Connection, decision_id: UUID, scheduled_at: datetime, expires_at: datetime) -> None:
    """Move a decision that is not under way yet."""
    conn.execute(
        text(
            "UPDATE content_metadata SET scheduled_at = :at, expires_at = :expires, updated_at = xbot_now() WHERE decision_id = :id"
        ),
        {"id": decision_id, "at": scheduled_at, "expires": expires_at},
    )


def overdue(conn: Connection) -> list[UUID]:
    """Awaiting decisions whose time is over, locked."""
    rows = conn.execute(
        text(
            "SELECT decision_id FROM content_metadata WHERE status = 'awaiting_approval' AND expires_at <= xbot_now() "
            "ORDER BY decision_id FOR UPDATE SKIP LOCKED"
        )
    )
    return list(rows.scalars())


def accounts_overdue(conn: Connection) -> set[str]:
    """Accounts with awaiting decisions whose time is over."""
    return set(
        conn.execute(
            text(
                "SELECT DISTINCT account FROM content_metadata WHERE status = 'awaiting_approval' AND expires_at <= xbot_now()"
            )
        ).scalars()
    )


def record_edit(
    conn: Connection,
    decision_id: UUID,
    actor: str,
    action: str,
    *,
    before: Any = None,
    after: Any = None,
    reason: str | None = None,
) -> None:
    """Append to draft_edits."""
    conn.execute(
        text(
            "INSERT INTO draft_edits (decision_id, actor, action, before, after, reason) "
            "VALUES (:id, :actor, :action, cast(:before AS jsonb), cast(:after AS jsonb), :reason)"
        ),
        {
            "id": decision_id,
            "actor": actor,
            "action": action,
            "before": None if before is None else json.dumps(before, default=str),
            "after": None if after is None else json.dumps(after, default=str),
            "reason": reason,
        },
    )


def edits(conn: Connection, account: str, *, days: int = 60, limit: int = 200) -> list[Edit]:
    """What people changed, approved with changes or rejected lately, newest first; the sandbox's approver left out."""
    rows = conn.execute(
        text(
            "SELECT e.decision_id, e.actor, e.action, e.before, e.after, e.reason, e.created_at FROM draft_edits e "
            "JOIN content_metadata c USING (decision_id) WHERE c.account = :account AND e.action IN ('edit', 'reject') "
            "AND e.created_at > xbot_now() - make_interval(days => :days) ORDER BY e.created_at DESC, e.edit_id DESC LIMIT :limit"
        ),
        {"account": account, "days": days, "limit": limit},
    )
    return [Edit(**row) for row in rows.mappings()]


def history(conn: Connection, decision_id: UUID) -> list[Edit]:
    """Everything people did with one decision, oldest first."""
    rows = conn.execute(
        text(
            "SELECT decision_id, actor, action, before, after, reason, created_at FROM draft_edits WHERE decision_id = :id ORDER BY edit_id"
        ),
        {"id": decision_id},
    )
    return [Edit(**row) for row in rows.mappings()]
