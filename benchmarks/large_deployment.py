"""A deployment after years of use, written with COPY: what the API benchmark asks, and the service that answers it."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.ground import tweet_ids
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.derive import derive
from xbot_dagster.store import deployment
from xbot_dagster.store.bulk import copy_rows
from xbot_dagster.store.outcomes import Outcome, outcome_columns, outcome_values

ACCOUNTS = 10
EVERY = timedelta(minutes=30)  # MAX_POSTS_PER_HOUR=2, round the clock
TICKS = {"due_posts": 30, "due_outcomes": 60, "due_learning": 300, "alerts": 900, "plan_days": 3600}
TICK_DAYS = 90
_CHUNK = 100_000
_DECISION = {
    "decision_id": "uuid", "account": "text", "decision_type": "text", "text": "text", "topic": "text", "arm": "text",
    "status": "text", "status_reason": "text", "generation_source": "text", "novelty": "float8", "scheduled_at": "timestamptz",
    "tweet_id": "text", "simulated": "bool", "created_at": "timestamptz", "updated_at": "timestamptz",
}  # fmt: skip
_POSTED = {
    "decision_id": "uuid", "account": "text", "tweet_id": "text", "text": "text", "posted_at": "timestamptz",
    "publisher": "text", "via": "text", "simulated": "bool", "last_read_status": "text",
}  # fmt: skip
_ARMS = ("educational", "contrarian", "story", "checklist", "question", "data", "myth", "howto", "list", "quote")
_TOPICS = ("sleep", "strength", "nutrition", "focus", "walking", "habits")


def name(number: int) -> str:
    return deployment.DEFAULT_ACCOUNT if number == 0 else f"account_{number}"


def plant(engine: Engine, now: datetime, outcomes: int, decisions: int) -> None:
    """`outcomes` rows (two to a post, the newest posts just now), `decisions` that ended without a post, and what stands
    around them: followers, arms, predictors, spend, ticks and tomorrow's queue."""
    rng = random.Random(5)
    with engine.begin() as conn:
        for number in range(1, ACCOUNTS):
            deployment.add_account(conn, name(number), f"bench_{number}", "UTC")
    per_account = outcomes // 2 // ACCOUNTS
    for number in range(ACCOUNTS):
        _posts(engine, rng, name(number), now, per_account, number)
        _unposted(engine, rng, name(number), now, decisions // ACCOUNTS)
        _around(engine, rng, name(number), now)
    _ticks(engine, now)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))


def copy(engine: Engine, table: str, columns: dict[str, str], rows: Iterator[Sequence[Any]] | list[Any]) -> None:
    with engine.begin() as conn:
        copy_rows(conn, table, list(columns), list(columns.values()), rows)


def _posts(engine: Engine, rng: random.Random, account: str, now: datetime, count: int, salt: int) -> None:
    times = [now - EVERY * (count - i) for i in range(count)]
    ids = tweet_ids(datetime.fromtimestamp(1_300_000_000 + salt * 10_000_000, now.tzinfo), count)
    keys = [uuid.uuid4() for _ in range(count)]
    words = [f"Note {i}: a quiet evening helps, and so does a walk before breakfast." for i in range(count)]
    kinds = [("reply" if i % 9 == 4 else "single") for i in range(count)]
    decisions = (
        (k, account, "single" if kind == "reply" else kind, w, rng.choice(_TOPICS), rng.choice(_ARMS), "posted", None,
         "synthetic", rng.random(), at, t, True, at - timedelta(hours=9), at)
        for k, kind, w, at, t in zip(keys, kinds, words, times, ids, strict=True)
    )  # fmt: skip
    copy(engine, "content_metadata", _DECISION, decisions)
    posted = (
        (k, account, t, w, at, "sandbox", "response", True, "ok")
        for k, t, w, at in zip(keys, ids, words, times, strict=True)
    )
    copy(engine, "posted_decisions", _POSTED, posted)
    columns = outcome_columns()
    for number, hours in ((1, 1), (2, 24)):
        rows = (
            outcome_values(_outcome(rng, k, number, account, t, at + timedelta(hours=hours)))
            for k, t, at in zip(keys, ids, times, strict=True)
        )
        copy(engine, "outcomes", columns, rows)


