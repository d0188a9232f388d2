"""Posting through real Chromium on the replica while answers get lost and the poster is killed; the replica is the judge.

    python -m benchmarks.chaos --posts 1000 --ambiguous 0.05 --kill 0.02 --json

Every post is ordered once. Some submits end without an answer (some of them live, some not), and some ticks end with
SIGKILL of the posting process at a moment drawn from the state machine's own list. The replica accepts identical texts, so
that a second submit would show. Waits run on the injected clock. Prints

    ordered, on_timeline, needs_human, duplicates, lost, in_doubt_left     counts; from the replica's ledger, except the two
                                                                           states only we can know
    needs_human_unexplained   decisions handed to a person without two faults that left nothing live (must be 0)
    kills, ambiguous          what was done to the poster
    p50_seconds, p95_seconds  one whole tick with an undisturbed post: session and timeline read, composer, submit, all rows
    seconds, peak_rss_mb      of the run; memory of the poster with its browser, shared pages counted once
"""

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.environment import REPOSITORY, print_result
from benchmarks.ground import HANDLE, MemoryMeter, database
from xbot_dagster.clock import SimulatedClock
from xbot_dagster.domain.publishing.states import HOOKS
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.sandbox.process import start_world, stop_world
from xbot_dagster.store import posting
from xbot_dagster.x.browser.session import write_state

_START = datetime(2026, 11, 8, 0, 5, tzinfo=UTC)
SUBMIT_MS = 3_000
# Equal shares of the ambiguous submits; the slow answer comes after the poster has stopped waiting.
_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("accept_drop_response", {}),
    ("accept_slow", {"seconds": 1.5 * SUBMIT_MS / 1000}),
    ("drop_request", {}),
    ("crash_after_click", {"accepted": True}),
    ("crash_after_click", {"accepted": False}),
    ("empty_result", {"accepted": True}),
    ("empty_result", {"accepted": False}),
]
_OPEN = "SELECT count(*) AS n FROM content_metadata WHERE status IN ('queued', 'posting', 'in_doubt')"


