"""Measured posts: what is due, the passes, their rewards, what was refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.domain.measuring.counts import FIELDS, Counts
from xbot_dagster.domain.measuring.derive import Derived, Reward
from xbot_dagster.store.bulk import stage
from xbot_dagster.store.rewards import upsert_rewards


@dataclass(frozen=True)
class DuePost:
    """A post whose next pass is due, with what the derived figures need and the earlier pass, when there is one."""

    decision_id: UUID
    account: str
    handle: str
    tweet_id: str
    text: str
    posted_at: datetime
    next_pass: int
    is_reply: bool
    novelty: float | None
    similarity: float | None
    simulated: bool
    earlier: Counts | None


@dataclass(frozen=True)
class Outcome:
    """One row of `outcomes` to store, with the rewards computed from it. A censored row has a read_status other than ok."""

    decision_id: UUID
    collected_pass: int
    account: str
    tweet_id: str
    counts: Counts
    derived: Derived
    rewards: tuple[Reward, ...]
    simulated: bool
    source: str
    read_status: str
    approximate: bool
    observed_age_s: float
    late: bool
    collected_at: datetime


@dataclass(frozen=True)
class Schedule:
    """What comes next for a post: its next pass and when, or None for both; `status` of the last read."""

    decision_id: UUID
    next_pass: int | None
    next_due_at: datetime | None
    status: str
    counts: Counts


@dataclass(frozen=True)
class Refused:
    """A read for quarantine. `raw` holds the counts and whatever the source saw."""

    decision_id: UUID
    collected_pass: int
    tweet_id: str
    reason: str
    raw: dict[str, Any]


_OUTCOME_COLUMNS = {
    "decision_id": "uuid",
    "collected_pass": "int2",
    "account": "text",
    "tweet_id": "text",
    **{name: "int8" for name in FIELDS},
    "er_calculated": "float8",
    "fpki": "float8",
    "retweet_rate": "float8",
    "reply_rate": "float8",
    "reward_composite": "float8",
    "exposure_weight": "float8",
    "simulated": "bool",
    "source": "text",
    "read_status": "text",
    "approximate": "bool",
    "observed_age_s": "float8",
    "late": "bool",
    "collected_at": "timestamptz",
}
_SCHEDULE_COLUMNS = {
    "decision_id": "uuid",
    "next_pass": "int2",
    "next_due_at": "timestamptz",
    "status": "text",
    "profile_visits": "int8",
    "link_clicks": "int8",
    "bookmarks": "int8",
}

_DUE = text(
    """
    SELECT p.decision_id, p.account, a.handle, p.tweet_id, p.text, p.posted_at, p.next_pass, c.decision_type = 'reply' AS is_reply,
           c.novelty, c.duplicate_similarity, p.simulated, o.decision_id IS NOT NULL AS has_earlier,
           o.impressions, o.engagements, o.likes, o.retweets, o.replies, o.quotes, o.bookmarks, o.profile_visits, o.link_clicks,
           o.follows
    FROM posted_decisions p
    JOIN content_metadata c USING (decision_id)
    JOIN accounts a ON a.account = p.account
    LEFT JOIN outcomes o ON o.decision_id = p.decision_id AND o.collected_pass = 1 AND o.read_status = 'ok'
    WHERE p.next_due_at <= xbot_now() AND p.next_pass = ANY(:passes)
    ORDER BY p.next_due_at, p.decision_id
    LIMIT :limit
    """
)


def outcomes_due(conn: Connection, limit: int, passes: Sequence[int] = (1, 2)) -> list[DuePost]:
    """Posts whose next pass (one of `passes`) is due now, longest overdue first."""
    rows = conn.execute(_DUE, {"limit": limit, "passes": list(passes)}).mappings()
    return [
        DuePost(
            row["decision_id"],
            row["account"],
            row["handle"],
            row["tweet_id"],
            row["text"],
            row["posted_at"],
            row["next_pass"],
            row["is_reply"],
            row["novelty"],
            row["duplicate_similarity"],
            row["simulated"],
            Counts(**{name: row[name] for name in FIELDS}) if row["has_earlier"] else None,
        )
        for row in rows
    ]


def count_due(conn: Connection, passes: Sequence[int] = (1, 2)) -> dict[int, int]:
    """How many posts are due now, by pass."""
    rows = conn.execute(
        text(
            "SELECT next_pass, count(*) FROM posted_decisions WHERE next_due_at <= xbot_now() AND next_pass = ANY(:passes) GROUP BY 1"
        ),
        {"passes": list(passes)},
    )
    return {row[0]: row[1] for row in rows}


def next_outcome_time(conn: Connection) -> datetime | None:
    """When the next pass of any post is due (it may lie in the past); None when nothing is to be measured."""
    return conn.execute(text("SELECT min(next_due_at) FROM posted_decisions WHERE next_due_at IS NOT NULL")).scalar()


def upsert_outcomes(conn: Connection, rows: Sequence[Outcome]) -> int:
    """Merge `rows` (at most one per decision and pass) into `outcomes` and their rewards into `outcome_rewards`.

    Returns how many outcome rows were written. A row that says the same as the stored one is left alone; a censored row
    never replaces a measured one.
    """
    if not rows:
        return 0
    table = stage(conn, "outcomes", _OUTCOME_COLUMNS, map(outcome_values, rows))
    written = conn.exec_driver_sql(_merge_outcomes(table)).rowcount
    rewards = [
        (row.decision_id, row.collected_pass, r.version, r.reward, r.weight, r.refs)
        for row in rows
        for r in row.rewards
    ]
    upsert_rewards(conn, rewards)
    return written


def reschedule(conn: Connection, rows: Sequence[Schedule]) -> int:
    """Write what comes next for each post, and the last known counts that `posted_decisions` repeats. Returns rows changed."""
    if not rows:
        return 0
    values = (
        (
            r.decision_id,
            r.next_pass,
            r.next_due_at,
            r.status,
            r.counts.profile_visits,
            r.counts.link_clicks,
            r.counts.bookmarks,
        )
        for r in rows
    )
    table = stage(conn, "schedule", _SCHEDULE_COLUMNS, values)
    return conn.exec_driver_sql(
        "UPDATE posted_decisions p SET next_pass = s.next_pass, next_due_at = s.next_due_at, last_read_status = s.status, "
        "profile_visits = coalesce(s.profile_visits, p.profile_visits), link_clicks = coalesce(s.link_clicks, p.link_clicks), "
        f"bookmarks = coalesce(s.bookmarks, p.bookmarks) FROM {table} s WHERE p.decision_id = s.decision_id"
    ).rowcount


def quarantine(conn: Connection, rows: Sequence[Refused]) -> None:
    """Keep refused reads with their raw form."""
    if rows:
        conn.execute(
            text(
                "INSERT INTO outcome_quarantine (decision_id, collected_pass, tweet_id, reason, raw) "
                "VALUES (:decision_id, :collected_pass, :tweet_id, :reason, CAST(:raw AS jsonb))"
            ),
            [
                {
                    "decision_id": r.decision_id,
                    "collected_pass": r.collected_pass,
                    "tweet_id": r.tweet_id,
                    "reason": r.reason,
                    "raw": json.dumps(r.raw, default=str),
                }
                for r in rows
            ],
        )


def last_quarantined(conn: Connection, decision_id: UUID, number: int) -> Counts | None:
    """The counts of the newest read in quarantine for this post and pass."""
    raw = conn.execute(
        text(
            "SELECT raw FROM outcome_quarantine WHERE decision_id = :id AND collected_pass = :number ORDER BY id DESC LIMIT 1"
        ),
        {"id": decision_id, "number": number},
    ).scalar()
    return Counts(**{name: raw["counts"].get(name) for name in FIELDS}) if raw else None


def account_best(conn: Connection, account: str, days: int = 90, least_posts: int = 5) -> int | None:
    """The largest likes or reposts of the account's posts of the last `days`; None below `least_posts` measured posts."""
    row = conn.execute(
        text(
            "SELECT count(*), max(greatest(likes, retweets)) FROM outcomes WHERE account = :account AND read_status = 'ok' "
            "AND collected_at > xbot_now() - make_interval(days => :days)"
        ),
        {"account": account, "days": days},
    ).one()
    return row[1] if row[0] >= least_posts else None


