"""Candidates: what could be said next. Postgres is the truth; the Redis queue is written from it.

States: fresh → chosen (a planner holds it) → used; or expired, dropped. A planner that dies leaves `chosen` behind, and
`return_abandoned` gives it back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.domain.content.scoring import TopicRecord
from xbot_dagster.store.engine import one


@dataclass(frozen=True)
class NewCandidate:
    """One item ready to be stored. `state` is fresh, or dropped with its reason."""

    candidate_id: UUID
    source: str
    topic: str
    title: str
    angle: str
    url: str | None
    score: float
    freshness: float
    content_hash: str
    published_at: datetime | None
    expires_at: datetime
    state: str = "fresh"
    state_reason: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A stored candidate."""

    candidate_id: UUID
    account: str
    source: str
    topic: str
    title: str
    angle: str
    url: str | None
    score: float
    freshness: float
    content_hash: str
    state: str
    published_at: datetime | None
    expires_at: datetime


_COLUMNS = ", ".join(Candidate.__dataclass_fields__)


def insert(conn: Connection, account: str, rows: Sequence[NewCandidate]) -> list[UUID]:
    """Insert what is not there yet (same account and hash) in one statement; the ids that are new."""
    if not rows:
        return []
    added = conn.execute(
        text(
            "INSERT INTO content_candidates (candidate_id, account, source, topic, title, angle, url, score, freshness, content_hash, "
            "published_at, expires_at, state, state_reason) "
            "SELECT candidate_id, :account, source, topic, title, angle, url, score, freshness, content_hash, published_at, expires_at, state, "
            "state_reason FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(candidate_id uuid, source text, topic text, title text, angle text, "
            "url text, score float8, freshness float8, content_hash text, published_at timestamptz, expires_at timestamptz, state text, "
            "state_reason text) ON CONFLICT (account, content_hash) DO NOTHING RETURNING candidate_id"
        ),
        {"account": account, "rows": json.dumps([row.__dict__ for row in rows], default=str)},
    )
    return list(added.scalars())


def known_hashes(conn: Connection, account: str, hashes: Sequence[str]) -> set[str]:
    """Those of `hashes` the account has had as a candidate, whatever became of it."""
    rows = conn.execute(
        text("SELECT content_hash FROM content_candidates WHERE account = :account AND content_hash = ANY(:hashes)"),
        {"account": account, "hashes": list(hashes)},
    )
    return set(rows.scalars())


def revive(conn: Connection, account: str, source: str, cooldown_days: float, expires_at: datetime) -> int:
    """Make a repeatable source's used or expired candidates fresh again once their cooldown has passed; how many."""
    return conn.execute(
        text(
            "UPDATE content_candidates SET state = 'fresh', state_reason = NULL, expires_at = :expires_at, updated_at = xbot_now() "
            "WHERE account = :account AND source = :source AND state IN ('used', 'expired') "
            "AND updated_at <= xbot_now() - make_interval(secs => :cooldown * 86400)"
        ),
        {"account": account, "source": source, "cooldown": cooldown_days, "expires_at": expires_at},
    ).rowcount


def expire(conn: Connection) -> int:
    """Close fresh candidates whose time is over; how many."""
    return conn.execute(
        text(
            "UPDATE content_candidates SET state = 'expired', updated_at = xbot_now() WHERE state = 'fresh' AND expires_at <= xbot_now()"
        )
    ).rowcount


def return_abandoned(conn: Connection, older_than_minutes: float = 60) -> int:
    """Give back candidates a dead planner held; how many."""
    return conn.execute(
        text(
            "UPDATE content_candidates SET state = 'fresh', state_reason = 'returned: the planner ended', updated_at = xbot_now() "
            "WHERE state = 'chosen' AND updated_at < xbot_now() - make_interval(mins => cast(:minutes AS int))"
        ),
        {"minutes": older_than_minutes},
    ).rowcount


def rescore(conn: Connection, account: str, scores: Mapping[UUID, tuple[float, float]]) -> int:
    """Set (score, freshness) of fresh candidates; how many rows changed."""
    if not scores:
        return 0
    return conn.execute(
        text(
            "UPDATE content_candidates k SET score = r.score, freshness = r.freshness "
            "FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(id uuid, score float8, freshness float8) "
            "WHERE k.candidate_id = r.id AND k.account = :account AND k.state = 'fresh'"
        ),
        {
            "account": account,
            "rows": json.dumps([{"id": str(id_), "score": s, "freshness": f} for id_, (s, f) in scores.items()]),
        },
    ).rowcount


