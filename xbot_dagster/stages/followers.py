"""Follower snapshots and the split of every window between them over the posts that were live in it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from uuid import UUID

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.measuring import attribution
from xbot_dagster.domain.measuring.attribution import DEFAULT_FIRST_HOUR, LIVE_FOR, METHOD, LivePost, Window
from xbot_dagster.settings import Settings
from xbot_dagster.store import followers as store
from xbot_dagster.store.followers import Attributed, SeenPost
from xbot_dagster.x.protocols import MetricSource

log = logging.getLogger("xbot")
# A window is split anew until the last outcome of its posts is in (T+24h and what may come late).
REVISED_FOR = timedelta(days=4)
TREND_FROM = timedelta(days=28)
_FIRST_HOUR_FROM = 8  # posts with both passes before the account's own curve is believed


@dataclass(frozen=True)
class FollowerReport:
    """What one run read. `problems` says per account why there is no number; `attributed` counts stored parts."""

    snapshots: int = 0
    attributed: int = 0
    windows: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    skipped: str | None = None


def run(engine: Engine, clock: Clock, settings: Settings, source_for: Callable[[str], MetricSource]) -> FollowerReport:
    """Take the snapshots that are due and attribute the windows they close."""
    if not settings.metrics_enabled:
        return FollowerReport(skipped="REAL_METRICS_ENABLED is not true")
    with engine.begin() as conn:
        due = store.snapshots_due(conn)
    taken, parts, windows = 0, 0, 0
    problems: dict[str, str] = {}
    for account in due:
        read = source_for(account.account).followers(account.account, account.handle)
        if read.followers is None:
            problems[account.account] = read.detail or "no follower count"
            log.info("[FOLLOWERS] ⚠️ No follower count account=%s reason=%s", account.account, problems[account.account])
            continue
        with engine.begin() as conn:
            now = clock.now()
            taken += store.add_snapshot(
                conn, account.account, now, read.followers, read.approximate, read.source, settings.simulated
            )
            added, closed = attribute(conn, account.account, now)
            parts, windows = parts + added, windows + closed
        log.info("[FOLLOWERS] ✅ Snapshot stored account=%s followers=%s", account.account, read.followers)
    return FollowerReport(taken, parts, windows, problems)


def attribute(conn: Connection, account: str, now: datetime) -> tuple[int, int]:
    """Split every window of the account that ended within `REVISED_FOR`; returns (parts stored, windows split)."""
    snaps = store.snapshots(conn, account, now - TREND_FROM)
    windows = [Window(a.taken_at, b.taken_at, a.followers, b.followers, _error(a, b)) for a, b in pairwise(snaps)]
    if not windows:
        return 0, 0
    posts = store.seen_posts(conn, account, windows[0].start - LIVE_FOR)
    first_hour = _first_hour(posts)
    live = [LivePost(str(p.decision_id), p.posted_at, tuple(zip(p.ages, p.impressions, strict=True))) for p in posts]
    rows: list[Attributed] = []
    split = 0
    history: list[tuple[Window, float]] = []
    for window in windows:
        inside = [p for p in live if p.posted_at < window.end and p.posted_at > window.start - LIVE_FOR]
        if window.end > now - REVISED_FOR:
            split += 1
            for part in attribution.attribute(window, inside, attribution.trend(history), first_hour):
                key = UUID(part.key) if part.key else None
                rows.append(
                    Attributed(account, window.start, window.end, key, part.follows, part.low, part.high, METHOD)
                )
        history.append((window, sum(attribution.gained(p, window, first_hour) for p in inside)))
    return store.replace_attribution(conn, account, METHOD, now - REVISED_FOR, rows), split


def _first_hour(posts: Sequence[SeenPost]) -> float:
    """The account's own share of the first day's impressions that came in the first hour."""
    shares = [p.impressions[0] / p.impressions[1] for p in posts if len(p.impressions) == 2 and p.impressions[1] > 0]
    return median(shares) if len(shares) >= _FIRST_HOUR_FROM else DEFAULT_FIRST_HOUR


def _error(a: store.Snapshot, b: store.Snapshot) -> float:
    """Standard error of one rounded count: a uniform error over the unit of its last shown digit."""
    if not (a.approximate or b.approximate):
        return 0.0
    unit = 100 if max(a.followers, b.followers) < 100_000 else 1_000
    return unit / 12**0.5
