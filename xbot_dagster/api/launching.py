"""Starts a job of the loop as a process of its own, so that a long run never holds an API worker."""

import subprocess
import sys
import uuid

from xbot_dagster.settings import Settings


class ProcessLauncher:
    """`launcher(job_name, actor)` for `create_app`: runs `xbot_dagster.runner` and returns the run's id at once."""

    def __init__(self, settings: Settings) -> None:
        self._log = settings.home / "logs" / "triggered.log"
        self._started: list[subprocess.Popen[bytes]] = []

    def __call__(self, job_name: str, actor: str) -> str:
        # Asking the finished ones how they ended lets the system forget them.
        self._started = [process for process in self._started if process.poll() is None]
        run_id = str(uuid.uuid4())
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as sink:
            command = [sys.executable, "-m", "xbot_dagster.runner", job_name, run_id, actor]
            self._started.append(subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True))
        return run_id