def outcome_columns() -> dict[str, str]:
    """Columns that a read fills, with their PostgreSQL types, in the order of `outcome_values`."""
    return dict(_OUTCOME_COLUMNS)


def outcome_values(row: Outcome) -> tuple[Any, ...]:
    """One row for COPY, in the order of `outcome_columns`."""
    c, d = row.counts, row.derived
    return (
        row.decision_id,
        row.collected_pass,
        row.account,
        row.tweet_id,
        c.impressions,
        c.engagements,
        c.likes,
        c.retweets,
        c.replies,
        c.quotes,
        c.bookmarks,
        c.profile_visits,
        c.link_clicks,
        c.follows,
        d.er,
        d.fpki,
        d.retweet_rate,
        d.reply_rate,
        d.reward_composite,
        d.exposure_weight,
        row.simulated,
        row.source,
        row.read_status,
        row.approximate,
        row.observed_age_s,
        row.late,
        row.collected_at,
    )


_COMPARED = (*FIELDS, "reward_composite", "read_status", "late")


def _merge_outcomes(table: str) -> str:
    names = ", ".join(_OUTCOME_COLUMNS)
    changed = [name for name in _OUTCOME_COLUMNS if name not in ("decision_id", "collected_pass", "simulated")]
    updates = ", ".join(f"{name} = excluded.{name}" for name in changed)
    stored = ", ".join(f"outcomes.{name}" for name in _COMPARED)
    fresh = ", ".join(f"excluded.{name}" for name in _COMPARED)
    return (
        # Sorted, so that two collectors lock the same rows in the same order; who writes and when is asked once, not row by row.
        f"INSERT INTO outcomes ({names}, updated_at, run_id) SELECT {names}, at, run "
        f"FROM {table}, (SELECT xbot_now() AS at, xbot_run() AS run) AS writing ORDER BY decision_id, collected_pass "
        f"ON CONFLICT (decision_id, collected_pass) DO UPDATE SET {updates}, updated_at = excluded.updated_at, run_id = excluded.run_id "
        "WHERE (excluded.read_status = 'ok' OR outcomes.read_status <> 'ok') "
        f"AND ({stored}) IS DISTINCT FROM ({fresh})"
    )
