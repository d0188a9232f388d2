"""A posting process of its own, for tests that kill it: `python -m tests.publishing_runner '{"database": …, "die_at": …}'`.

Runs the shipped stages once on real parts and prints the report's posted ids. `die_at` is a moment of
`domain.publishing.states.HOOKS`, at whose first occurrence the process kills itself with SIGKILL.
"""

import json
import os
import signal
import sys
from pathlib import Path

from xbot_dagster.clock import SimulatedClock
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.settings import load_settings
from xbot_dagster.stages import publish, reconcile
from xbot_dagster.store.engine import make_engine
from xbot_dagster.x.browser.publisher import BrowserPublisher
from xbot_dagster.x.browser.session import BrowserHost
from xbot_dagster.x.protocols import Publisher
from xbot_dagster.x.recorded import RecordedPublisher


def main(wanted: dict) -> None:
    def hook(moment: str) -> None:
        if moment == wanted.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    settings = load_settings(wanted["environment"])
    clock = SimulatedClock(Path(wanted["clock"]))
    engine = make_engine(wanted["database"], clock)
    publisher: Publisher
    if wanted["browser"]:
        sessions = Path(wanted["sessions"])
        publisher = BrowserPublisher(
            BrowserHost(find_browser()),
            wanted["url"],
            lambda account: sessions / f"{account}.json",
            Path(wanted["evidence"]),
            name="sandbox",
            submit_ms=5_000,
            hooks=hook,
        )
    else:
        publisher = RecordedPublisher(wanted["url"], seconds=5)
    try:
        if wanted.get("reconcile"):
            reconcile.run(engine, clock, settings, lambda account: publisher)
        report = publish.run(engine, clock, settings, lambda account: publisher, hooks=hook)
        sys.stdout.write(json.dumps(report.posted) + "\n")
    finally:
        publisher.close()
        engine.dispose()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