def _outcome(rng: random.Random, key: uuid.UUID, number: int, account: str, tweet: str, at: datetime) -> Outcome:
    seen = int(rng.lognormvariate(6.8, 0.7)) + 40
    counts = Counts(
        seen, seen // 30, seen // 50, seen // 300, seen // 400, None, 9, seen // 90, 3, rng.choice((0, 0, 1, 2))
    )
    age = 3600.0 if number == 1 else 86_400.0
    return Outcome(
        key, number, account, tweet, counts, derive(counts, 0.5, 0.2), (), True, "recorded", "ok", False, age, False, at
    )


def _unposted(engine: Engine, rng: random.Random, account: str, now: datetime, count: int) -> None:
    def rows() -> Iterator[Sequence[Any]]:
        for i in range(count):
            at = now - timedelta(minutes=70) * i - timedelta(minutes=5)
            status = rng.choice(("blocked", "expired", "cancelled"))
            yield (
                uuid.uuid4(), account, "single", f"Draft {i} that did not go out.", rng.choice(_TOPICS), rng.choice(_ARMS),
                status, "too close to a post of 3 days ago", "synthetic", rng.random(), at, None, True,
                at - timedelta(hours=9), at,
            )  # fmt: skip
        for i in range(24):
            at = now + timedelta(minutes=60 * i + 20)
            status = "awaiting_approval" if i % 4 == 1 else "queued"
            yield (
                uuid.uuid4(), account, "single", f"Tomorrow's note {i}: walk first, then coffee.", rng.choice(_TOPICS),
                rng.choice(_ARMS), status, None, "synthetic", rng.random(), at, None, True, now - timedelta(hours=9), now,
            )  # fmt: skip

    copy(engine, "content_metadata", _DECISION, rows())


def _around(engine: Engine, rng: random.Random, account: str, now: datetime) -> None:
    snapshots = ((account, now - timedelta(hours=6) * i, 9000 - 2 * i, "recorded", True) for i in range(4 * 365))
    columns = {"account": "text", "taken_at": "timestamptz", "followers": "int8", "source": "text", "simulated": "bool"}
    copy(engine, "follower_snapshots", columns, list(snapshots))
    arms = [
        (account, scope, arm, 40.0, 60.0, 100, 0.4, 0.3, 0.5, True)
        for scope, arms in (("content", _ARMS), ("hour", [f"{h:02d}" for h in range(24)]))
        for arm in arms
    ]
    columns = {
        "account": "text", "scope": "text", "arm_name": "text", "successes": "float8", "failures": "float8", "n": "int8",
        "mean_reward": "float8", "ci_low": "float8", "ci_high": "float8", "simulated": "bool",
    }  # fmt: skip
    copy(engine, "bandit_arms", columns, arms)
    versions = [
        (account, "content", v, "ridge", now, 100 * v, "{}", "champion" if v == 150 else "retired", True,
         now - timedelta(days=150 - v))
        for v in range(1, 151)
    ]  # fmt: skip
    columns = {
        "account": "text", "kind": "text", "version": "int4", "algorithm": "text", "as_of": "timestamptz", "n": "int4",
        "payload": "jsonb", "state": "text", "simulated": "bool", "created_at": "timestamptz",
    }  # fmt: skip
    copy(engine, "predictor_versions", columns, versions)
    calls = [
        (account, "content_generation", "gpt-4o-mini", (now - timedelta(days=d)).date(), "settled", 0.005,
         rng.uniform(0.0002, 0.004), True, now - timedelta(days=d))
        for d in range(365) for _ in range(20)
    ]  # fmt: skip
    columns = {
        "account": "text", "purpose": "text", "model": "text", "budget_day": "date", "state": "text",
        "reserved_usd": "float8", "cost_usd": "float8", "simulated": "bool", "created_at": "timestamptz",
    }  # fmt: skip
    copy(engine, "api_usage", columns, calls)


def _ticks(engine: Engine, now: datetime) -> None:
    """The ticks that are kept: every sensor, every time it looked."""
    columns = {"at": "timestamptz", "name": "text", "kind": "text", "skipped": "text"}
    for sensor, seconds in TICKS.items():
        count = TICK_DAYS * 86_400 // seconds
        rows = ((now - timedelta(seconds=seconds) * i, sensor, "sensor", "nothing is due") for i in range(count))
        copy(engine, "tick_log", columns, rows)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(words: list[str], port: int, flags: dict[str, str], log: Path) -> Iterator[str]:
    """A service in its own process, ready to answer on `port`; yields its address."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")}
    with open(log, "ab") as sink:
        process = subprocess.Popen([sys.executable, *words], env=kept | flags, stdout=sink, stderr=sink)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{address}/readyz"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(words)} did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def document(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())
