"""Approval: what people do with drafts that wait for them, and the sandbox's stand-in for the person.

Every function takes the decision's row lock first, so that two people (or a person and the poster) cannot both win: the
second one gets Conflict. Edits are judged again by the gates and stored as outcomes of the draft.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content.text import content_hash, tidy
from xbot_dagster.domain.content.verdicts import Unavailable
from xbot_dagster.domain.measuring.features import extract
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import drafting, gates
from xbot_dagster.stages.drafting import EXPIRES_AFTER, Placed
from xbot_dagster.store import alerts, config, deployment, verdicts
from xbot_dagster.store import candidates as candidate_store
from xbot_dagster.store import drafts as store
from xbot_dagster.store.drafts import Waiting

log = logging.getLogger("xbot")

SANDBOX_APPROVER = "auto:sandbox-approver"
BACKLOG_ALERT = 10  # drafts waiting for a person: more than a person reads in one sitting


@dataclass(frozen=True)
class BatchResult:
    """Ids that were approved (or rejected), and id → why not."""

    done: tuple[str, ...]
    refused: dict[str, str]


def approve(
    conn: Connection, decision_id: UUID, actor: str, reason: str | None = None, *, seen_at: datetime | None = None
) -> Waiting:
    """Put an awaiting decision into the queue. Raises NotFound; Conflict when it no longer waits, or changed after `seen_at`."""
    decision = _waiting(conn, decision_id, seen_at)
    store.approve(conn, decision_id, actor, edited=False)
    store.record_edit(conn, decision_id, actor, "approve", before=list(decision.parts), reason=reason)
    log.info("[APPROVAL] ✅ approved decision_id=%s by=%s", decision_id, actor)
    return store.decision(conn, decision_id)


def reject(conn: Connection, decision_id: UUID, actor: str, reason: str, *, seen_at: datetime | None = None) -> Waiting:
    """Refuse an awaiting decision for a stated reason; it is cancelled and its slot is free. Raises NotFound, Conflict, UsageError."""
    if not reason.strip():
        raise UsageError("A rejection needs a reason.", "The writer learns from it.")
    decision = _waiting(conn, decision_id, seen_at)
    store.close(conn, decision_id, "cancelled", f"rejected by {actor}: {reason.strip()}")
    store.record_edit(conn, decision_id, actor, "reject", before=list(decision.parts), reason=reason.strip())
    log.info("[APPROVAL] ⛔ rejected decision_id=%s by=%s", decision_id, actor)
    return store.decision(conn, decision_id)


@dataclass(frozen=True)
class Revision:
    """A person's new text as the gates need it: embedded and moderated, outside any transaction."""

    parts: tuple[str, ...]
    embedder: str
    vector: tuple[float, ...] | None
    vector_missing: str
    moderation: str | Unavailable | None


def revise(llm: BudgetedClient, settings: Settings, account: str, parts: Sequence[str]) -> Revision:
    """Make ready what a person wrote for `edit`. No transaction is open. Raises like `BudgetedClient.embed`."""
    tidied = tuple(tidy(part) for part in parts)
    whole = ["\n\n".join(tidied)]
    embedder = drafting.make_embedder(settings, llm, account)
    vectors, missing = drafting.embedded(whole, embedder)
    moderation = drafting.moderated(llm, whole, account)
    return Revision(tidied, embedder.name, vectors[0], missing, moderation[0])


def edit(
    conn: Connection,
    settings: Settings,
    decision_id: UUID,
    revision: Revision,
    actor: str,
    reason: str | None = None,
    *,
    seen_at: datetime | None = None,
) -> Waiting:
    """Replace the text of an awaiting or queued decision; the gates judge it again, and an edit by a person counts as approval.

    Raises NotFound; Conflict when it is under way; UsageError (with the gate's reason) when the new text may not be posted.
    """
    decision = _changeable(conn, decision_id, seen_at)
    tidied, vector = revision.parts, revision.vector
    if len(tidied) != len(decision.parts) or not all(tidied):
        raise UsageError(f"This decision has {len(decision.parts)} part(s); give as many, none of them empty.")
    account = deployment.account(conn, decision.account)
    text = "\n\n".join(tidied)
    judged = gates.Judged(
        decision_id,
        decision.account,
        tidied,
        decision.topic or "",
        content_hash(text),
        revision.embedder,
        vector,
        revision.vector_missing,
        reply_to=decision.target_username,
        moderation=revision.moderation,
    )
    live = config.read_config(conn, settings, decision.account)
    raw = config.read_raw(conn, settings, decision.account)["content_config"]
    result = gates.judge(conn, judged, gates.chain_config(live, account, revision.embedder, raw))
    blocker = result.blocked_by
    if blocker is not None:
        raise UsageError(f"The {blocker.gate} gate refuses this text: {blocker.reason}.", "Change it and try again.")
    features = extract(tidied[0], decision.scheduled_at or decision.updated_at, account.zone)
    store.replace_text(
        conn,
        decision_id,
        tidied,
        {
            "embedding": vector,
            "embedder": revision.embedder if vector is not None else None,
            "content_hash": content_hash(text),
            "novelty": result.novelty,
            "duplicate_similarity": result.similarity,
            "quality_score": result.quality_score,
            "hook_pattern": features.hook_pattern,
            "readability_score": features.readability_score,
            "sentiment": features.sentiment,
        },
    )
    verdicts.replace(conn, decision_id, result.verdicts)
    store.approve(conn, decision_id, actor, edited=True)
    store.record_edit(conn, decision_id, actor, "edit", before=list(decision.parts), after=list(tidied), reason=reason)
    log.info("[APPROVAL] ✏️ edited decision_id=%s by=%s", decision_id, actor)
    return store.decision(conn, decision_id)


