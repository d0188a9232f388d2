"""Content at speed: gates with novelty against stored vectors, the safety guard alone, refreshing feeds, reserving money.

`python -m benchmarks.content --json` prints `gate_candidates_per_s, safety_texts_per_s, refresh_seconds, reservations_per_s,
overspend_usd`. Everything runs on a Postgres and Valkey of its own; feeds come over HTTP from a local server that waits.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psycopg
from sqlalchemy import Engine, text

from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.content import safety
from xbot_dagster.domain.content.chain import ChainConfig
from xbot_dagster.domain.content.safety import SafetyConfig
from xbot_dagster.domain.content.sources import SourceSpec
from xbot_dagster.domain.content.text import content_hash
from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder
from xbot_dagster.embedded import postgres, valkey
from xbot_dagster.embedded.home import Home
from xbot_dagster.errors import BudgetExceeded
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import gates, refresh
from xbot_dagster.store import config, decisions, deployment, migrations, sources, usage, verdicts
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.decisions import NewDecision
from xbot_dagster.store.engine import make_engine
from xbot_dagster.store.usage import UsageLedger

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)
DIM = 256
PRICE = 0.01
POSTS_AN_ACCOUNT = 1_250  # of 30 days
SUBJECTS = ("A dark room", "An early lunch", "One page a day", "The same alarm", "A paper list", "Ten slow breaths")
CLAIMS = (
    "changes more than an app",
    "costs nothing at all",
    "makes the next morning easier",
    "is the habit most people skip",
)
ENDINGS = ("Try it for seven days.", "Start tonight — it is small.", "Write down what you notice.", "Keep it small.")


def sentence(number: int) -> str:
    """A readable post that no other number gives."""
    subject, claim, ending = SUBJECTS[number % 6], CLAIMS[number // 6 % 4], ENDINGS[number // 24 % 4]
    return (
        f"{subject} {claim}. Day {number} of the experiment took {number % 50 + 5} minutes and one cup of tea. {ending}"
    )


@contextmanager
def ground() -> Iterator[tuple[str, str, Path]]:
    """Addresses of a migrated Postgres and a Valkey, ended and removed afterwards."""
    root = Path(tempfile.mkdtemp(prefix="xbot_bench_"))
    root.chmod(0o755)
    home = Home(root / "home")
    home.prepare()
    try:
        socket_dir = postgres.start(home.postgres)
        postgres.ensure_database(socket_dir, "xbot")
        migrations.up(postgres.url(socket_dir, "xbot"))
        yield postgres.url(socket_dir, "xbot"), valkey.start(home.valkey), root
    finally:
        valkey.stop(home.valkey)
        postgres.stop(home.postgres)
        shutil.rmtree(root, ignore_errors=True)


def store_vectors(url: str, count: int) -> None:
    """`count` posted decisions of the last 30 days with random unit vectors, by COPY: forty-odd a day and account, the most allowed."""
    rng = np.random.default_rng(7)
    accounts = ["default", *(f"account-{number}" for number in range(1, max(1, count // POSTS_AN_ACCOUNT)))]
    with psycopg.connect(url) as conn, conn.cursor() as cursor:
        # The index is the schema's own; built after the rows it is the same one in a tenth of the time.
        index = cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'idx_cm_embedding'").fetchone()
        assert index is not None
        cursor.execute("DROP INDEX idx_cm_embedding")
        cursor.execute("SET maintenance_work_mem = '256MB'")
        cursor.executemany(
            "INSERT INTO accounts (account, handle, zone) VALUES (%s, %s, 'UTC') ON CONFLICT DO NOTHING",
            [(name, name.replace("-", "_")) for name in accounts],
        )
        columns = "decision_id, account, decision_type, text, topic, generation_source, status, scheduled_at, embedding, embedder, simulated"
        with cursor.copy(f"COPY content_metadata ({columns}) FROM STDIN") as copy:  # pyright: ignore[reportArgumentType]
            for number in range(count):
                vector = rng.normal(size=DIM)
                vector /= np.linalg.norm(vector)
                at = NOW - timedelta(days=29) * (number / count)
                written = "[" + ",".join(f"{x:.5f}" for x in vector) + "]"
                words, topic = f"stored {number}", f"topic-{number % 12}"
                copy.write_row(
                    (
                        uuid.uuid4(),
                        accounts[number % len(accounts)],
                        "single",
                        words,
                        topic,
                        "synthetic",
                        "posted",
                        at,
                        written,
                        WordLlamaEmbedder.name,
                        True,
                    )
                )
        cursor.execute(index[0])
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("ANALYZE content_metadata")


def gate_rate(engine: Engine, candidates: int) -> float:
    """Candidates embedded, judged and written (decision, parts, verdicts) per second."""
    embedder, chain = WordLlamaEmbedder(), ChainConfig(SafetyConfig(), duplicate_threshold=0.999)
    embedder.embed(["warm up"])
    with engine.begin() as conn:
        # Patterns and weights are loaded at first use, once a process: that is no part of a rate.
        warm = gates.Judged(uuid.uuid4(), "default", (sentence(1),), "sleep", content_hash("warm"), embedder.name, None)
        gates.judge(conn, warm, chain)
    texts = [sentence(n) for n in range(candidates)]
    began = time.perf_counter()
    rows = embedder.embed(texts)
    for words, row in zip(texts, rows, strict=True):
        vector = [float(x) for x in row]
        one = gates.Judged(uuid.uuid4(), "default", (words,), "sleep", content_hash(words), embedder.name, vector)
        with engine.begin() as conn:
            result = gates.judge(conn, one, chain)
            decision = NewDecision(
                one.decision_id,
                "default",
                "single",
                one.parts,
                "synthetic",
                "queued" if result.passed else "blocked",
                True,
                topic="sleep",
                scheduled_at=NOW,
                embedding=vector,
                embedder=embedder.name,
                content_hash=one.content_hash,
                novelty=result.novelty,
            )
            decisions.insert(conn, decision)
            verdicts.insert(conn, one.decision_id, result.verdicts)
    return candidates / (time.perf_counter() - began)


def safety_rate(count: int) -> float:
    """Texts judged by the safety guard alone per second, every fourth with characters beyond ASCII."""
    texts, allowed = [sentence(n) for n in range(count)], SafetyConfig()
    safety.check_batch(texts[:10], allowed)
    began = time.perf_counter()
    safety.check_batch(texts, allowed)
    return count / (time.perf_counter() - began)


@contextmanager
def feed_server(items: int, latency_seconds: float) -> Iterator[str]:
    """A server whose every path is a feed of its own, answered after `latency_seconds`."""

    class Feeds(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(latency_seconds)
            date = format_datetime(NOW)
            entries = "".join(
                f"<item><title>{self.path[1:]} headline {n}</title><description>{sentence(n)}</description><pubDate>{date}</pubDate></item>"
                for n in range(items)
            )
            body = (
                f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{entries}</channel></rss>'.encode()
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence: the benchmark prints figures only."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Feeds)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refresh_seconds(
    engine: Engine, clock: FixedClock, settings: Settings, cache: Cache, feeds: int, items: int, latency: float
) -> float:
    """One refresh of `feeds` feeds of `items` items each; raises RuntimeError when a feed was not read in full."""
    with feed_server(items, latency) as address:
        with engine.begin() as conn:
            sources.save_specs(
                conn, "default", [SourceSpec(f"feed-{n}", "feed", {"url": f"{address}/feed-{n}"}) for n in range(feeds)]
            )
        began = time.perf_counter()
        report = refresh.run(engine, clock, settings, cache)
        seconds = time.perf_counter() - began
    if report.failed or sum(source.items for source in report.sources) != feeds * items:
        raise RuntimeError(f"not every feed was read: {report.failed[:3]}")
    return seconds


def reserve(engine: Engine, clock: FixedClock, settings: Settings, callers: int, calls: int) -> tuple[float, float]:
    """(reservations asked for per second, USD reserved beyond the limit) with `callers` at once at limit - epsilon."""
    limit = calls * PRICE / 2 - PRICE / 10
    ledger = UsageLedger(
        engine,
        settings.model_copy(update={"DAILY_OPENAI_LIMIT_USD": limit, "DISABLE_LLM_WHEN_BUDGET_HIT": False}),
        clock,
    )

    def call(_: int) -> None:
        try:
            ledger.reserve(account="default", purpose="benchmark", model="gpt-4o-mini", usd=PRICE)
        except BudgetExceeded:
            return

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(call, range(calls)))
    seconds = time.perf_counter() - began
    with engine.begin() as conn:
        spent = usage.read_budget(conn, usage.budget_day(clock.now(), settings), limit)
        entries = conn.execute(
            text("SELECT coalesce(sum(reserved_usd), 0) FROM api_usage WHERE purpose = 'benchmark'")
        ).scalar_one()
    return calls / seconds, max(0.0, round(max(spent.reserved + spent.used, entries) - limit, 9))


def run(
    vectors: int, candidates: int, texts: int, feeds: int, items: int, callers: int, calls: int
) -> dict[str, float]:
    """Every figure, on one Postgres."""
    with ground() as (url, redis_url, root):
        clock, settings = FixedClock(NOW), load_settings({"XBOT_HOME": str(root / "xbot"), "X_HANDLE": "xbot_demo"})
        engine, wide = make_engine(url, clock), make_engine(url, clock, pool_size=24)
        cache = Cache(redis_url, "bench:")
        try:
            with engine.begin() as conn:
                deployment.stamp(conn, settings, seed=7)
                deployment.add_account(conn, "default", "xbot_demo", "UTC")
                config.install_defaults(conn, settings)
            seconds = refresh_seconds(engine, clock, settings, cache, feeds, items, 0.2)
            rate, overspend = reserve(wide, clock, settings, callers, calls)
            store_vectors(url.replace("postgresql+psycopg://", "postgresql://"), vectors)
            return {
                "gate_candidates_per_s": round(gate_rate(engine, candidates), 1),
                "safety_texts_per_s": round(safety_rate(texts), 1),
                "refresh_seconds": round(seconds, 2),
                "reservations_per_s": round(rate, 1),
                "overspend_usd": overspend,
            }
        finally:
            cache.close()
            wide.dispose()
            engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=50_000, help="stored vectors to compare with")
    parser.add_argument("--candidates", type=int, default=500, help="candidates through the gate chain")
    parser.add_argument("--texts", type=int, default=4_000, help="texts through the safety guard")
    parser.add_argument("--feeds", type=int, default=40)
    parser.add_argument("--items", type=int, default=50, help="items per feed")
    parser.add_argument("--callers", type=int, default=100, help="reservations asked for at once")
    parser.add_argument("--calls", type=int, default=1_000, help="reservations in all; half of them fit")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    chosen = parser.parse_args()
    found = run(
        chosen.vectors, chosen.candidates, chosen.texts, chosen.feeds, chosen.items, chosen.callers, chosen.calls
    )
    print(json.dumps(found) if chosen.json else "\n".join(f"{name:<24} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
