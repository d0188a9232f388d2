"""Decisions as planning writes and reads them: the queue table, its choice, its parts, what an account's day holds.

Publishing's view of the same table is `store.posting`; drafts, edits and approval are in `store.drafts`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from xbot_dagster.store.engine import one

# A slot that was planned counts against the day, except where nothing will come of it and the planner may try again.
_COUNTS = (
    "status NOT IN ('blocked', 'cancelled') AND decision_type IN ('single', 'thread') AND generation_source <> 'import'"
)
# What has been said or is about to be: never what was blocked, rejected, expired or taken back.
SAID = "('queued', 'awaiting_approval', 'posting', 'posted', 'shadowed', 'in_doubt', 'needs_human')"


@dataclass(frozen=True)
class Choice:
    """The row of decision_choices: how the policy came to this arm and hour, with what probability."""

    policy: str
    policy_version: str
    seed: int
    context: dict[str, Any]
    candidates: dict[str, Any]
    arm: str
    hour: int | None
    joint_propensity: float
    arm_propensity: float
    epsilon: float | None
    explore_reason: str | None
    posterior: dict[str, Any]
    shadow: dict[str, Any] | None
    dropped_by: str | None


@dataclass(frozen=True)
class NewDecision:
    """A row of content_metadata as planning writes it. `parts` are the texts in order; `embedding` has 256 numbers."""

    decision_id: UUID
    account: str
    decision_type: str
    parts: tuple[str, ...]
    generation_source: str
    status: str
    simulated: bool
    candidate_id: UUID | None = None
    topic: str | None = None
    arm: str | None = None
    hour_slot: int | None = None
    status_reason: str | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    target_tweet_id: str | None = None
    target_username: str | None = None
    hook_pattern: str | None = None
    novelty: float | None = None
    readability_score: float | None = None
    sentiment: float | None = None
    quality_score: float | None = None
    duplicate_similarity: float | None = None
    embedding: Sequence[float] | None = None
    embedder: str | None = None
    content_hash: str | None = None
    experiment_id: str | None = None
    experiment_arm: str | None = None
    policy: str | None = None
    policy_version: str | None = None
    policy_seed: int | None = None
    propensity: float | None = None
    predicted: dict[str, Any] | None = None
    predictor_version: str | None = None
    prompt_version: str | None = None
    model: str | None = None
    api_usage_id: int | None = None
    approval_required: bool = False
    approval_reason: str | None = None


@dataclass(frozen=True)
class Day:
    """What an account has planned around a day. `slots`: one instant per decision; `busy`: one per part, as the rate ledger counts."""

    slots: tuple[datetime, ...]
    busy: tuple[datetime, ...]
    ordinal: int
    made: int
    topics: tuple[str, ...]


@dataclass(frozen=True)
class PendingPost:
    """A post planned or published whose outcome is not known yet."""

    arm: str
    hour: int
    context: dict[str, Any] = field(default_factory=dict)


_PLAIN = [name for name in NewDecision.__dataclass_fields__ if name not in ("parts", "embedding", "predicted")]


_INSERT = text(
    f"WITH decision AS (INSERT INTO content_metadata ({', '.join(_PLAIN)}, text, embedding, predicted) "
    f"VALUES ({', '.join(':' + n for n in _PLAIN)}, :text, cast(:embedding AS vector), cast(:predicted AS jsonb)) RETURNING decision_id) "
    "INSERT INTO decision_parts (decision_id, part, text) "
    "SELECT decision_id, n - 1, t FROM decision, unnest(cast(:parts AS text[])) WITH ORDINALITY AS p(t, n)"
)


def insert(conn: Connection, decision: NewDecision) -> None:
    """Write a decision with its parts, in one statement. The text of a thread is its parts joined by empty lines."""
    conn.execute(
        _INSERT,
        {
            **{name: getattr(decision, name) for name in _PLAIN},
            "text": "\n\n".join(decision.parts),
            "embedding": None if decision.embedding is None else vector_text(decision.embedding),
            "predicted": json.dumps(decision.predicted) if decision.predicted is not None else None,
            "parts": list(decision.parts),
        },
    )


def vector_text(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return "[" + ",".join([f"{x:.7g}" for x in vector]) + "]"


def insert_choice(conn: Connection, decision_id: UUID, choice: Choice) -> None:
    """Write how a decision was chosen."""
    record = asdict(choice)
    for name in ("context", "candidates", "posterior", "shadow"):
        record[name] = json.dumps(record[name], default=str) if record[name] is not None else None
    conn.execute(
        text(
            "INSERT INTO decision_choices (decision_id, policy, policy_version, seed, context, candidates, arm, hour, joint_propensity, "
            "arm_propensity, epsilon, explore_reason, posterior, shadow, dropped_by) VALUES (:id, :policy, :policy_version, :seed, "
            "cast(:context AS jsonb), cast(:candidates AS jsonb), :arm, :hour, :joint_propensity, :arm_propensity, :epsilon, :explore_reason, "
            "cast(:posterior AS jsonb), cast(:shadow AS jsonb), :dropped_by)"
        ),
        {"id": decision_id, **record},
    )


def day(conn: Connection, account: str, start: datetime, end: datetime, local_day: date) -> Day:
    """What is planned from two hours before `start` to two after `end` (UTC bounds of the local day).

    `ordinal` counts every decision of that day, `made` those that were made here, whatever became of them.
    """
    rows = conn.execute(
        text(
            f"SELECT c.scheduled_at, c.topic, ({_COUNTS}) AS counts, c.generation_source <> 'import' AS own, "
            "greatest(1, (SELECT count(*) FROM decision_parts p WHERE p.decision_id = c.decision_id)) AS parts "
            "FROM content_metadata c WHERE c.account = :account "
            "AND c.scheduled_at >= cast(:start AS timestamptz) - interval '2 hours' AND c.scheduled_at < cast(:end AS timestamptz) + interval '2 hours' "
            "AND c.decision_type IN ('single', 'thread') ORDER BY c.scheduled_at, c.decision_id"
        ),
        {"account": account, "start": start, "end": end},
    ).all()
    inside = [row for row in rows if start <= row.scheduled_at < end]
    return Day(
        slots=tuple(row.scheduled_at for row in rows if row.counts),
        busy=tuple(row.scheduled_at for row in rows if row.counts for _ in range(row.parts)),
        ordinal=len(inside),
        made=sum(row.own for row in inside),
        topics=tuple(row.topic for row in inside if row.counts and row.topic),
    )


def lock_planning(conn: Connection, account: str) -> None:
    """Let one transaction at a time add to an account's plan; released at its end."""
    conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('plan:' || :account, 0))"), {"account": account})


