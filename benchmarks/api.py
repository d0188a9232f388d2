"""How fast the API answers and the dashboard appears on a large deployment.

    python -m benchmarks.api --json

Ten accounts that posted every half hour for years: 1,000,000 outcomes (both passes of 500,000 posts: an outcome belongs to a
post, so there are that many) and 200,000 decisions that never became one. The real service runs on them.

Prints `status_p99_ms` and `growth_p99_ms` (eight connections that ask without a pause); `rate_ratio`, the slower of the two
against `bare_per_s`: a FastAPI application in the same kind of process with one route that runs one indexed query, asked in
alternating blocks, so that the machine's moods hit all alike; `first_paint_ms`, Chromium's first contentful paint of the
slowest page (median of cold loads), and of that page `content_ms` (until its data stands there), `page_weight_kb`, `long_tasks` and
`long_task_ms`. `pages` holds the same for every page.
"""

import argparse
import logging
import socket
import statistics
import threading
import time
from typing import Any

from benchmarks.environment import print_result
from benchmarks.ground import database
from benchmarks.large_deployment import EVERY, document, free_port, plant, serving
from xbot_dagster.clock import SystemClock
from xbot_dagster.embedded import services
from xbot_dagster.embedded.home import Home

_CONNECTIONS = 8
_PAGES = ("/", "/queue", "/growth", "/learning", "/experiments", "/spend", "/alerts", "/settings")
_ENTRIES = """() => {
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  return {paint: paint ? paint.startTime : null, content: performance.now(),
          weight: loaded.reduce((sum, entry) => sum + entry.encodedBodySize, 0), tasks: window.longTasks};
}"""
_WATCH = """window.longTasks = []; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
}).observe({type: 'longtask', buffered: true});"""


