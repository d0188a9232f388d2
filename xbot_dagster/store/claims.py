"""Claiming: the right to submit one part of one decision, with its place in the rate ledger.

A claim is one transaction: the account's row is locked (posting is serial per account), the rate ledger is read, one due
decision is taken with SKIP LOCKED, its attempt and its slot are written. Any doubt about the ledger means "do not post".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.domain.publishing import ledger, outgoing, retries
from xbot_dagster.domain.publishing.ledger import Kind, Limits, Refusal
from xbot_dagster.store.engine import one
from xbot_dagster.store.posting import ORDER, QUEUE, sources_of


@dataclass(frozen=True)
class Claim:
    """The right to submit one part of one decision, until `lease_until` and as long as nobody holds a higher `fence`."""

    account: str
    decision_id: str
    decision_type: str
    part: int
    parts: int
    attempt: int
    text: str
    reply_to: str | None
    target_username: str | None
    publisher: str
    fence: int
    lease_until: datetime
    scheduled_at: datetime
    simulated: bool

    @property
    def kind(self) -> Kind:
        return "reply" if self.decision_type == "reply" else "post"

    @property
    def last(self) -> bool:
        return self.part + 1 == self.parts


@dataclass(frozen=True)
class Unfit:
    """A decision that can never be published as it is; it has left the queue as rejected."""

    decision_id: str
    reason: str


@dataclass(frozen=True)
class NoClaim:
    """Nothing may be claimed now. `until`: when asking again can help (None: unknown or nothing is due)."""

    reason: str
    until: datetime | None = None
    empty: bool = False


def may_claim(conn: Connection, account: str, generation_source: str, limits: Limits) -> NoClaim | None:
    """Why nothing can be claimed now, or None; what a poster asks before it opens a browser."""
    found = _select(conn, account, generation_source, limits, (), ())
    return found if isinstance(found, NoClaim) else None


def claim(
    conn: Connection,
    account: str,
    generation_source: str,
    publisher: str,
    limits: Limits,
    exclude: Sequence[str] = (),
    served: Sequence[str] = (),
) -> Claim | Unfit | NoClaim:
    """Take the next due part of `account` with its slot, in the caller's transaction.

    exclude: decisions that this tick has already tried. served: the types it has served, in any order; each one costs its
    type a place, so that no type starves another."""
    found = _select(conn, account, generation_source, limits, exclude, served)
    return found if isinstance(found, NoClaim) else _take(conn, found, publisher)


def _select(
    conn: Connection,
    account: str,
    generation_source: str,
    limits: Limits,
    exclude: Sequence[str],
    served: Sequence[str],
) -> Any:
    """The row to claim, locked, or NoClaim."""
    holder = one(
        conn,
        "SELECT circuit_state, circuit_reason, enabled, xbot_now() AS now FROM accounts WHERE account = :account FOR UPDATE",
        account=account,
    )
    if holder is None or not holder.enabled:
        return NoClaim(f"account {account} is not enabled")
    if holder.circuit_state != "closed":
        return NoClaim(f"circuit open: {holder.circuit_reason}")
    blocked = _open_attempt(conn, account)
    if blocked:
        return blocked
    posts = _slots(conn, account, "post", holder.now, limits)
    post = ledger.refusal("post", posts, holder.now, limits)
    continuation = ledger.refusal("post", posts, holder.now, limits, continues=True)
    reply = ledger.refusal("reply", _slots(conn, account, "reply", holder.now, limits), holder.now, limits)
    row = one(
        conn,
        f"SELECT c.*, xbot_now() AS now FROM ({QUEUE}) q JOIN content_metadata c USING (decision_id) "
        "WHERE c.decision_id <> ALL(cast(:exclude AS uuid[])) "
        "AND CASE WHEN c.decision_type = 'reply' THEN :reply WHEN c.tweet_id IS NOT NULL THEN :continuation ELSE :post END "
        f"ORDER BY {ORDER} FOR UPDATE OF c SKIP LOCKED LIMIT 1",
        account=account,
        sources=sources_of(generation_source),
        exclude=list(exclude),
        served=list(served),
        reply=reply is None,
        continuation=continuation is None,
        post=post is None,
    )
    return row or _nothing(conn, account, generation_source, exclude, post, continuation, reply)


def _open_attempt(conn: Connection, account: str) -> NoClaim | None:
    row = one(
        conn,
        "SELECT decision_id, state, lease_until, next_look_at FROM posting_attempts "
        "WHERE account = :account AND state IN ('claimed', 'armed', 'in_doubt') ORDER BY state DESC LIMIT 1",
        account=account,
    )
    if row is None:
        return None
    if row.state == "in_doubt":
        return NoClaim(f"decision {row.decision_id} is in doubt until the timeline has been read", row.next_look_at)
    return NoClaim(f"decision {row.decision_id} is being posted", row.lease_until)


def _slots(conn: Connection, account: str, kind: Kind, now: datetime, limits: Limits) -> list[datetime]:
    reach = ledger.DAY if kind == "reply" else max(ledger.HOUR, limits.interval)
    rows = conn.execute(
        text(
            "SELECT at FROM post_slots WHERE account = :account AND kind = :kind AND released_at IS NULL AND at > :since"
        ),
        {"account": account, "kind": kind, "since": now - reach - timedelta(seconds=1)},
    )
    return list(rows.scalars())


def _nothing(
    conn: Connection,
    account: str,
    generation_source: str,
    exclude: Sequence[str],
    post: Refusal | None,
    continuation: Refusal | None,
    reply: Refusal | None,
) -> NoClaim:
    waiting = one(
        conn,
        f"SELECT count(*) FILTER (WHERE c.decision_type = 'reply') AS replies, count(*) FILTER (WHERE c.tweet_id IS NOT NULL) AS begun, "
        f"count(*) FILTER (WHERE c.decision_type <> 'reply' AND c.tweet_id IS NULL) AS posts "
        f"FROM ({QUEUE}) q JOIN content_metadata c USING (decision_id) WHERE c.decision_id <> ALL(cast(:exclude AS uuid[]))",
        account=account,
        sources=sources_of(generation_source),
        exclude=list(exclude),
    )
    first = (continuation if waiting.begun else None) or (post if waiting.posts else None)
    conn.execute(
        text("UPDATE accounts SET next_post_at = :post, next_reply_at = :reply WHERE account = :account"),
        {
            "account": account,
            "post": first.until if first else None,
            "reply": reply.until if reply and waiting.replies else None,
        },
    )
    refused = first or (reply if waiting.replies else None)
    if refused:
        return NoClaim(refused.reason, refused.until)
    return NoClaim("nothing due", empty=True)


def _take(conn: Connection, row: Any, publisher: str) -> Claim | Unfit:
    decision_id, kind = str(row.decision_id), row.decision_type
    stored = conn.execute(
        text("SELECT part, text, tweet_id FROM decision_parts WHERE decision_id = :id ORDER BY part"),
        {"id": decision_id},
    ).all()
    texts = [part.text for part in stored] if kind == "thread" else [row.text]
    wrong = outgoing.complaint(kind, texts, row.target_tweet_id)
    if wrong:
        conn.execute(
            text(
                "UPDATE content_metadata SET status = 'rejected', status_reason = :reason, updated_at = xbot_now() WHERE decision_id = :id"
            ),
            {"id": decision_id, "reason": wrong},
        )
        return Unfit(decision_id, wrong)
    live = [part.tweet_id for part in stored if part.tweet_id is not None] if kind == "thread" else []
    part = len(live)
    attempt = one(
        conn,
        "INSERT INTO posting_attempts (decision_id, part, attempt, account, state, publisher, fence, lease_until, claimed_at) "
        "SELECT :id, :part, coalesce(max(attempt), 0) + 1, :account, 'claimed', :publisher, nextval('posting_fence'), :lease, xbot_now() "
        "FROM posting_attempts WHERE decision_id = :id AND part = :part RETURNING attempt, fence",
        id=decision_id,
        part=part,
        account=row.account,
        publisher=publisher,
        lease=row.now + retries.LEASE,
    )
    conn.execute(
        text(
            "INSERT INTO post_slots (account, kind, decision_id, part, attempt, at) VALUES (:account, :kind, :id, :part, :attempt, xbot_now())"
        ),
        {
            "account": row.account,
            "kind": "reply" if kind == "reply" else "post",
            "id": decision_id,
            "part": part,
            "attempt": attempt.attempt,
        },
    )
    conn.execute(
        text(
            "UPDATE content_metadata SET status = 'posting', status_reason = NULL, updated_at = xbot_now() WHERE decision_id = :id"
        ),
        {"id": decision_id},
    )
    return Claim(
        account=row.account,
        decision_id=decision_id,
        decision_type=kind,
        part=part,
        parts=len(texts),
        attempt=attempt.attempt,
        text=texts[part],
        reply_to=live[-1] if live else row.target_tweet_id,
        target_username=row.target_username,
        publisher=publisher,
        fence=attempt.fence,
        lease_until=row.now + retries.LEASE,
        scheduled_at=row.scheduled_at,
        simulated=row.simulated,
    )
