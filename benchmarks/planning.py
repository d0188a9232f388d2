"""Planning while the LLM takes its time: several accounts side by side against one after the other.

`python -m benchmarks.planning --json` prints `one_at_a_time_seconds, side_by_side_seconds, speedup, decisions`. The sandbox's writer
answers every call after `--wait` seconds, as a model on the network does; each way plans the same accounts' first day, in one run.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.ground import database
from benchmarks.scale import SEED, add_accounts
from xbot_dagster.clock import FixedClock
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.sandbox.process import start_world, stop_world
from xbot_dagster.stages import loading, plan, refresh
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store import config
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.usage import UsageLedger

MIDNIGHT = datetime(2026, 11, 8, tzinfo=UTC)


def planned(accounts: int, posts_per_day: int, at_once: int, writer: str) -> tuple[float, int]:
    """(seconds of one planning run, decisions it made) on a deployment of its own."""
    clock, cache = FixedClock(MIDNIGHT), Cache(None, "bench:")
    with database(clock) as (engine, found, _):
        settings = found.model_copy(update={"OPENAI_BASE_URL": writer, "LLM_AT_ONCE": at_once})
        llm = BudgetedClient(UsageLedger(engine, settings, clock), settings, clock)
        try:
            with engine.begin() as conn:
                config.write(conn, settings, "learning_config", "posts_per_day", posts_per_day)
                loading.load_sources(conn, loading.bundled_sources(), "default", sandbox=True)
                add_accounts(conn, accounts, ["UTC"])
            refresh.run(engine, clock, settings, cache)
            began = time.perf_counter()
            report = plan.run(engine, clock, settings, llm, cache, Policies(engine, clock, settings, cache), SEED)
            seconds = time.perf_counter() - began
            if report.skipped:
                raise RuntimeError(f"not every account was planned: {next(iter(report.skipped.values()))}")
            with engine.begin() as conn:
                return seconds, int(conn.execute(text("SELECT count(*) FROM content_metadata")).scalar_one())
        finally:
            llm.close()


def run(accounts: int, posts_per_day: int, wait: float, at_once: int) -> dict[str, Any]:
    """Both ways, against one writer."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="xp") as folder:
        world = start_world(Path(folder) / "world", seed=SEED)
        try:
            world.client.set_fault("llm_slow", probability=1.0, seconds=wait, endpoint="chat")
            for name, width in (("one_at_a_time", 1), ("side_by_side", at_once)):
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{name:<20}")
                found[name] = planned(accounts, posts_per_day, width, f"{world.url}/llm/v1")
        finally:
            stop_world(world)
    (alone, first), (together, second) = found["one_at_a_time"], found["side_by_side"]
    return {
        "one_at_a_time_seconds": round(alone, 2),
        "side_by_side_seconds": round(together, 2),
        "speedup": round((alone / first) / (together / second), 2),
        "decisions": [first, second],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=32)
    parser.add_argument("--posts-per-day", type=int, default=2, help="decisions an account's day gets")
    parser.add_argument("--wait", type=float, default=1.0, help="seconds the LLM takes for an answer")
    parser.add_argument("--at-once", type=int, default=8, help="LLM_AT_ONCE of the second way")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    chosen = parser.parse_args()
    logging.getLogger("xbot").setLevel(logging.CRITICAL)
    found = run(chosen.accounts, chosen.posts_per_day, chosen.wait, chosen.at_once)
    print(json.dumps(found) if chosen.json else "\n".join(f"{name:<24} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
