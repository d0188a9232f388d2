"""Start a shipped Dagster job for a person who pressed a button: a process of its own, so that the page never waits."""

import subprocess
import sys
import uuid

from xbot_dagster.embedded.home import Home
from xbot_dagster.settings import Settings


class Launch:
    """Starts `python -m xbot_dagster.runner` and returns at once; the run's fate is in Dagster under the returned id."""

    def __init__(self, settings: Settings) -> None:
        self._log = Home(settings.home).logs / "runs.log"

    def __call__(self, job: str, actor: str) -> str:
        run_id = str(uuid.uuid4())
        with open(self._log, "ab") as sink:
            subprocess.Popen(
                [sys.executable, "-m", "xbot_dagster.runner", job, run_id, actor],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return run_id
