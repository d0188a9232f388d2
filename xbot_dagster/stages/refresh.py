"""Refresh: read every enabled source, score what is new, keep the queue of candidates filled, mirror it to Redis.

Idempotent: an item is stored once per account (by its hash), and a second run on the same sources adds nothing.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import scoring
from xbot_dagster.domain.content.seeding import seeded_id
from xbot_dagster.domain.content.sources import Item
from xbot_dagster.domain.content.text import content_hash
from xbot_dagster.settings import Settings
from xbot_dagster.stages import fetching, shortage
from xbot_dagster.stages.reading import Reading, read_sources
from xbot_dagster.store import candidates as store
from xbot_dagster.store import config
from xbot_dagster.store import sources as source_store
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.candidates import NewCandidate
from xbot_dagster.store.sources import Source, SourceRun

log = logging.getLogger("xbot")

QUEUE_TARGET = 40  # candidates a run strives for: the seeds' 20-40
MAX_AGE_HOURS = 96.0  # a headline older than four days is no news
COOLDOWN_DAYS = {"topic_bank": 7.0, "evergreen": 30.0}
TIMELESS = timedelta(days=365)
SAMPLES = 5


@dataclass(frozen=True)
class SourceReport:
    """One source's part of a run. `status` is ok, unchanged or why it failed."""

    source: str
    account: str
    kind: str
    status: str
    items: int = 0
    new: int = 0
    duplicates: int = 0


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did. `held_back`: new items that found no room among the best; they are seen again next time."""

    sources: tuple[SourceReport, ...] = ()
    new: int = 0
    duplicates: int = 0
    held_back: int = 0
    dropped: int = 0
    revived: int = 0
    expired: int = 0
    queue_depth: int = 0
    top_topics: tuple[tuple[str, int], ...] = ()
    samples: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[SourceReport, ...]:
        return tuple(source for source in self.sources if source.status not in ("ok", "unchanged"))


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    cache: Cache,
    *,
    world: Callable[[], str] | None = None,
    resolve: fetching.Resolver = fetching.system_resolver,
) -> RefreshReport:
    """One refresh of every account's enabled sources. A source that fails is reported and costs the others nothing.

    `world`: the address of the sandbox's world, asked for only when a source is one of its feeds.
    """
    with engine.begin() as conn:
        wanted = source_store.sources(conn, enabled_only=True)
    readings = read_sources(wanted, settings, world=world, resolve=resolve)
    total = RefreshReport()
    with engine.begin() as conn:
        expired, returned = store.expire(conn), store.return_abandoned(conn)
    by_account: dict[str, list[Reading]] = {source.account: [] for source in wanted}
    for reading in readings:
        by_account[reading.source.account].append(reading)
    for account, mine in sorted(by_account.items()):
        with engine.begin() as conn:
            total = _merge(total, _store(conn, settings, account, mine, clock.now()))
            queue = store.fresh(conn, account, limit=10_000)
            shortage.close_when_over(conn, account, config.read_config(conn, settings, account).topics_allowed)
        cache.replace_queue(account, {str(each.candidate_id): each.score for each in queue})
        cache.remember_hashes(account, [each.content_hash for each in queue])
    for source in total.failed:
        log.warning("[CANDIDATES] ⚠️ source=%s failed: %s", source.source, source.status)
    log.info(
        "[CANDIDATES] ✅ new=%d duplicates=%d expired=%d returned=%d queue_depth=%d",
        total.new,
        total.duplicates,
        expired,
        returned,
        total.queue_depth,
    )
    return _merge(total, RefreshReport(expired=expired))


def _store(
    conn: Connection, settings: Settings, account: str, readings: Sequence[Reading], now: datetime
) -> RefreshReport:
    allowed = config.read_config(conn, settings, account).topics_allowed
    priors = scoring.topic_priors(store.topic_records(conn, account))
    weights = {reading.source.source: reading.source.weight for reading in readings}
    revived = sum(
        store.revive(
            conn,
            account,
            r.source.source,
            float(r.source.config.get("cooldown_days", COOLDOWN_DAYS[r.source.kind])),
            now + TIMELESS,
        )
        for r in readings
        if r.ok and r.source.kind in COOLDOWN_DAYS
    )
    rows, duplicates = _new_rows(conn, account, readings, priors, allowed, now)
    queue = store.fresh(conn, account, limit=10_000)
    rescored = {
        each.candidate_id: _score(each.published_at, each.topic, weights.get(each.source, 1.0), priors, now)
        for each in queue
    }
    store.rescore(conn, account, rescored)
    ranked = [(each.topic, rescored[each.candidate_id][0]) for each in queue] + [
        (row.topic, row.score) for row in rows if row.state == "fresh"
    ]
    best = scoring.diverse_order(ranked)[:QUEUE_TARGET]
    fresh_rows = [row for row in rows if row.state == "fresh"]
    admitted = [fresh_rows[index - len(queue)] for index in best if index >= len(queue)]
    dropped = [row for row in rows if row.state == "dropped"]
    added = set(store.insert(conn, account, admitted + dropped))
    new = Counter(row.source for row in admitted if row.candidate_id in added)
    # A feed with items left over must be read in full again, so its validators are not kept.
    left_over = Counter(row.source for row in fresh_rows) - Counter(row.source for row in admitted)
    source_store.record_runs(
        conn, [_run(r, duplicates[r.source.source], bool(left_over[r.source.source])) for r in readings]
    )
    return RefreshReport(
        sources=tuple(
            SourceReport(
                r.source.source,
                account,
                r.source.kind,
                r.status,
                len(r.items),
                new[r.source.source],
                duplicates[r.source.source],
            )
            for r in readings
        ),
        new=sum(new.values()),
        duplicates=sum(duplicates.values()),
        held_back=sum(left_over.values()),
        dropped=sum(row.candidate_id in added for row in dropped),
        revived=revived,
        queue_depth=store.queue_depth(conn, account),
        top_topics=tuple(store.top_topics(conn, account)),
        samples=tuple(row.title for row in admitted if row.candidate_id in added)[:SAMPLES],
    )


def _new_rows(
    conn: Connection,
    account: str,
    readings: Sequence[Reading],
    priors: Mapping[str, float],
    allowed: Sequence[str],
    now: datetime,
) -> tuple[list[NewCandidate], Counter[str]]:
    """Candidates nobody has seen, in the order of the sources, and the duplicates per source."""
    rows: dict[str, NewCandidate] = {}
    duplicates: Counter[str] = Counter()
    seen: list[tuple[Source, Item, str]] = []
    for reading in readings:
        for item in reading.items:
            if allowed and item.topic not in allowed:
                continue
            if _expiry(reading.source, item, now) <= now:
                continue
            seen.append((reading.source, item, item_hash(reading.source.kind, item)))
    known = store.known_hashes(conn, account, [digest for _, _, digest in seen])
    for source, item, digest in seen:
        if digest in known or digest in rows:
            duplicates[source.source] += 1
            continue
        value, fresh = _score(item.published_at, item.topic, source.weight, priors, now)
        rows[digest] = NewCandidate(
            candidate_id=seeded_id(0, "candidate", account, digest),
            source=source.source,
            topic=item.topic,
            title=item.title,
            angle=item.angle,
            url=item.url,
            score=value,
            freshness=fresh,
            content_hash=digest,
            published_at=item.published_at,
            expires_at=_expiry(source, item, now),
            state="dropped" if item.suspicious else "fresh",
            state_reason=item.suspicious,
        )
    return list(rows.values()), duplicates


def item_hash(kind: str, item: Item) -> str:
    """What makes two items the same: a feed's headline; topic, title and angle of everything else."""
    return content_hash(item.title) if kind == "feed" else content_hash(f"{item.topic}\n{item.title}\n{item.angle}")


