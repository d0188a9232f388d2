"""Read what happened to our posts: pass 1 at T+1h, pass 2 at T+24h.

Belongs here: which read becomes a row, a retry, a censored row or a quarantined one. Not here: how a page is read (`x/`),
what is plausible or due (`domain/measuring/`), SQL (`store/`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Literal, cast

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.reward import DEFAULT_REFERENCES, RewardReferences
from xbot_dagster.domain.measuring import due, plausibility
from xbot_dagster.domain.measuring.counts import FIELDS, Counts
from xbot_dagster.domain.measuring.derive import derive, rewards_of
from xbot_dagster.settings import Settings
from xbot_dagster.store import outcomes as store
from xbot_dagster.store.outcomes import DuePost, Outcome, Refused, Schedule
from xbot_dagster.x.protocols import MetricRead, MetricSource, TweetRef

log = logging.getLogger("xbot")
SourceFor = Callable[[str], MetricSource]
BATCH = 50  # reads per transaction: what a killed collector may have to read again
_PASS_NAMES = {1: "Pass 1 (T+1h)", 2: "Pass 2 (T+24h)"}


@dataclass(frozen=True)
class CollectReport:
    """What one run did. `problems` counts reads that gave nothing, by status and detail; `wrong_ids` reads nobody asked for."""

    due: int = 0
    stored: dict[int, int] = field(default_factory=dict)
    late: int = 0
    retried: int = 0
    censored: int = 0
    quarantined: int = 0
    wrong_ids: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    skipped: str | None = None

    @property
    def stored_total(self) -> int:
        return sum(self.stored.values())


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    source_for: SourceFor,
    passes: Sequence[int] = (1, 2),
    limit: int = 1000,
    references: RewardReferences = DEFAULT_REFERENCES,
) -> CollectReport:
    """Read up to `limit` due posts and write their passes. Sources are handed out by account and closed by the caller.

    Safe to repeat and to interrupt: what is due is re-read from the rows, writing is an upsert.
    """
    if not settings.metrics_enabled:
        log.info("[ANALYTICS_COLLECTOR] ⏭️ Skipping: REAL_METRICS_ENABLED=false")
        return CollectReport(skipped="REAL_METRICS_ENABLED is not true")
    log.info("[ANALYTICS_COLLECTOR] 📊 Starting real analytics collection (V2)...")
    with engine.begin() as conn:
        posts = store.outcomes_due(conn, limit, passes)
        bests = {account: store.account_best(conn, account) for account in {post.account for post in posts}}
    for number in passes:
        if not any(post.next_pass == number for post in posts):
            log.info("[ANALYTICS_COLLECTOR] ℹ️ No posts ready for %s", _PASS_NAMES[number])
    tally = _Tally(due=len(posts))
    for account, group in groupby(sorted(posts, key=lambda p: p.account), key=lambda p: p.account):
        wanted = {post.tweet_id: post for post in group}
        reads = _answers(source_for(account), account, wanted, tally)
        for batch in _batches(reads):
            _store(engine, clock, batch, passes, bests[account], references, tally)
    return tally.report()


@dataclass
class _Tally:
    due: int
    counts: Counter[str] = field(default_factory=Counter)
    stored: Counter[int] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)

    def report(self) -> CollectReport:
        c = self.counts
        return CollectReport(
            self.due,
            dict(self.stored),
            c["late"],
            c["retried"],
            c["censored"],
            c["quarantined"],
            c["wrong_ids"],
            dict(self.problems),
        )


@dataclass
class _Writes:
    outcomes: list[Outcome] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def _answers(
    source: MetricSource, account: str, wanted: dict[str, DuePost], tally: _Tally
) -> Iterator[tuple[DuePost, MetricRead]]:
    """Pair each due post with its read; a post without an answer gets an `error`, a read nobody asked for is dropped."""
    refs = [TweetRef(p.tweet_id, p.handle, p.text, p.posted_at, p.is_reply) for p in wanted.values()]
    open_posts = dict(wanted)
    for read in source.read(account, refs):
        post = open_posts.pop(read.tweet_id, None)
        if post is None:
            tally.counts["wrong_ids"] += 1
            continue
        yield post, read
    name = cast(Literal["browser", "x_api", "recorded"], source.name)
    for post in open_posts.values():
        yield post, MetricRead(post.tweet_id, "error", name, detail="no answer")


def _batches(
    reads: Iterator[tuple[DuePost, MetricRead]],
) -> Iterator[list[tuple[DuePost, MetricRead]]]:
    batch: list[tuple[DuePost, MetricRead]] = []
    for pair in reads:
        batch.append(pair)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _store(
    engine: Engine,
    clock: Clock,
    batch: list[tuple[DuePost, MetricRead]],
    passes: Sequence[int],
    best: int | None,
    references: RewardReferences,
    tally: _Tally,
) -> None:
    now = clock.now()
    writes = _Writes()
    with engine.begin() as conn:
        for post, read in batch:
            counts = counts_of(read)
            if read.status == "ok":
                findings = plausibility.check(
                    counts, post.earlier, approximate=bool(read.approximate), account_best=best
                )
                if findings and all(f.confirmable for f in findings):
                    before = store.last_quarantined(conn, post.decision_id, post.next_pass)
                    if before is not None and plausibility.confirms(counts, before):
                        findings = []
                if findings:
                    _refuse(post, read, counts, "; ".join(f.reason for f in findings), now, writes, tally)
                else:
                    _accept(post, read, counts, passes, references, now, writes, tally)
            else:
                _retry_or_close(post, read, read.status, read.detail, now, writes, tally)
        store.upsert_outcomes(conn, writes.outcomes)
        store.reschedule(conn, writes.schedules)
        store.quarantine(conn, writes.refused)
    for line in writes.lines:
        log.info(line)


def counts_of(read: MetricRead) -> Counts:
    """The counts of a read as the domain's value."""
    return Counts(**{name: getattr(read, name) for name in FIELDS})