class Load:
    """Requests of one path over kept connections: every latency, and how long it all took."""

    def __init__(self, address: str, path: str) -> None:
        self.host, _, port = address.removeprefix("http://").partition(":")
        self.port = int(port)
        self.request = f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n".encode()
        self.taken_ms: list[float] = []
        self.seconds = 0.0

    def block(self, seconds: float) -> None:
        """Ask without a pause for `seconds`."""
        started = time.perf_counter()
        results: list[list[float]] = [[] for _ in range(_CONNECTIONS)]
        failures: list[Exception] = []

        def work(mine: list[float]) -> None:
            try:
                with socket.create_connection((self.host, self.port), timeout=30) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while time.perf_counter() - started < seconds:
                        asked = time.perf_counter()
                        self._ask(connection)
                        mine.append(1000 * (time.perf_counter() - asked))
            except Exception as error:  # noqa: BLE001 - told by the thread that waits
                failures.append(error)

        threads = [threading.Thread(target=work, args=(mine,)) for mine in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        self.seconds += time.perf_counter() - started
        self.taken_ms += [value for mine in results for value in mine]

    def _ask(self, connection: socket.socket) -> None:
        connection.sendall(self.request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{self.request.split()[1].decode()} answered {head.splitlines()[0].decode()}")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self._more(connection)

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        found = connection.recv(65_536)
        if not found:
            raise RuntimeError("the service closed the connection")
        return found

    @property
    def per_s(self) -> float:
        return len(self.taken_ms) / self.seconds

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.taken_ms, n=100)[98]


def run(outcomes: int, decisions: int, seconds: float, rounds: int, loads: int) -> dict[str, Any]:
    clock = SystemClock()
    with database(clock) as (engine, _, home):
        started = time.perf_counter()
        plant(engine, clock.now(), outcomes, decisions)
        planted = time.perf_counter() - started
        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        engine.dispose()
        port, bare_port = free_port(), free_port()
        flags = {"XBOT_HOME": str(home / "s"), "DATABASE_URL": url, "DAGSTER_DATABASE_URL": url, "MODE": "sandbox"}
        flags["XBOT_API_PORT"] = str(port)
        service = ["-m", "xbot_dagster.dashboard"]
        bare = ["-m", "benchmarks.api", "--bare", str(bare_port), url]
        try:
            with (
                serving(service, port, flags, home / "service.log") as address,
                serving(bare, bare_port, {}, home / "bare.log") as bare_address,
            ):
                _check(address, outcomes)
                rates = _rates(address, bare_address, seconds, rounds)
                pages = _appearances(address, loads)
        finally:
            services.stop_all(Home(home / "s"))  # the cache that the service started outlives it
    slowest = max(pages.values(), key=lambda page: page["first_paint_ms"])
    return {
        **rates,
        **slowest,
        "outcomes": outcomes,
        "decisions": decisions,
        "planted_s": round(planted),
        "pages": pages,
    }


def _check(address: str, outcomes: int) -> None:
    """The answers are those of the planted rows."""
    status, growth = document(f"{address}/api/learning/status"), document(f"{address}/api/growth")
    week = min(7 * 86_400 / EVERY.total_seconds(), outcomes / 20)
    if status["totalOutcomes"] != outcomes // 10:
        raise RuntimeError(f"the status counts {status['totalOutcomes']} outcomes instead of {outcomes // 10}")
    if abs(growth["engagement_summary"]["total_posts_7d"] - week) > 1:
        raise RuntimeError(
            f"growth counts {growth['engagement_summary']['total_posts_7d']} posts instead of {week:.0f}"
        )


def _rates(address: str, bare_address: str, seconds: float, rounds: int) -> dict[str, Any]:
    status, growth = Load(address, "/api/learning/status"), Load(address, "/api/growth")
    bare = Load(bare_address, "/one")
    for load in (status, growth, bare):
        load.block(min(2.0, seconds))
        load.taken_ms, load.seconds = [], 0.0
    for _ in range(rounds):
        for load in (bare, status, growth):
            load.block(seconds)
    return {
        "status_p99_ms": round(status.p99, 1),
        "growth_p99_ms": round(growth.p99, 1),
        "rate_ratio": round(min(status.per_s, growth.per_s) / bare.per_s, 2),
        "status_per_s": round(status.per_s),
        "growth_per_s": round(growth.per_s),
        "bare_per_s": round(bare.per_s),
        "bare_p99_ms": round(bare.p99, 1),
        "requests": len(status.taken_ms) + len(growth.taken_ms) + len(bare.taken_ms),
    }


def _appearances(address: str, loads: int) -> dict[str, dict[str, Any]]:
    """Every page in a fresh Chromium profile, `loads` times."""
    from playwright.sync_api import sync_playwright

    from xbot_dagster.embedded.browser import find_browser

    found: dict[str, dict[str, Any]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(find_browser()), args=["--no-sandbox"])
        for path in _PAGES:
            seen = []
            for _ in range(loads):
                context = browser.new_context(viewport={"width": 1280, "height": 800})
                page = context.new_page()
                page.add_init_script(_WATCH)
                page.goto(f"{address}{path}", wait_until="domcontentloaded")
                page.wait_for_selector(".main h1")
                page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
                seen.append(page.evaluate(_ENTRIES))
                context.close()
            found[path] = {
                "first_paint_ms": round(statistics.median(each["paint"] for each in seen)),
                "content_ms": round(statistics.median(each["content"] for each in seen)),
                "page_weight_kb": round(seen[-1]["weight"] / 1024),
                "long_tasks": round(statistics.median(len(each["tasks"]) for each in seen)),
                "long_task_ms": round(statistics.median(sum(each["tasks"]) for each in seen)),
            }
        browser.close()
    return found


def serve_bare(port: int, url: str) -> None:
    """What the service is compared with: FastAPI, the same driver and pool, one route, one indexed query."""
    import uvicorn
    from fastapi import FastAPI
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=4, max_overflow=4)
    app = FastAPI()
    with engine.begin() as conn:
        key = conn.execute(text("SELECT decision_id FROM posted_decisions LIMIT 1")).scalar_one()
    query = text("SELECT decision_id, account, text, posted_at FROM posted_decisions WHERE decision_id = :key")

    @app.get("/one")
    def one() -> dict[str, Any]:
        with engine.begin() as conn:
            return dict(conn.execute(query, {"key": key}).mappings().one())

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", server_header=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--outcomes", type=int, default=1_000_000, help="outcomes of all accounts (default 1,000,000)")
    parser.add_argument("--decisions", type=int, default=200_000, help="decisions without a post (default 200,000)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one block of requests (default 4)")
    parser.add_argument("--rounds", type=int, default=4, help="blocks of each route (default 4)")
    parser.add_argument("--loads", type=int, default=3, help="cold loads of each page (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--bare", nargs=2, metavar=("PORT", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        serve_bare(int(options.bare[0]), options.bare[1])
        return
    if min(options.outcomes, options.decisions, options.rounds, options.loads) < 1 or options.outcomes % 20:
        parser.error("counts must be positive, --outcomes a multiple of 20")
    logging.getLogger("xbot").setLevel(logging.ERROR)
    print_result(run(options.outcomes, options.decisions, options.seconds, options.rounds, options.loads), options.json)


if __name__ == "__main__":
    main()
