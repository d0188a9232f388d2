"""Gate verdicts as rows: what each gate said, how often it lets things through, and which of them has stopped doing so."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.domain.content.verdicts import Verdict

DEAD_AFTER = 20  # verdicts in a row without a pass: the gate blocks everything


@dataclass(frozen=True)
class GateStats:
    """One gate over a window. `pass_rate` is a fraction; scores share the gate's own scale."""

    gate: str
    judged: int
    passed: int
    blocked: int
    errors: int
    pass_rate: float
    median_score: float | None
    threshold: float | None


@dataclass(frozen=True)
class StoredVerdict:
    """One verdict with the text it was about."""

    decision_id: UUID
    gate: str
    verdict: str
    score: float | None
    threshold: float | None
    reason: str | None
    created_at: datetime
    text: str


def replace(conn: Connection, decision_id: UUID, verdicts: Sequence[Verdict]) -> None:
    """Write a decision's verdicts in place of earlier ones (its text was edited)."""
    conn.execute(text("DELETE FROM gate_verdicts WHERE decision_id = :id"), {"id": decision_id})
    insert(conn, decision_id, verdicts)


_INSERT = text(
    "INSERT INTO gate_verdicts (decision_id, gate, position, verdict, score, threshold, reason) "
    "SELECT :id, gate, position, verdict, score, threshold, reason FROM jsonb_to_recordset(cast(:rows AS jsonb)) "
    "AS r(gate text, position smallint, verdict text, score float8, threshold float8, reason text)"
)


def insert(conn: Connection, decision_id: UUID, verdicts: Sequence[Verdict]) -> None:
    """Write a new decision's verdicts."""
    rows = [{**verdict.__dict__, "position": n} for n, verdict in enumerate(verdicts)]
    conn.execute(_INSERT, {"id": decision_id, "rows": json.dumps(rows)})


def stats(conn: Connection, *, days: int = 7, account: str | None = None) -> list[GateStats]:
    """Pass rates per gate over the last days, in the order of the chain."""
    rows = conn.execute(
        text(
            "SELECT v.gate, count(*) AS judged, count(*) FILTER (WHERE v.verdict = 'pass') AS passed, "
            "count(*) FILTER (WHERE v.verdict = 'block') AS blocked, count(*) FILTER (WHERE v.verdict = 'error') AS errors, "
            "avg((v.verdict = 'pass')::int)::float8 AS pass_rate, percentile_cont(0.5) WITHIN GROUP (ORDER BY v.score) AS median_score, "
            "max(v.threshold) AS threshold FROM gate_verdicts v JOIN content_metadata c USING (decision_id) "
            "WHERE v.created_at > xbot_now() - make_interval(days => :days) AND (cast(:account AS text) IS NULL OR c.account = :account) "
            "GROUP BY v.gate ORDER BY min(v.position)"
        ),
        {"days": days, "account": account},
    )
    return [GateStats(**row) for row in rows.mappings()]


def near_misses(conn: Connection, *, days: int = 7, limit: int = 10) -> list[StoredVerdict]:
    """Scored verdicts of quality, duplicate and rotation closest to their threshold, on either side."""
    rows = conn.execute(
        text(
            "SELECT v.decision_id, v.gate, v.verdict, v.score, v.threshold, v.reason, v.created_at, c.text FROM gate_verdicts v "
            "JOIN content_metadata c USING (decision_id) WHERE v.created_at > xbot_now() - make_interval(days => :days) "
            "AND v.gate <> 'safety' AND v.score IS NOT NULL AND v.threshold IS NOT NULL "
            "ORDER BY abs(v.score - v.threshold), v.decision_id LIMIT :limit"
        ),
        {"days": days, "limit": limit},
    )
    return [StoredVerdict(**row) for row in rows.mappings()]


def verdicts_of(conn: Connection, decision_id: UUID) -> list[StoredVerdict]:
    """One decision's verdicts in the order of the chain."""
    rows = conn.execute(
        text(
            "SELECT v.decision_id, v.gate, v.verdict, v.score, v.threshold, v.reason, v.created_at, c.text FROM gate_verdicts v "
            "JOIN content_metadata c USING (decision_id) WHERE v.decision_id = :id ORDER BY v.position"
        ),
        {"id": decision_id},
    )
    return [StoredVerdict(**row) for row in rows.mappings()]


def dead_gates(conn: Connection, last: int = DEAD_AFTER) -> list[str]:
    """Gates whose last `last` verdicts hold not one pass; a gate with fewer verdicts is not judged."""
    rows = conn.execute(
        text(
            "SELECT g.gate FROM (SELECT DISTINCT gate FROM gate_verdicts) g CROSS JOIN LATERAL (SELECT count(*) AS n, "
            "count(*) FILTER (WHERE verdict = 'pass') AS passed FROM (SELECT verdict FROM gate_verdicts v WHERE v.gate = g.gate "
            "ORDER BY created_at DESC, decision_id LIMIT :last) AS newest) AS counted WHERE counted.n >= :last AND counted.passed = 0 ORDER BY g.gate"
        ),
        {"last": last},
    )
    return list(rows.scalars())
