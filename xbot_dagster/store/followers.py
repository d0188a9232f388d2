"""Follower counts over time, and how their change is split over posts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.store.bulk import stage

SNAPSHOT_EVERY = timedelta(hours=6)


@dataclass(frozen=True)
class DueAccount:
    """An account whose follower count should be read."""

    account: str
    handle: str


@dataclass(frozen=True)
class Snapshot:
    taken_at: datetime
    followers: int
    approximate: bool


@dataclass(frozen=True)
class SeenPost:
    """Impressions of a post: `ages` in hours and `impressions`, pass by pass."""

    decision_id: UUID
    posted_at: datetime
    ages: tuple[float, ...]
    impressions: tuple[int, ...]


@dataclass(frozen=True)
class Attributed:
    """One part of a window's change; decision_id None is the unattributed rest."""

    account: str
    window_start: datetime
    window_end: datetime
    decision_id: UUID | None
    follows: float
    low: float
    high: float
    method: str


_ATTRIBUTION_COLUMNS = {
    "account": "text",
    "window_start": "timestamptz",
    "window_end": "timestamptz",
    "decision_id": "uuid",
    "follows": "float8",
    "low": "float8",
    "high": "float8",
    "method": "text",
}


def snapshots_due(conn: Connection, every: timedelta = SNAPSHOT_EVERY) -> list[DueAccount]:
    """Enabled accounts whose last snapshot is at least `every` old, or who have none."""
    rows = conn.execute(
        text(
            "SELECT a.account, a.handle FROM accounts a LEFT JOIN LATERAL "
            "(SELECT taken_at FROM follower_snapshots f WHERE f.account = a.account ORDER BY taken_at DESC LIMIT 1) last ON true "
            "WHERE a.enabled AND (last.taken_at IS NULL OR last.taken_at <= xbot_now() - :every) ORDER BY a.account"
        ),
        {"every": every},
    )
    return [DueAccount(*row) for row in rows]


def next_snapshot_time(conn: Connection, every: timedelta = SNAPSHOT_EVERY) -> datetime | None:
    """When the next snapshot of any enabled account is due; an account without one is due now. None without accounts."""
    return conn.execute(
        text(
            "SELECT min(coalesce((SELECT max(taken_at) FROM follower_snapshots f WHERE f.account = a.account) + :every, xbot_now())) "
            "FROM accounts a WHERE a.enabled"
        ),
        {"every": every},
    ).scalar()


def add_snapshot(
    conn: Connection, account: str, taken_at: datetime, followers: int, approximate: bool, source: str, simulated: bool
) -> bool:
    """Store one snapshot; false when there is one of that instant already."""
    return bool(
        conn.execute(
            text(
                "INSERT INTO follower_snapshots (account, taken_at, followers, approximate, source, simulated) "
                "VALUES (:account, :taken_at, :followers, :approximate, :source, :simulated) ON CONFLICT DO NOTHING"
            ),
            {
                "account": account,
                "taken_at": taken_at,
                "followers": followers,
                "approximate": approximate,
                "source": source,
                "simulated": simulated,
            },
        ).rowcount
    )


def snapshots(conn: Connection, account: str, since: datetime) -> list[Snapshot]:
    """Snapshots of an account from `since` on, oldest first."""
    rows = conn.execute(
        text(
            "SELECT taken_at, followers, approximate FROM follower_snapshots WHERE account = :account AND taken_at >= :since "
            "ORDER BY taken_at"
        ),
        {"account": account, "since": since},
    )
    return [Snapshot(*row) for row in rows]


def seen_posts(conn: Connection, account: str, since: datetime) -> list[SeenPost]:
    """Measured posts of an account that were posted at or after `since`."""
    rows = conn.execute(
        text(
            "SELECT p.decision_id, p.posted_at, array_agg(o.observed_age_s / 3600 ORDER BY o.collected_pass), "
            "array_agg(o.impressions ORDER BY o.collected_pass) FROM posted_decisions p JOIN outcomes o USING (decision_id) "
            "WHERE p.account = :account AND p.posted_at >= :since AND o.read_status = 'ok' AND o.impressions IS NOT NULL "
            "AND o.collected_pass IN (1, 2) GROUP BY p.decision_id, p.posted_at ORDER BY p.posted_at, p.decision_id"
        ),
        {"account": account, "since": since},
    )
    return [SeenPost(row[0], row[1], tuple(row[2]), tuple(row[3])) for row in rows]


def replace_attribution(
    conn: Connection, account: str, method: str, since: datetime, rows: Sequence[Attributed]
) -> int:
    """Make `rows` the attribution of all windows of the account that end after `since`; returns rows written."""
    conn.execute(
        text("DELETE FROM follower_attribution WHERE account = :account AND method = :method AND window_end > :since"),
        {"account": account, "method": method, "since": since},
    )
    values = (
        (r.account, r.window_start, r.window_end, r.decision_id, r.follows, r.low, r.high, r.method) for r in rows
    )
    table = stage(conn, "attribution", _ATTRIBUTION_COLUMNS, values)
    names = ", ".join(_ATTRIBUTION_COLUMNS)
    return conn.exec_driver_sql(
        f"INSERT INTO follower_attribution ({names}) SELECT {names} FROM {table} ORDER BY window_end, decision_id"
    ).rowcount


def unbalanced_windows(conn: Connection, tolerance: float = 1e-6) -> list[tuple[str, datetime, float]]:
    """Windows whose parts do not sum to the change between their snapshots: (account, window end, difference)."""
    rows = conn.execute(
        text(
            "SELECT t.account, t.window_end, t.total - (b.followers - a.followers) FROM "
            "(SELECT account, window_start, window_end, method, sum(follows) AS total FROM follower_attribution GROUP BY 1, 2, 3, 4) t "
            "JOIN follower_snapshots a ON a.account = t.account AND a.taken_at = t.window_start "
            "JOIN follower_snapshots b ON b.account = t.account AND b.taken_at = t.window_end "
            "WHERE abs(t.total - (b.followers - a.followers)) > :tolerance ORDER BY 1, 2"
        ),
        {"tolerance": tolerance},
    )
    return [tuple(row) for row in rows]
