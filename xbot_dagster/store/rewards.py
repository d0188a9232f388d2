"""Rewards of every version beside one another, and the raw counts they are computed from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.domain.measuring.counts import FIELDS, Counts
from xbot_dagster.store.bulk import stage


@dataclass(frozen=True)
class Measured:
    """The raw columns of one measured outcome, with what was known before posting."""

    decision_id: UUID
    collected_pass: int
    counts: Counts
    novelty: float | None
    similarity: float | None


_REWARD_COLUMNS = {
    "decision_id": "uuid",
    "collected_pass": "int2",
    "reward_version": "text",
    "reward": "float8",
    "weight": "float8",
    "refs": "jsonb",
}


def upsert_rewards(conn: Connection, rows: Iterable[tuple[UUID, int, str, float, float, dict[str, float]]]) -> int:
    """Merge (decision, pass, version, reward, weight, references) into `outcome_rewards`; returns rows written."""
    table = stage(conn, "rewards", _REWARD_COLUMNS, rows)
    names = ", ".join(_REWARD_COLUMNS)
    merged = conn.exec_driver_sql(
        f"INSERT INTO outcome_rewards ({names}) SELECT {names} FROM {table} ORDER BY decision_id, collected_pass "
        "ON CONFLICT (decision_id, collected_pass, reward_version) DO UPDATE SET reward = excluded.reward, weight = excluded.weight, "
        "refs = excluded.refs, computed_at = xbot_now(), run_id = xbot_run() "
        "WHERE (outcome_rewards.reward, outcome_rewards.weight, outcome_rewards.refs) "
        "IS DISTINCT FROM (excluded.reward, excluded.weight, excluded.refs)"
    )
    return merged.rowcount


def measured_counts(conn: Connection, after: tuple[UUID, int] | None, limit: int) -> list[Measured]:
    """Measured rows in key order after the key `after` (None: from the start), at most `limit`."""
    parameters = {"id": after[0] if after else None, "number": after[1] if after else None, "limit": limit}
    return _measured(
        conn,
        "(CAST(:id AS uuid) IS NULL OR (o.decision_id, o.collected_pass) > (:id, :number)) "
        "ORDER BY o.decision_id, o.collected_pass LIMIT :limit",
        parameters,
    )


def measured_counts_of(conn: Connection, decisions: Sequence[UUID]) -> list[Measured]:
    """Measured rows of these decisions."""
    return _measured(conn, "o.decision_id = ANY(:decisions)", {"decisions": list(decisions)})


def _measured(conn: Connection, condition: str, parameters: dict[str, Any]) -> list[Measured]:
    names = ", ".join(f"o.{name}" for name in FIELDS)
    rows = conn.execute(
        text(
            f"SELECT o.decision_id, o.collected_pass, {names}, c.novelty, c.duplicate_similarity "
            f"FROM outcomes o JOIN content_metadata c USING (decision_id) WHERE o.read_status = 'ok' AND {condition}"
        ),
        parameters,
    )
    width = len(FIELDS)
    return [Measured(row[0], row[1], Counts(*row[2 : 2 + width]), row[2 + width], row[3 + width]) for row in rows]


def repeat_composites(conn: Connection, version: str) -> int:
    """Make `outcomes.reward_composite` repeat the stored rewards of `version` (always seed_v1); returns rows changed."""
    return conn.execute(
        text(
            "UPDATE outcomes o SET reward_composite = r.reward, updated_at = xbot_now(), run_id = xbot_run() FROM outcome_rewards r "
            "WHERE r.reward_version = :version AND (r.decision_id, r.collected_pass) = (o.decision_id, o.collected_pass) "
            "AND o.reward_composite IS DISTINCT FROM r.reward"
        ),
        {"version": version},
    ).rowcount
