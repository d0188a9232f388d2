"""Starting, finding again and stopping the world's process. Several processes share the one world of a directory.

`home` is the world's own directory: its store is `home/world.sqlite`, its log `home/logs/sandbox.log`.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xbot_dagster.errors import UserError
from xbot_dagster.sandbox.client import SandboxClient, SandboxError

READY_FILE, EXIT_PORT_TAKEN = "world.json", 3
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 20.0, 10.0, 0.03


@dataclass(frozen=True)
class WorldHandle:
    """A running world: its address and the process that serves it."""

    url: str
    pid: int
    home: Path

    @property
    def client(self) -> SandboxClient:
        return SandboxClient(self.url)


def start_world(
    home: Path, *, seed: int, clock_file: Path | None = None, port: int = 0, regime: str = "demo"
) -> WorldHandle:
    """The world of `home`: the one that runs, or a new process. `seed` and `regime` count only when the home is new.

    Raises UserError when the home cannot be written, the port is taken or the process does not come up."""
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home):
            return find_world(home) or _start(home, seed, clock_file, port, regime)
    except OSError as problem:
        raise UserError(
            f"The sandbox cannot write in {home}: {problem.strerror}.", "Choose another XBOT_HOME."
        ) from problem


def find_world(home: Path) -> WorldHandle | None:
    """The running world of `home`, or None. A file left by a killed process is not believed: the world must answer."""
    home = home.absolute()
    try:
        noted = json.loads((home / READY_FILE).read_text())
        handle = WorldHandle(f"http://127.0.0.1:{int(noted['port'])}", int(noted["pid"]), home)
        alive = SandboxClient(handle.url, timeout=5).health()
    except (OSError, ValueError, KeyError, TypeError, SandboxError):
        return None
    return handle if alive.get("pid") == handle.pid and alive.get("home") == str(home.resolve()) else None


def stop_world(handle: WorldHandle) -> None:
    """Ends the process that the handle names, if it still is the world of its home."""
    current = find_world(handle.home)
    if current is None or current.pid != handle.pid:
        return
    _end(handle.pid)
    (handle.home / READY_FILE).unlink(missing_ok=True)


def _start(home: Path, seed: int, clock_file: Path | None, port: int, regime: str) -> WorldHandle:
    ready = home / READY_FILE
    ready.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "xbot_dagster.sandbox.world",
        "--home",
        str(home),
        "--port",
        str(port),
        "--seed",
        str(seed),
        "--regime",
        regime,
    ]
    if clock_file is not None:
        command += ["--clock", str(clock_file.absolute())]
    logs = home / "logs"
    logs.mkdir(exist_ok=True)
    with (logs / "sandbox.err").open("ab") as errors:
        # a session of its own: Ctrl-C in the caller's terminal must not end a world that others use
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        code = process.poll()
        if code == EXIT_PORT_TAKEN:
            raise UserError(
                f"Port {port} is already in use, so the sandbox cannot listen there.",
                "Free it, or let the sandbox choose with port 0.",
            )
        if code is not None:
            raise UserError(f"The sandbox ended while starting (exit code {code}).", f"See {logs / 'sandbox.err'}.")
        if ready.exists() and (handle := find_world(home)):
            return handle
        time.sleep(POLL_SECONDS)
    process.kill()
    process.wait()
    raise UserError(f"The sandbox did not answer within {START_SECONDS:.0f} s.", f"See {logs / 'sandbox.log'}.")


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if _gone(pid):
            return
        time.sleep(POLL_SECONDS)
    os.kill(pid, signal.SIGKILL)
    _gone(pid)


def _gone(pid: int) -> bool:
    """Whether the process has ended; collects it when it is our own child."""
    try:
        collected, _ = os.waitpid(pid, os.WNOHANG)
        return collected == pid
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One starter at a time, so that two processes never start two worlds on one home."""
    with (home / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