def _expiry(source: Source, item: Item, now: datetime) -> datetime:
    if source.kind != "feed":
        return now + TIMELESS
    return (item.published_at or now) + timedelta(hours=float(source.config.get("max_age_hours", MAX_AGE_HOURS)))


def _score(
    published_at: datetime | None, topic: str, weight: float, priors: Mapping[str, float], now: datetime
) -> tuple[float, float]:
    fresh = scoring.freshness(published_at, now)
    return scoring.score(fresh, priors.get(topic, 0.5), weight), fresh


def _run(reading: Reading, duplicates: int, left_over: bool) -> SourceRun:
    etag, modified = (None, None) if left_over else (reading.etag, reading.last_modified)
    return SourceRun(reading.source.source, reading.ok, reading.status, len(reading.items), duplicates, etag, modified)


def _merge(one: RefreshReport, two: RefreshReport) -> RefreshReport:
    topics = Counter(dict(one.top_topics)) + Counter(dict(two.top_topics))
    return RefreshReport(
        one.sources + two.sources,
        one.new + two.new,
        one.duplicates + two.duplicates,
        one.held_back + two.held_back,
        one.dropped + two.dropped,
        one.revived + two.revived,
        one.expired + two.expired,
        one.queue_depth + two.queue_depth,
        tuple(sorted(topics.items(), key=lambda each: (-each[1], each[0]))[:SAMPLES]),
        (one.samples + two.samples)[:SAMPLES],
    )
