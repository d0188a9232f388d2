"""The queue as the poster sees it: what is due, what has expired, what a person takes back; questions of the sensors.

Claiming a decision: `store.claims`. Arming and the ends of an attempt: `store.attempts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from xbot_dagster.domain.publishing import retries
from xbot_dagster.store.engine import one

BATCH = 5


@dataclass(frozen=True)
class Due:
    decision_id: str
    decision_type: str
    text: str
    scheduled_at: datetime


@dataclass(frozen=True)
class Waiting:
    """Decisions that wait for a person, and when (UTC) the next approved one is due; None when none is."""

    approval: int
    next_at: datetime | None


# The seeds' canonical query, fair between types: the oldest of each type first, threads under way before everything, decisions
# whose earlier tries failed behind those never tried.
QUEUE = """
    SELECT c.decision_id,
           row_number() OVER (PARTITION BY c.tweet_id IS NOT NULL, c.decision_type
                              ORDER BY c.presubmit_failures, c.scheduled_at, c.decision_id) AS turn,
           c.tweet_id IS NULL AS fresh
    FROM content_metadata c
    WHERE c.account = :account AND c.status = 'queued' AND c.generation_source = ANY(:sources) AND c.scheduled_at <= xbot_now()
      AND coalesce(c.not_before, '-infinity') <= xbot_now()
      AND (c.expires_at IS NULL OR c.expires_at > xbot_now() OR c.tweet_id IS NOT NULL)
      AND (NOT c.approval_required OR c.approved_at IS NOT NULL)
"""
ORDER = (
    "q.fresh, c.presubmit_failures, q.turn + cardinality(array_positions(cast(:served AS text[]), c.decision_type)), "
    "c.scheduled_at, c.decision_id"
)


def sources_of(generation_source: str) -> list[str]:
    """What may be published where `generation_source` is the family's own: also what a person wrote."""
    return [generation_source, "manual"]


def due(conn: Connection, account: str, generation_source: str, limit: int = BATCH) -> list[Due]:
    """Decisions of `account` that may be posted now, in the order in which they will be tried."""
    rows = conn.execute(
        text(
            f"SELECT c.decision_id, c.decision_type, c.text, c.scheduled_at FROM ({QUEUE}) q JOIN content_metadata c USING (decision_id) "
            f"ORDER BY {ORDER} LIMIT :limit"
        ),
        {"account": account, "sources": sources_of(generation_source), "served": [], "limit": limit},
    )
    return [Due(str(r.decision_id), r.decision_type, r.text, r.scheduled_at) for r in rows]


def waiting(conn: Connection, account: str) -> Waiting:
    """What of `account` is not due: decisions that await approval, and the moment of the next approved one."""
    row = one(
        conn,
        "SELECT count(*) FILTER (WHERE status = 'awaiting_approval' OR status = 'queued' AND approval_required AND approved_at IS NULL) "
        "AS approval, min(greatest(scheduled_at, not_before)) FILTER (WHERE status = 'queued' AND greatest(scheduled_at, not_before) > xbot_now() "
        "AND (NOT approval_required OR approved_at IS NOT NULL)) AS next_at "
        "FROM content_metadata WHERE account = :account AND status IN ('queued', 'awaiting_approval')",
        account=account,
    )
    return Waiting(row.approval, row.next_at)


def accounts_with_due(conn: Connection, generation_source: str, accounts: Sequence[str] | None = None) -> list[str]:
    """Accounts that are enabled and have a decision due, in order of their key."""
    rows = conn.execute(
        text(
            "SELECT a.account FROM accounts a WHERE a.enabled AND (cast(:names AS text[]) IS NULL OR a.account = ANY(:names)) "
            "AND EXISTS (SELECT 1 FROM content_metadata c WHERE c.account = a.account AND c.status = 'queued' "
            "AND c.generation_source = ANY(:sources) AND c.scheduled_at <= xbot_now() "
            "AND coalesce(c.not_before, '-infinity') <= xbot_now()) ORDER BY a.account"
        ),
        {"names": list(accounts) if accounts is not None else None, "sources": sources_of(generation_source)},
    )
    return list(rows.scalars())


def expire(conn: Connection) -> list[str]:
    """End queued decisions whose time has passed; a thread under way is finished instead. Returns their ids."""
    rows = conn.execute(
        text(
            "UPDATE content_metadata SET status = 'expired', status_reason = 'not posted before ' || expires_at, updated_at = xbot_now() "
            "WHERE status = 'queued' AND expires_at <= xbot_now() AND tweet_id IS NULL RETURNING decision_id"
        )
    )
    return [str(value) for value in rows.scalars()]