def reschedule(
    conn: Connection, decision_id: UUID, at: datetime, actor: str, *, seen_at: datetime | None = None
) -> Waiting:
    """Move an awaiting or queued decision to another instant (aware). Raises NotFound, Conflict, UsageError for a past instant."""
    decision = _changeable(conn, decision_id, seen_at)
    if at.utcoffset() is None or at <= decision.updated_at:
        raise UsageError("The new time must carry a time zone and lie in the future.")
    store.reschedule(conn, decision_id, at, at + EXPIRES_AFTER)
    store.record_edit(conn, decision_id, actor, "reschedule", before=decision.scheduled_at, after=at)
    return store.decision(conn, decision_id)


def batch(
    engine: Engine, decision_ids: Sequence[UUID], actor: str, action: str, reason: str | None = None
) -> BatchResult:
    """Approve or reject many, each in its own transaction, so that one conflict costs the others nothing."""
    done, refused = [], {}
    for decision_id in decision_ids:
        try:
            with engine.begin() as conn:
                if action == "approve":
                    approve(conn, decision_id, actor, reason)
                else:
                    reject(conn, decision_id, actor, reason or "")
            done.append(str(decision_id))
        except (Conflict, NotFound, UsageError) as error:
            refused[str(decision_id)] = error.message
    return BatchResult(tuple(done), refused)


def stand_in(conn: Connection, settings: Settings, placed: Placed) -> Placed:
    """The sandbox's stand-in for the person: a draft that would wait is approved at once, and recorded as approved by it.

    Outside the sandbox nothing happens: there a person looks.
    """
    if settings.family != "sandbox" or placed.status != "awaiting_approval":
        return placed
    approve(conn, placed.decision_id, SANDBOX_APPROVER, f"the rehearsal is unattended ({'; '.join(placed.reasons)})")
    return replace(placed, status="queued")


def expire(engine: Engine, clock: Clock) -> list[UUID]:
    """End drafts nobody approved in time, give their candidates back, and say so when people do not keep up."""
    with engine.begin() as conn:
        ids = store.overdue(conn)
        for decision_id in ids:
            decision = store.decision(conn, decision_id)
            store.close(conn, decision_id, "expired", "nobody approved it in time")
            store.record_edit(conn, decision_id, "system", "expire", before=list(decision.parts))
            if decision.candidate_id is not None:
                candidate_store.give_back(conn, decision.candidate_id)
        _alert_backlog(conn, expired=len(ids))
    if ids:
        log.warning("[APPROVAL] ⚠️ expired=%d drafts that nobody approved at=%s", len(ids), clock.now().isoformat())
    return ids


def alert_backlog(engine: Engine) -> None:
    """One alert while drafts pile up unread, so that a full queue of unapproved drafts is no silent stall."""
    with engine.begin() as conn:
        _alert_backlog(conn, expired=0)


def _alert_backlog(conn: Connection, expired: int) -> None:
    """One alert while drafts pile up or run out unread; closed when the pile is gone."""
    waiting = store.waiting(conn, limit=BACKLOG_ALERT)
    if len(waiting) >= BACKLOG_ALERT or expired:
        alerts.raise_alert(
            conn,
            "approval_backlog",
            "drafts",
            severity="warning",
            message=f"{len(waiting)}{' or more' if len(waiting) == BACKLOG_ALERT else ''} drafts wait for approval"
            + (f"; {expired} ran out unread just now." if expired else "."),
            fix="Look at them with: xbot queue list --status awaiting_approval",
        )
    elif not waiting:
        alerts.close_alert(conn, "approval_backlog", "drafts")


def _waiting(conn: Connection, decision_id: UUID, seen_at: datetime | None) -> Waiting:
    decision = store.decision(conn, decision_id, lock=True)
    if decision.status != "awaiting_approval":
        raise Conflict(f"The decision no longer waits for approval: it is {decision.status}.")
    return _unchanged(decision, seen_at)


def _changeable(conn: Connection, decision_id: UUID, seen_at: datetime | None) -> Waiting:
    decision = store.decision(conn, decision_id, lock=True)
    if decision.status not in ("awaiting_approval", "queued"):
        raise Conflict(f"The decision can no longer be changed: it is {decision.status}.")
    return _unchanged(decision, seen_at)


def _unchanged(decision: Waiting, seen_at: datetime | None) -> Waiting:
    if seen_at is not None and decision.updated_at != seen_at:
        raise Conflict("Somebody else changed the decision in the meantime.", "Look at it again.")
    return decision