@dataclass
class _Poster:
    """The posting process; started again after each kill."""

    wanted: dict[str, Any]
    process: subprocess.Popen[str] | None = None
    kills: int = 0
    seconds: list[float] = field(default_factory=list)

    def tick(self, die_at: str | None) -> bool:
        """One tick; False when the process died in it."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.posting_worker", json.dumps(self.wanted)],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"die_at": die_at}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.process = None
            if code != -9:
                sys.exit(f"The posting process ended by itself with exit code {code}.")
            self.kills += 1
            return False
        told = json.loads(line)
        if len(told["posted"]) == 1 and not told["in_doubt"]:
            self.seconds.append(told["seconds"])
        return True

    def close(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(timeout=30)


def run(posts: int, ambiguous: float, kill: float, seed: int) -> dict[str, Any]:
    """One run on a database and a replica of its own."""
    with tempfile.TemporaryDirectory(prefix="xbw") as folder:
        clock = SimulatedClock(Path(folder) / "clock.json", _START)
        world = start_world(Path(folder) / "world", seed=3, clock_file=clock.path)
        try:
            with database(clock) as (engine, _, home), _poster(engine, clock, world.url, home) as poster:
                client = SandboxClient(world.url)
                client.create_account(HANDLE)
                write_state(home / "sessions" / "default.json", client.storage_state(HANDLE))
                _order(engine, posts)
                _disturb(client, ambiguous, seed)
                not_ours = {world.pid}
                with MemoryMeter(lambda process: process.pid in not_ours or "postgres" in process.name()) as meter:
                    started = time.perf_counter()
                    in_flight = _drive(engine, clock, poster, random.Random(seed), kill, posts)
                    seconds = time.perf_counter() - started
                return {
                    **_judge(engine, client, posts, in_flight),
                    "kills": poster.kills,
                    **_percentiles(poster.seconds),
                    "seconds": round(seconds, 1),
                    "peak_rss_mb": round(meter.peak_mb),
                }
        finally:
            stop_world(world)


@contextmanager
def _poster(engine: Engine, clock: SimulatedClock, url: str, home: Path) -> Iterator[_Poster]:
    poster = _Poster(
        {
            "database": engine.url.render_as_string(hide_password=False),
            "clock": str(clock.path),
            "url": url,
            # The ledger's own limits hold; the smallest interval they allow keeps the simulated time short.
            "environment": {
                "XBOT_HOME": str(home),
                "X_HANDLE": HANDLE,
                "MAX_POSTS_PER_HOUR": "50",
                "MIN_POST_INTERVAL_MINUTES": "0",
            },
            "browser": True,
            "sessions": str(home / "sessions"),
            "evidence": str(home / "evidence"),
            "submit_ms": SUBMIT_MS,
        }
    )
    try:
        yield poster
    finally:
        poster.close()


def _order(engine: Engine, posts: int) -> None:
    """`posts` decisions with texts of their own, all due; no quiet hours."""
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE bot_config SET config_value = config_value || "
                "'{\"quiet_hours\": [], \"post_interval_min\": 15}' WHERE config_key = 'learning_config'"
            )
        )
        for number in range(posts):
            conn.execute(
                text(
                    "INSERT INTO content_metadata (decision_id, account, decision_type, text, generation_source, status, "
                    "scheduled_at, simulated) VALUES (:id, 'default', 'single', :text, 'synthetic', 'queued', "
                    "xbot_now() - make_interval(secs => :age), true)"
                ),
                {"id": str(uuid.uuid4()), "text": _words(number), "age": posts - number},
            )


def _words(number: int) -> str:
    return f"Evening note {number}: twenty quiet minutes, {number % 7 + 1} pages, and the phone in another room."


def _disturb(client: SandboxClient, ambiguous: float, seed: int) -> None:
    client.set_fault("duplicate_check", enabled=False)
    for number, (name, parameters) in enumerate(_FAULTS):
        client.set_fault(name, probability=ambiguous / len(_FAULTS), seed=seed + number, **parameters)
    client.set_fault("timeline_lag", probability=ambiguous, seed=seed + len(_FAULTS), seconds=45)


def _drive(
    engine: Engine, clock: SimulatedClock, poster: _Poster, rng: random.Random, kill: float, posts: int
) -> dict[str, int]:
    """Tick until nothing is open, moving the clock to the next due moment; kills by decision that was armed then."""
    in_flight: dict[str, int] = {}
    for _ in range(40 * posts + 100):
        with engine.connect() as conn:
            if conn.execute(text(_OPEN)).scalar_one() == 0:
                return in_flight
            moments = [moment for moment in (posting.next_posting_time(conn), posting.next_look_time(conn)) if moment]
        now = clock.now()
        clock.set(max(now, min(moments, default=now + timedelta(minutes=1))))
        if not poster.tick(rng.choice(HOOKS) if rng.random() < kill else None):
            with engine.connect() as conn:
                for row in conn.execute(text("SELECT decision_id FROM posting_attempts WHERE state = 'armed'")):
                    in_flight[str(row.decision_id)] = in_flight.get(str(row.decision_id), 0) + 1
    sys.exit("The queue did not empty.")


def _judge(engine: Engine, client: SandboxClient, posts: int, in_flight: dict[str, int]) -> dict[str, Any]:
    """The counts, from the replica's ledger."""
    ledger = client.ledger(HANDLE)
    submits = client.submits(HANDLE)["submits"]
    ordered = {_words(number) for number in range(posts)}
    live = [post["text"] for post in ledger["posts"] if post["text"] in ordered]
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT decision_id, status, text FROM content_metadata")).all()
    human = [row for row in rows if row.status == "needs_human"]
    dead: dict[str, int] = {}
    for submit in submits:
        if submit["post_id"] is None and not (submit["outcome"] == "empty" and submit["text"] in live):
            dead[submit["text"]] = dead.get(submit["text"], 0) + 1
    unexplained = [row for row in human if dead.get(row.text, 0) + in_flight.get(str(row.decision_id), 0) < 2]
    return {
        "ordered": posts,
        "on_timeline": len(set(live)),
        "needs_human": len(human),
        "duplicates": len(live) - len(set(live)),
        "lost": posts - len(set(live)) - len([row for row in human if row.text not in live]),
        "in_doubt_left": sum(row.status in ("in_doubt", "posting") for row in rows),
        "needs_human_unexplained": len(unexplained),
        "ambiguous": sum(submit["fault"] is not None or submit["outcome"] != "accepted" for submit in submits),
    }


def _percentiles(seconds: list[float]) -> dict[str, float | None]:
    ordered = sorted(seconds)
    if not ordered:
        return {"p50_seconds": None, "p95_seconds": None}
    return {
        "p50_seconds": round(ordered[len(ordered) // 2], 3),
        "p95_seconds": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
    }


def main(argv: list[str] | None = None) -> int:
    """Command line entry; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=1000)
    parser.add_argument("--ambiguous", type=float, default=0.05, help="share of submits that end without an answer")
    parser.add_argument("--kill", type=float, default=0.02, help="share of ticks in which the poster is killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    options = parser.parse_args(argv)
    if options.posts < 1 or not 0 <= options.ambiguous <= 0.9 or not 0 <= options.kill <= 0.5:
        parser.error("--posts is at least 1, --ambiguous between 0 and 0.9, --kill between 0 and 0.5")
    logging.getLogger("xbot").setLevel(logging.ERROR)
    result = run(options.posts, options.ambiguous, options.kill, options.seed)
    print_result(result, options.json)
    broken = result["duplicates"] or result["lost"] or result["in_doubt_left"] or result["needs_human_unexplained"]
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