def pending_posts(conn: Connection, account: str, zone: str) -> list[PendingPost]:
    """Posts of the last two days and to come that have no final outcome yet."""
    rows = conn.execute(
        text(
            "SELECT c.arm, extract(hour FROM c.scheduled_at AT TIME ZONE :zone)::int AS hour, c.topic, c.hook_pattern, c.novelty "
            f"FROM content_metadata c WHERE c.account = :account AND c.status IN {SAID} AND c.arm IS NOT NULL "
            "AND c.decision_type IN ('single', 'thread') AND c.scheduled_at > xbot_now() - interval '2 days' "
            "AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.decision_id = c.decision_id AND o.collected_pass IN (1, 2)) "
            "ORDER BY c.scheduled_at, c.decision_id"
        ),
        {"account": account, "zone": zone},
    )
    return [
        PendingPost(row.arm, row.hour, {"topic": row.topic, "hook": row.hook_pattern, "novelty": row.novelty})
        for row in rows
    ]


def decisions_of_prompt(conn: Connection, account: str, prompt_version: str) -> int:
    """How many decisions of a prompt version have got past a person (or did not need to)."""
    row = one(
        conn,
        "SELECT count(*) AS n FROM (SELECT 1 FROM content_metadata WHERE account = :account AND prompt_version = :version "
        "AND status NOT IN ('blocked', 'awaiting_approval', 'cancelled', 'expired') LIMIT 50) AS seen",
        account=account,
        version=prompt_version,
    )
    return int(row.n)


def planning_state(conn: Connection) -> Sequence[Row[Any]]:
    """Per enabled account: account, zone, how many slots of its local day are taken (`today`), how many decisions were made
    for that day whatever became of them (`made`), and how many slots lie ahead (`upcoming`), in one query."""
    rows = conn.execute(
        text(
            # The bounds are worked out once a zone (OFFSET 0 keeps them apart), not for every slot.
            "SELECT a.account, a.zone, slots.today, slots.made, slots.upcoming FROM accounts a JOIN (SELECT zone, now, "
            "midnight AT TIME ZONE zone AS start, (midnight + interval '1 day') AT TIME ZONE zone AS until "
            "FROM (SELECT zone, now, date_trunc('day', now AT TIME ZONE zone) AS midnight "
            "FROM (SELECT DISTINCT zone, xbot_now() AS now FROM accounts) AS zones) AS days OFFSET 0) AS day USING (zone) "
            "CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE counts AND of_day) AS today, count(*) FILTER (WHERE of_day) AS made, "
            "count(*) FILTER (WHERE counts AND scheduled_at > day.now) AS upcoming "
            f"FROM (SELECT c.scheduled_at, {_COUNTS} AS counts, c.scheduled_at >= day.start AND c.scheduled_at < day.until AS of_day "
            "FROM content_metadata c WHERE c.account = a.account AND c.decision_type IN ('single', 'thread') "
            "AND c.generation_source <> 'import' "
            "AND c.scheduled_at BETWEEN day.now - interval '26 hours' AND day.now + interval '26 hours') AS near) AS slots "
            "WHERE a.enabled ORDER BY a.account"
        )
    )
    return rows.all()
