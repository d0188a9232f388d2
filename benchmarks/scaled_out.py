"""A home whose runs are executed by real Celery workers: `xbot workers` as a process, runs handed over by the shipped launcher."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
from sqlalchemy import Engine, text

from xbot_dagster.clock import SystemClock
from xbot_dagster.embedded import services
from xbot_dagster.resources.dagster_home import environment
from xbot_dagster.resources.opening import initialise, opened
from xbot_dagster.resources.world import world
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import workers as store
from xbot_dagster.store.engine import make_engine

PATIENCE_SECONDS = 150


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for `condition` to hold; returns what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.1)
    return found


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that has ended and that nobody has waited for does not."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass
class Workers:
    """`xbot workers` as a process, and what it has said so far (both streams, in a file)."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.said or self.process.poll() is not None, f"{words!r} in {self.said!r}")
        assert words in self.said, self.said

    def tree(self) -> list[psutil.Process]:
        """The command's processes: itself, the workers and their children."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_SECONDS)


@dataclass
class Place:
    """A deployment on embedded services whose launcher is Celery."""

    settings: Settings
    flags: dict[str, str]
    engine: Engine
    instance: dg.DagsterInstance
    _repository: ReconstructableRepository = field(init=False)

    def __post_init__(self) -> None:
        self._repository = ReconstructableRepository(CodePointer.from_module("xbot_dagster.definitions", "defs", None))

    def create(self, job: str, tags: dict[str, str] | None = None, **more: Any) -> str:
        """A run of `job` that nobody has launched; its id."""
        reconstructable = self._repository.get_reconstructable_job(job)
        definition = reconstructable.get_definition()
        return self.instance.create_run_for_job(
            definition,
            tags={**definition.tags, **(tags or {})},
            job_code_origin=reconstructable.get_python_origin(),
            **more,
        ).run_id

    def launch(self, job: str) -> str:
        """Create a run of `job` and hand it to the launcher, as the daemon does; its id."""
        run_id = self.create(job)
        self.instance.launch_run(run_id, None)  # pyright: ignore[reportArgumentType] (the launcher needs no workspace)
        return run_id

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def finish(self, run_id: str) -> dg.DagsterRunStatus:
        ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        until(lambda: self.status(run_id) in ended, f"run {run_id} ends, now {self.status(run_id)}")
        return self.status(run_id)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.begin() as conn:
            return list(conn.execute(text(sql), values).all())

    def run(self, sql: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(sql), values)

    def present(self) -> list[store.Worker]:
        with self.engine.begin() as conn:
            return [w for w in store.workers(conn) if not w.silent]

    def queue(self, words: str) -> str:
        """A decision that is due now."""
        decision = str(uuid.uuid4())
        self.run(
            "INSERT INTO content_metadata (decision_id, account, decision_type, text, generation_source, status, scheduled_at, simulated) "
            "VALUES (:id, 'default', 'single', :words, 'synthetic', 'queued', xbot_now() - interval '1 minute', true)",
            id=decision, words=words,
        )  # fmt: skip
        return decision

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run one `xbot` command in this deployment."""
        return subprocess.run(
            [sys.executable, "-c", "from xbot_dagster.cli import main; main()", *words],
            env=self.flags, cwd=self.settings.home.parent, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    @contextmanager
    def workers(self, *words: str, **more: str) -> Iterator[Workers]:
        """`xbot workers WORDS`, ready; ended with everything it started."""
        log = self.settings.home / f"said-{uuid.uuid4().hex[:6]}.txt"
        with open(log, "wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-c", "from xbot_dagster.cli import main; main()", "workers", *words],
                env={**self.flags, **more}, cwd=self.settings.home.parent, stdout=sink, stderr=sink, start_new_session=True,
            )  # fmt: skip
        started = Workers(process, log)
        try:
            started.wait_for("Ctrl-C")
            yield started
        finally:
            if process.poll() is None:
                tree = started.tree()
                started.end()
                assert living(tree) == [], "orphans"

    def worker_of(self, run_id: str) -> store.Worker | None:
        """The worker that executes a run now."""
        return next((w for w in self.present() if run_id in w.runs), None)

    def kill_worker_of(self, run_id: str) -> store.Worker:
        """SIGKILL the worker that executes the run, and its child: nothing of it can say goodbye."""
        found = until(lambda: self.worker_of(run_id), f"a worker executes {run_id}")
        os.killpg(found.pid, signal.SIGKILL)
        return found

    def may_post_again(self) -> None:
        """As if the pause between two posts had passed."""
        self.run("UPDATE post_slots SET at = at - interval '2 hours'")
        self.run("UPDATE accounts SET next_post_at = NULL")

    def client(self) -> Any:
        """The sandbox's own door."""
        with opened(self.settings) as found:
            return world(found)


@contextmanager
def place(home: Path, **more: str) -> Iterator[Place]:
    """A fresh deployment under `home`; this process takes part in it, with its flags in the environment."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    own = {"XBOT_HOME": str(home), "XBOT_LAUNCHER": "celery", "PUBLISHER": "recorded", **more}
    settings = load_settings(own)
    initialise(settings, seed=7)
    running = services.attach(settings)
    before = dict(os.environ)
    # The launcher reads the flags of its process, as it does in Dagster's daemon.
    os.environ.update(own | environment(settings, running))
    engine = make_engine(running.database_url, SystemClock())
    instance = dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"])
    try:
        found = Place(settings, kept | own, engine, instance)
        # Whatever hour it is where this runs, a post that is due goes out.
        found.run(
            "UPDATE bot_config SET config_value = config_value || '{\"quiet_hours\": []}' WHERE config_key = 'learning_config'"
        )
        yield found
    finally:
        instance.dispose()
        engine.dispose()
        services.detach(settings)
        os.environ.clear()
        os.environ.update(before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
