"""Millions of decisions, written with COPY, and what the sensors' questions cost on them."""

import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from benchmarks.ground import database, tweet_ids
from benchmarks.large_deployment import copy, name
from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.derive import derive
from xbot_dagster.settings import Settings
from xbot_dagster.stages import alerts, learn, plan, reconcile, train
from xbot_dagster.store import deployment, followers, outcomes, posting, sources
from xbot_dagster.store.outcomes import Outcome, outcome_columns, outcome_values

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)
ACCOUNTS = 1_000
MEASURED_SHARE = 50  # every so-manieth decision has its post and both passes: the sensors ask about what is open
_CHUNK = 250_000
_DECISION = {
    "decision_id": "uuid", "account": "text", "decision_type": "text", "text": "text", "arm": "text", "status": "text",
    "generation_source": "text", "scheduled_at": "timestamptz", "tweet_id": "text", "simulated": "bool",
    "created_at": "timestamptz",
}  # fmt: skip
_POSTED = {
    "decision_id": "uuid", "account": "text", "tweet_id": "text", "text": "text", "posted_at": "timestamptz",
    "publisher": "text", "via": "text", "simulated": "bool", "last_read_status": "text",
}  # fmt: skip
Question = Callable[[Connection, Settings], object]

# What each sensor and schedule asks, as it asks it.
QUESTIONS: dict[str, Question] = {
    "due_posts": lambda conn, settings: posting.posting_due(conn),
    "due_reconciliations": lambda conn, settings: posting.reconcile_due(conn) or reconcile.sweeps_due(conn, settings),
    "due_outcomes": lambda conn, settings: outcomes.count_due(conn),
    "due_snapshots": lambda conn, settings: followers.snapshots_due(conn),
    "due_learning": lambda conn, settings: (learn.learn_due(conn), train.train_due(conn)),
    "due_alerts": alerts.alerts_due,
    "refresh_sources": lambda conn, settings: sources.refresh_due(conn, timedelta(hours=6)),
    "plan_days": lambda conn, settings: plan.needs_planning(conn, NOW, settings),
}


def plant(engine: Engine, decisions: int, accounts: int = ACCOUNTS) -> None:
    """`decisions` of `accounts` accounts over the years; each account's coming day is planned."""
    with engine.begin() as conn:
        for number in range(1, accounts):
            deployment.add_account(conn, name(number), f"bench_{number}", "UTC")
    rng = random.Random(3)
    kept = _without_indexes(engine, "content_metadata")
    for start in range(0, decisions, _CHUNK):
        _chunk(engine, rng, start, min(_CHUNK, decisions - start), decisions, accounts)
    _with_indexes(engine, kept)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))


def sensor_times(decisions: int, repeats: int = 7) -> dict[str, float]:
    """Median milliseconds of each question on `decisions` decisions."""
    with database(FixedClock(NOW)) as (engine, settings, _):
        plant(engine, decisions)
        return {name: _median_ms(engine, settings, ask, repeats) for name, ask in QUESTIONS.items()}


def _median_ms(engine: Engine, settings: Settings, ask: Question, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        with engine.begin() as conn:
            started = time.perf_counter()
            ask(conn, settings)
            times.append(time.perf_counter() - started)
    return round(1000 * sorted(times)[repeats // 2], 2)


def _chunk(engine: Engine, rng: random.Random, start: int, count: int, total: int, accounts: int) -> None:
    keys = [uuid.uuid4() for _ in range(count)]
    # The oldest first; eight a day and account; the newest of each account lie in the day to come.
    ages = [(total - start - i) // accounts - 8 for i in range(count)]
    times = [NOW - timedelta(hours=3) * age for age in ages]
    ids = tweet_ids(datetime.fromtimestamp(1_300_000_000 + start * 10, UTC), count)
    names = [name((start + i) % accounts) for i in range(count)]
    measured = [ages[i] > 8 and rng.randrange(MEASURED_SHARE) == 0 for i in range(count)]

    def status(i: int) -> str:
        return "queued" if ages[i] < 0 else ("posted" if measured[i] else "expired")

    decisions = (
        (keys[i], names[i], "single", f"Note {start + i}.", "educational", status(i), "synthetic", times[i],
         ids[i] if measured[i] else None, True, times[i] - timedelta(hours=9))
        for i in range(count)
    )  # fmt: skip
    posts = [i for i in range(count) if measured[i]]
    copy(engine, "content_metadata", _DECISION, decisions)
    copy(
        engine, "posted_decisions", _POSTED,
        ((keys[i], names[i], ids[i], f"Note {start + i}.", times[i], "recorded", "response", True, "ok") for i in posts),
    )  # fmt: skip
    columns = outcome_columns()
    for number, hours in ((1, 1), (2, 24)):
        rows = (
            outcome_values(_outcome(rng, keys[i], number, names[i], ids[i], times[i] + timedelta(hours=hours)))
            for i in posts
        )
        copy(engine, "outcomes", columns, rows)


def _outcome(rng: random.Random, key: uuid.UUID, number: int, account: str, tweet: str, at: datetime) -> Outcome:
    seen = rng.randrange(200, 4000)
    counts = Counts(seen, seen // 30, seen // 50, seen // 300, seen // 400, None, 9, seen // 90, 3, 1)
    age = 3600.0 if number == 1 else 86_400.0
    return Outcome(
        key, number, account, tweet, counts, derive(counts, 0.5, 0.2), (), True, "recorded", "ok", False, age, False, at
    )


def _without_indexes(engine: Engine, table: str) -> list[str]:
    """Drop what a bulk load would update row by row; the definitions, to build the same again."""
    with engine.begin() as conn:
        rows = conn.execute(
            text(
                "SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.tablename = :table AND NOT EXISTS "
                "(SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)"
            ),
            {"table": table},
        ).all()
        for row in rows:
            conn.execute(text(f"DROP INDEX {row.indexname}"))
    return [row.indexdef for row in rows]


def _with_indexes(engine: Engine, definitions: list[str]) -> None:
    with engine.begin() as conn:
        conn.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        for definition in definitions:
            conn.execute(text(definition))