def fresh(conn: Connection, account: str, *, topics: Sequence[str] = (), limit: int = 500) -> list[Candidate]:
    """Candidates that may be chosen, best first. `topics` non-empty: only those."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM content_candidates WHERE account = :account AND state = 'fresh' AND expires_at > xbot_now() "
            "AND (cardinality(cast(:topics AS text[])) = 0 OR topic = ANY(:topics)) ORDER BY score DESC, content_hash LIMIT :limit"
        ),
        {"account": account, "topics": list(topics), "limit": limit},
    )
    return [Candidate(**row) for row in rows.mappings()]


def choose(conn: Connection, candidate_id: UUID) -> bool:
    """Take a fresh candidate out of the queue; False when somebody else was faster."""
    done = conn.execute(
        text(
            "UPDATE content_candidates SET state = 'chosen', updated_at = xbot_now() WHERE candidate_id = :id AND state = 'fresh'"
        ),
        {"id": candidate_id},
    )
    return done.rowcount == 1


def finish(conn: Connection, candidate_id: UUID, state: str, reason: str | None = None) -> None:
    """Close a chosen candidate (`used`, `dropped`) or give it back (`fresh`)."""
    conn.execute(
        text(
            "UPDATE content_candidates SET state = :state, state_reason = :reason, updated_at = xbot_now() WHERE candidate_id = :id AND state = 'chosen'"
        ),
        {"id": candidate_id, "state": state, "reason": reason},
    )


def give_back(conn: Connection, candidate_id: UUID) -> None:
    """Return the candidate of a decision that will not be published to the queue, while it is still worth it."""
    conn.execute(
        text(
            "UPDATE content_candidates SET state = 'fresh', state_reason = NULL, updated_at = xbot_now() "
            "WHERE candidate_id = :id AND state IN ('used', 'chosen') AND expires_at > xbot_now()"
        ),
        {"id": candidate_id},
    )


def add_manual(conn: Connection, account: str, row: NewCandidate) -> bool:
    """Store a person's idea under the account's manual source; False when it was there already."""
    conn.execute(
        text(
            "INSERT INTO content_sources (source, account, kind, weight) VALUES (:source, :account, 'manual', 3) ON CONFLICT DO NOTHING"
        ),
        {"source": row.source, "account": account},
    )
    return bool(insert(conn, account, [row]))


def topic_records(conn: Connection, account: str, *, days: int = 30) -> dict[str, TopicRecord]:
    """What each topic earned (composite reward of final outcomes) in the last days."""
    rows = conn.execute(
        text(
            "SELECT c.topic, count(*) AS posts, coalesce(sum(o.reward_composite), 0) AS total FROM posted_decisions p "
            "JOIN content_metadata c USING (decision_id) JOIN final_outcomes o USING (decision_id) "
            "WHERE p.account = :account AND p.posted_at > xbot_now() - make_interval(days => :days) AND c.topic IS NOT NULL "
            "AND o.reward_composite IS NOT NULL GROUP BY c.topic"
        ),
        {"account": account, "days": days},
    )
    return {row.topic: TopicRecord(row.posts, row.total) for row in rows}


def queue_depth(conn: Connection, account: str) -> int:
    """How many candidates may be chosen."""
    row = one(
        conn,
        "SELECT count(*) AS n FROM content_candidates WHERE account = :account AND state = 'fresh' AND expires_at > xbot_now()",
        account=account,
    )
    return int(row.n)


def top_topics(conn: Connection, account: str, limit: int = 5) -> list[tuple[str, int]]:
    """Topics of the queue with their number of candidates, most first."""
    rows = conn.execute(
        text(
            "SELECT topic, count(*) AS n FROM content_candidates WHERE account = :account AND state = 'fresh' AND expires_at > xbot_now() "
            "GROUP BY topic ORDER BY n DESC, topic LIMIT :limit"
        ),
        {"account": account, "limit": limit},
    )
    return [(row.topic, row.n) for row in rows]


def candidate_record(conn: Connection, candidate_id: UUID) -> dict[str, Any] | None:
    """One candidate as JSON-able fields, for `xbot explain`."""
    row = conn.execute(
        text("SELECT to_jsonb(k) AS record FROM content_candidates k WHERE candidate_id = :id"), {"id": candidate_id}
    ).first()
    return row.record if row else None
