"""What the measuring benchmarks stand on: a fresh embedded database, posted decisions in bulk, and a memory meter."""

import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.embedded import postgres
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import config, deployment, migrations
from xbot_dagster.store.bulk import copy_rows
from xbot_dagster.store.engine import make_engine

HANDLE = "bench_account"
_DECISIONS = {
    "decision_id": "uuid",
    "account": "text",
    "decision_type": "text",
    "text": "text",
    "status": "text",
    "generation_source": "text",
    "novelty": "float8",
    "duplicate_similarity": "float8",
    "tweet_id": "text",
    "simulated": "bool",
}
_POSTED = {
    "decision_id": "uuid",
    "account": "text",
    "tweet_id": "text",
    "text": "text",
    "posted_at": "timestamptz",
    "publisher": "text",
    "via": "text",
    "next_pass": "int2",
    "next_due_at": "timestamptz",
    "simulated": "bool",
}


@contextmanager
def database(clock: Clock, mode: str = "sandbox") -> Iterator[tuple[Engine, Settings, Path]]:
    """(engine, flags, folder) of a home that exists for this run only; `mode` sandbox or shadow (the real family)."""
    with tempfile.TemporaryDirectory(prefix="xb") as folder:
        home = Path(folder)
        socket = postgres.start(home / "postgres")
        try:
            postgres.ensure_database(socket, "xbot")
            url = postgres.url(socket, "xbot")
            migrations.up(url)
            settings = load_settings({"MODE": mode, "XBOT_HOME": folder, "X_HANDLE": HANDLE})
            engine = make_engine(url, clock)
            with engine.begin() as conn:
                deployment.stamp(conn, settings, seed=1)
                deployment.add_account(conn, deployment.DEFAULT_ACCOUNT, HANDLE, "UTC")
                config.install_defaults(conn, settings)
            yield engine, settings, home
            engine.dispose()
        finally:
            postgres.stop(home / "postgres")


def plant(
    engine: Engine, posts: Sequence[tuple[uuid.UUID, str, str, datetime, datetime | None]], simulated: bool = True
) -> None:
    """Posted decisions of the default account: (decision, tweet id, text, posted at, pass 1 due at or None)."""
    with engine.begin() as conn:
        source = "synthetic" if simulated else "real"
        decisions = (
            (d, "default", "single", words, "posted", source, 0.5, 0.2, t, simulated) for d, t, words, _, _ in posts
        )
        copy_rows(conn, "content_metadata", list(_DECISIONS), list(_DECISIONS.values()), decisions)
        posted = (
            (d, "default", t, words, at, "sandbox", "response", 1 if due else None, due, simulated)
            for d, t, words, at, due in posts
        )
        copy_rows(conn, "posted_decisions", list(_POSTED), list(_POSTED.values()), posted)


def tweet_ids(start: datetime, count: int) -> list[str]:
    """Distinct snowflakes, one a second from `start` on."""
    base = int((start.timestamp()) * 1000) - 1288834974657
    return [str((base + 1000 * number) << 22 | 1) for number in range(count)]


class MemoryMeter:
    """Peak memory of this process and its children, as the sum of proportional set sizes (shared pages counted once)."""

    def __init__(self, left_out: Callable[[psutil.Process], bool] = lambda process: False) -> None:
        self.peak_mb = 0.0
        self._left_out = left_out
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemoryMeter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._done.wait(2.0):
            total = 0
            for process in [own, *own.children(recursive=True)]:
                try:
                    total += 0 if self._left_out(process) else process.memory_full_info().pss
                except psutil.Error:
                    continue  # it ended while being looked at
            self.peak_mb = max(self.peak_mb, total / 2**20)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
