"""A posting process of its own, to be killed: the shipped stages on real parts, one tick per line of standard input.

    python -m benchmarks.posting_worker '{"database": …, "clock": …, "url": …, "environment": {…}, "browser": true, …}'

Each line in is a JSON object; `die_at` names a moment of `domain.publishing.states.HOOKS` at whose next occurrence the
process kills itself with SIGKILL. Each line out is a JSON object with what the tick did and how long it took.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from xbot_dagster.clock import SimulatedClock
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.settings import load_settings
from xbot_dagster.stages import publish, reconcile
from xbot_dagster.store import posting
from xbot_dagster.store.engine import make_engine
from xbot_dagster.x.browser.publisher import BrowserPublisher
from xbot_dagster.x.browser.session import BrowserHost
from xbot_dagster.x.protocols import Publisher
from xbot_dagster.x.recorded import RecordedPublisher


class Worker:
    def __init__(self, wanted: dict[str, Any]) -> None:
        self.die_at: str | None = None
        self.settings = load_settings(wanted["environment"])
        self.clock = SimulatedClock(Path(wanted["clock"]))
        self.engine = make_engine(wanted["database"], self.clock)
        self.publisher = self._publisher(wanted)

    def _publisher(self, wanted: dict[str, Any]) -> Publisher:
        if not wanted["browser"]:
            return RecordedPublisher(wanted["url"], seconds=5)
        sessions = Path(wanted["sessions"])
        return BrowserPublisher(
            BrowserHost(find_browser()),
            wanted["url"],
            lambda account: sessions / f"{account}.json",
            Path(wanted["evidence"]),
            name="sandbox",
            submit_ms=wanted.get("submit_ms", 5_000),
            hooks=self.hook,
        )

    def hook(self, moment: str) -> None:
        if moment == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def tick(self) -> dict[str, Any]:
        with self.engine.connect() as conn:
            doubtful = posting.reconcile_due(conn)
        if doubtful:
            reconcile.run(self.engine, self.clock, self.settings, lambda account: self.publisher)
        started = time.perf_counter()
        report = publish.run(self.engine, self.clock, self.settings, lambda account: self.publisher, hooks=self.hook)
        return {
            "posted": report.posted,
            "in_doubt": report.in_doubt,
            "reason": report.reason,
            "seconds": time.perf_counter() - started,
        }

    def close(self) -> None:
        self.publisher.close()
        self.engine.dispose()


def main() -> None:
    worker = Worker(json.loads(sys.argv[1]))
    try:
        for line in sys.stdin:
            worker.die_at = json.loads(line).get("die_at")
            sys.stdout.write(json.dumps(worker.tick()) + "\n")
            sys.stdout.flush()
    finally:
        worker.close()


if __name__ == "__main__":
    main()
