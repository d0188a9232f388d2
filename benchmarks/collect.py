"""Reading due posts from the replica's pages with real Chromium, and storing them.

    python -m benchmarks.collect --posts 1000 --json

Prints `due, stored, wrong_ids, unexplained_nulls, seconds, peak_rss_mb`: rows whose counts are not the audience's counts of
that very post are wrong; a count is an unexplained null when the page must show it. Memory is that of the reader and its
browser, without database and replica. `seconds` covers the whole stage, from the due query to the last stored row.
"""

import argparse
import logging
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from benchmarks.environment import print_result
from benchmarks.ground import HANDLE, MemoryMeter, database, hours, plant
from xbot_dagster.clock import SimulatedClock
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.sandbox.process import start_world, stop_world
from xbot_dagster.stages import collect
from xbot_dagster.x.browser.metrics import BrowserMetrics
from xbot_dagster.x.browser.session import BrowserHost

_START = datetime(2026, 11, 8, 12, tzinfo=UTC)
# From a browser, quotes are among the reposts, and link clicks exist only for a post with a link.
_ALWAYS = ("impressions", "engagements", "likes", "retweets", "replies", "bookmarks", "profile_visits", "follows")


def run(posts: int, tabs: int) -> dict[str, Any]:
    """One run on a world of its own."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="xbw") as folder:
        clock = SimulatedClock(Path(folder) / "clock.json", _START)
        world = start_world(Path(folder) / "world", seed=3, clock_file=clock.path)
        try:
            with database(clock) as (engine, settings, _):
                return _measure(engine, settings, clock, world, posts, tabs)
        finally:
            stop_world(world)


def _measure(engine: Any, settings: Any, clock: SimulatedClock, world: Any, posts: int, tabs: int) -> dict[str, Any]:
    client = world.client
    client.create_account(HANDLE)
    planted = []
    for number in range(posts):
        words = f"Note {number} on how a quiet evening helps." + (
            " https://example.com/notes" if number % 5 == 0 else ""
        )
        tweet_id = client.recorded_post(HANDLE, words)["id"]
        planted.append((uuid.uuid4(), tweet_id, words, clock.now(), clock.now() + hours(1)))
    plant(engine, planted)
    clock.sleep(3600)
    source = BrowserMetrics(
        BrowserHost(find_browser()), world.url, lambda account: client.storage_state(HANDLE), tabs=tabs
    )
    with MemoryMeter(lambda process: process.pid == world.pid or "postgres" in process.name()) as meter:
        started = time.perf_counter()
        report = collect.run(engine, clock, settings, lambda account: source, passes=(1,), limit=posts)
        seconds = time.perf_counter() - started
        source.close()
    wrong, nulls = _judge(engine, client, {tweet_id: words for _, tweet_id, words, _, _ in planted})
    return {
        "due": report.due,
        "stored": report.stored_total,
        "wrong_ids": wrong + report.wrong_ids,
        "unexplained_nulls": nulls,
        "seconds": round(seconds, 1),
        "posts_per_s": round(report.stored_total / seconds, 1),
        "peak_rss_mb": round(meter.peak_mb),
        "problems": report.problems,
    }


def _judge(engine: Any, client: Any, words: dict[str, str]) -> tuple[int, int]:
    """(rows with another post's counts, counts that are missing without a reason) against the world's own ledger."""
    with engine.begin() as conn:
        rows = {row["tweet_id"]: row for row in conn.execute(text("SELECT * FROM outcomes")).mappings()}
    truth: dict[str, dict[str, int]] = {}
    ids = list(words)
    for start in range(0, len(ids), 500):
        truth |= client.recorded_metrics(ids[start : start + 500])["metrics"]
    wrong = nulls = 0
    for tweet_id, row in rows.items():
        true = truth.get(tweet_id)
        expected = true and {
            **{
                name: true[name]
                for name in ("impressions", "likes", "replies", "bookmarks", "follows", "profile_visits")
            },
            "retweets": true["retweets"] + true["quotes"],
        }
        wrong += expected is None or any(row[name] not in (None, value) for name, value in expected.items())
        nulls += sum(row[name] is None for name in _ALWAYS) + (
            row["link_clicks"] is None and "https" in words[tweet_id]
        )
    return wrong, nulls


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collect", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--posts", type=int, default=1000, help="due posts (default 1000)")
    parser.add_argument("--tabs", type=int, default=3, help="pages read at a time (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    logging.getLogger("xbot").setLevel(logging.ERROR)
    print_result(run(options.posts, options.tabs), options.json)


if __name__ == "__main__":
    main()
