"""Posts to describe, what was known when they were planned, and their features."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.store.bulk import stage


@dataclass(frozen=True)
class PlannedPost:
    """A posted decision of a day. `planned_at`: when its decision was made; for an imported post, when it was posted."""

    decision_id: UUID
    account: str
    zone: str
    text: str
    posted_at: datetime
    planned_at: datetime
    imported: bool
    novelty: float | None
    embedder: str | None
    target_followers: int | None
    target_velocity: float | None
    target_age_min: float | None


@dataclass(frozen=True)
class Vector:
    """One stored embedding with the time of its post."""

    posted_at: datetime
    embedder: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Described:
    """What a backfill found out about an imported post; stored with the decision, where planning leaves it for our own."""

    decision_id: UUID
    hook_pattern: str
    readability_score: float
    sentiment: float
    novelty: float | None
    similarity: float | None
    embedder: str | None
    vector: str | None


def posts_between(conn: Connection, day_from: date, day_to: date) -> list[PlannedPost]:
    """Posts of the UTC days `day_from` to `day_to`, both included, by account, oldest first."""
    rows = conn.execute(
        text(
            "SELECT p.decision_id, p.account, a.zone, p.text, p.posted_at, "
            "CASE WHEN c.generation_source = 'import' THEN p.posted_at ELSE c.created_at END, c.generation_source = 'import', "
            "c.novelty, c.embedder, t.follower_count, t.tweet_velocity, t.tweet_age_min "
            "FROM posted_decisions p JOIN content_metadata c USING (decision_id) JOIN accounts a ON a.account = p.account "
            "LEFT JOIN reply_targets t ON t.account = p.account AND t.target_tweet_id = c.target_tweet_id "
            "WHERE p.posted_at >= CAST(:day_from AS date) AT TIME ZONE 'UTC' "
            "AND p.posted_at < CAST(:day_to AS date) AT TIME ZONE 'UTC' + interval '1 day' "
            "ORDER BY p.account, p.posted_at, p.decision_id"
        ),
        {"day_from": day_from, "day_to": day_to},
    )
    return [PlannedPost(*row) for row in rows]


def posting_times(conn: Connection, account: str, until: datetime) -> list[datetime]:
    """When the account posted, up to `until`, oldest first."""
    rows = conn.execute(
        text(
            "SELECT posted_at FROM posted_decisions WHERE account = :account AND posted_at <= :until ORDER BY posted_at"
        ),
        {"account": account, "until": until},
    )
    return list(rows.scalars())


def known_outcomes(
    conn: Connection, account: str, until: datetime
) -> list[tuple[datetime, int | None, int | None, float | None]]:
    """(known at, impressions, retweets, engagement rate) of final outcomes known by `until`.

    An imported outcome was known a day after its post, whenever the file was read.
    """
    rows = conn.execute(
        text(
            "SELECT * FROM (SELECT CASE WHEN o.source = 'import' THEN p.posted_at + interval '24 hours' ELSE o.collected_at END AS known_at, "
            "o.impressions, o.retweets, o.er_calculated FROM final_outcomes o JOIN posted_decisions p USING (decision_id) "
            "WHERE o.account = :account AND o.collected_pass = 2) k WHERE known_at <= :until ORDER BY known_at"
        ),
        {"account": account, "until": until},
    )
    return [tuple(row) for row in rows]


def vectors_between(conn: Connection, account: str, since: datetime, until: datetime) -> list[Vector]:
    """Stored embeddings of the account's posts from `since` to `until`, oldest first."""
    rows = conn.execute(
        text(
            "SELECT p.posted_at, c.embedder, c.embedding::real[] FROM posted_decisions p JOIN content_metadata c USING (decision_id) "
            "WHERE p.account = :account AND p.posted_at >= :since AND p.posted_at <= :until AND c.embedding IS NOT NULL "
            "ORDER BY p.posted_at, p.decision_id"
        ),
        {"account": account, "since": since, "until": until},
    )
    return [Vector(row[0], row[1], tuple(row[2])) for row in rows]


def describe(conn: Connection, rows: Sequence[Described]) -> int:
    """Store what a backfill found out, only where nothing was stored before; returns decisions changed."""
    if not rows:
        return 0
    columns = {
        "decision_id": "uuid",
        "hook_pattern": "text",
        "readability_score": "float8",
        "sentiment": "float8",
        "novelty": "float8",
        "similarity": "float8",
        "embedder": "text",
        "vector": "text",
    }
    values = (
        (r.decision_id, r.hook_pattern, r.readability_score, r.sentiment, r.novelty, r.similarity, r.embedder, r.vector)
        for r in rows
    )
    table = stage(conn, "described", columns, values)
    return conn.exec_driver_sql(
        "UPDATE content_metadata c SET hook_pattern = coalesce(c.hook_pattern, s.hook_pattern), "
        "readability_score = coalesce(c.readability_score, s.readability_score), sentiment = coalesce(c.sentiment, s.sentiment), "
        "novelty = s.novelty, duplicate_similarity = s.similarity, embedder = s.embedder, embedding = s.vector::vector, "
        f"updated_at = xbot_now() FROM {table} s WHERE c.decision_id = s.decision_id AND c.embedder IS NULL "
        "AND (c.hook_pattern IS NULL OR s.embedder IS NOT NULL)"
    ).rowcount


def upsert_features(conn: Connection, version: str, rows: Sequence[tuple[UUID, str, date, dict[str, Any]]]) -> int:
    """Merge (decision, account, posted day, features) of one feature version; returns rows written (equal ones are not)."""
    if not rows:
        return 0
    columns = {"decision_id": "uuid", "account": "text", "posted_day": "date", "features": "jsonb"}
    table = stage(conn, "features", columns, rows)
    merged = conn.execute(
        text(
            "INSERT INTO post_features (decision_id, feature_version, account, posted_day, features) "
            f"SELECT decision_id, :version, account, posted_day, features FROM {table} ORDER BY decision_id "
            "ON CONFLICT (decision_id, feature_version) DO UPDATE SET features = excluded.features, posted_day = excluded.posted_day, "
            "computed_at = xbot_now(), run_id = xbot_run() WHERE post_features.features IS DISTINCT FROM excluded.features"
        ),
        {"version": version},
    )
    return merged.rowcount