def _accept(
    post: DuePost,
    read: MetricRead,
    counts: Counts,
    passes: Sequence[int],
    references: RewardReferences,
    now: datetime,
    writes: _Writes,
    tally: _Tally,
) -> None:
    numbers = [post.next_pass]
    following = due.following(post.posted_at, post.next_pass)
    if following is not None and following[1] <= now and following[0] in passes:
        numbers.append(following[0])  # one look serves both passes; the first is marked late
        following = None
    for number in numbers:
        outcome = _outcome(post, read, counts, number, references, now)
        writes.outcomes.append(outcome)
        tally.stored[number] += 1
        tally.counts["late"] += outcome.late
        writes.lines.append(_line(outcome))
    status = read.detail if read.detail else "ok"
    writes.schedules.append(Schedule(post.decision_id, *(following or (None, None)), status, counts))


def _refuse(
    post: DuePost, read: MetricRead, counts: Counts, reason: str, now: datetime, writes: _Writes, tally: _Tally
) -> None:
    raw = {"counts": counts.as_dict(), "source": read.source, "approximate": list(read.approximate), "page": read.raw}
    writes.refused.append(Refused(post.decision_id, post.next_pass, post.tweet_id, reason, raw))
    tally.counts["quarantined"] += 1
    _retry_or_close(post, read, "implausible", reason, now, writes, tally)


def _retry_or_close(
    post: DuePost, read: MetricRead, status: str, detail: str, now: datetime, writes: _Writes, tally: _Tally
) -> None:
    tally.problems[f"{status}: {detail}" if detail else status] += 1
    writes.lines.append(
        f"[ANALYTICS_COLLECTOR] ⚠️ Could not fetch metrics for tweet_id={post.tweet_id} status={status} reason={detail or status}"
    )
    if due.gave_up(post.posted_at, post.next_pass, now, status):
        empty = MetricRead(read.tweet_id, "unavailable", read.source)
        censored = _outcome(post, empty, Counts(), post.next_pass, DEFAULT_REFERENCES, now, status)
        writes.outcomes.append(censored)
        tally.counts["censored"] += 1
        upcoming = due.following(post.posted_at, post.next_pass) or (None, None)
    else:
        tally.counts["retried"] += 1
        upcoming = (post.next_pass, due.retry_at(post.posted_at, post.next_pass, now))
    writes.schedules.append(Schedule(post.decision_id, *upcoming, status, Counts()))


def _outcome(
    post: DuePost,
    read: MetricRead,
    counts: Counts,
    number: int,
    references: RewardReferences,
    now: datetime,
    status: str = "ok",
) -> Outcome:
    derived = derive(counts, post.novelty, post.similarity)
    return Outcome(
        decision_id=post.decision_id,
        collected_pass=number,
        account=post.account,
        tweet_id=post.tweet_id,
        counts=counts,
        derived=derived,
        rewards=rewards_of(derived, post.novelty, post.similarity, references),
        simulated=post.simulated,
        source=read.source,
        read_status=status,
        approximate=bool(read.approximate),
        observed_age_s=(now - post.posted_at).total_seconds(),
        late=due.is_late(post.posted_at, number, now),
        collected_at=now,
    )


def _line(outcome: Outcome) -> str:
    derived, follows = outcome.derived, outcome.counts.follows
    er = "null" if derived.er is None else f"{derived.er * 100:.2f}"
    rate = "null" if derived.fpki is None else f"{derived.fpki:.2f}"
    shown = "null" if follows is None else str(follows)
    return (
        f"[ANALYTICS_COLLECTOR] ✅ Pass {outcome.collected_pass} stored: decision_id={outcome.decision_id} "
        f"ER={er}% FPKI={rate} follows={shown}"
    )