def cancel(conn: Connection, decision_id: str, reason: str) -> bool:
    """Take a decision back. False when it is too late: armed, posted, in doubt or ended.

    Until it is armed a claimed decision can still be cancelled: arming then refuses."""
    done = conn.execute(
        text(
            "UPDATE content_metadata c SET status = 'cancelled', status_reason = :reason, updated_at = xbot_now() "
            "WHERE decision_id = :id AND status IN ('pending', 'awaiting_approval', 'queued', 'posting', 'needs_human') "
            "AND NOT EXISTS (SELECT 1 FROM posting_attempts p WHERE p.decision_id = c.decision_id AND p.state IN ('armed', 'in_doubt'))"
        ),
        {"id": decision_id, "reason": reason},
    )
    return done.rowcount == 1


# An account can post when nothing of its own stands in the way; the ledger's hints are part of that.
_READY = """
    a.enabled AND a.circuit_state = 'closed'
    AND (a.session_state IN ('ok', 'unknown') OR coalesce(a.session_checked_at, '-infinity') <= xbot_now() - cast(:recheck AS interval))
    AND NOT EXISTS (SELECT 1 FROM posting_attempts p WHERE p.account = a.account AND p.state = 'in_doubt')
    AND NOT EXISTS (SELECT 1 FROM posting_attempts p WHERE p.account = a.account AND p.state IN ('claimed', 'armed')
                    AND p.lease_until > xbot_now())
"""
_HINT = "coalesce(CASE WHEN c.decision_type = 'reply' THEN a.next_reply_at ELSE a.next_post_at END, '-infinity')"


def posting_due(conn: Connection) -> bool:
    """Whether a posting run would find something to do now: a decision to post or to expire, or a lease that ran out."""
    row = one(
        conn,
        "SELECT EXISTS (SELECT 1 FROM content_metadata c JOIN accounts a USING (account) WHERE c.status = 'queued' "
        "AND c.scheduled_at <= xbot_now() AND coalesce(c.not_before, '-infinity') <= xbot_now() "
        f"AND (NOT c.approval_required OR c.approved_at IS NOT NULL) AND {_HINT} <= xbot_now() AND {_READY}) "
        "OR EXISTS (SELECT 1 FROM posting_attempts WHERE state IN ('claimed', 'armed') AND lease_until <= xbot_now()) "
        "OR EXISTS (SELECT 1 FROM content_metadata WHERE status = 'queued' AND expires_at <= xbot_now() AND tweet_id IS NULL) AS due",
        recheck=retries.SESSION_RECHECK,
    )
    return bool(row.due)


def next_posting_time(conn: Connection) -> datetime | None:
    """The first moment at which `posting_due` can become true by time alone; None when nothing waits for a moment."""
    row = one(
        conn,
        "SELECT least("
        "(SELECT min(greatest(c.scheduled_at, c.not_before, CASE WHEN c.decision_type = 'reply' THEN a.next_reply_at ELSE a.next_post_at END, "
        "CASE WHEN a.session_state IN ('ok', 'unknown') THEN NULL ELSE a.session_checked_at + cast(:recheck AS interval) END)) "
        "FROM content_metadata c JOIN accounts a USING (account) WHERE c.status = 'queued' AND a.enabled AND a.circuit_state = 'closed' "
        "AND (NOT c.approval_required OR c.approved_at IS NOT NULL) "
        "AND NOT EXISTS (SELECT 1 FROM posting_attempts p WHERE p.account = a.account AND p.state = 'in_doubt') "
        "AND NOT EXISTS (SELECT 1 FROM posting_attempts p WHERE p.account = a.account AND p.state IN ('claimed', 'armed'))), "
        "(SELECT min(lease_until) FROM posting_attempts WHERE state IN ('claimed', 'armed')), "
        "(SELECT min(expires_at) FROM content_metadata WHERE status = 'queued' AND tweet_id IS NULL)) AS moment",
        recheck=retries.SESSION_RECHECK,
    )
    return row.moment


def reconcile_due(conn: Connection) -> bool:
    """Whether an attempt in doubt wants a look at the timeline now."""
    return bool(
        one(
            conn,
            "SELECT EXISTS (SELECT 1 FROM posting_attempts WHERE state = 'in_doubt' AND next_look_at <= xbot_now()) AS due",
        ).due
    )


def sweeps_due(conn: Connection) -> list[str]:
    """Accounts with a session in order whose timeline was last looked at hours ago, by a poster or by a sweep."""
    rows = conn.execute(
        text(
            "SELECT a.account FROM accounts a WHERE a.enabled AND a.circuit_state = 'closed' AND a.session_state IN ('ok', 'unknown') "
            "AND coalesce(a.session_checked_at, a.created_at) <= xbot_now() - cast(:every AS interval) "
            "AND NOT EXISTS (SELECT 1 FROM posting_attempts p WHERE p.account = a.account AND p.state IN ('claimed', 'armed')) "
            "ORDER BY a.account"
        ),
        {"every": retries.SWEEP_EVERY},
    )
    return list(rows.scalars())


def next_look_time(conn: Connection) -> datetime | None:
    """When the next look at a timeline is due; None when nothing is in doubt."""
    return one(conn, "SELECT min(next_look_at) AS moment FROM posting_attempts WHERE state = 'in_doubt'").moment
