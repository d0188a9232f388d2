"""The home directory: where everything embedded lives, who uses it, and when its services end.

A service starts with its first user and ends with its last. Users are processes; a pid in `users.json` whose process is gone
(or is another process by now) is pruned, so a `kill -9` leaves nothing running for ever.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from xbot_dagster.errors import HomeError

# Unix socket paths are limited to about 107 bytes; beyond this the embedded Postgres moves its socket elsewhere.
_LONGEST_HOME = 200


class Home:
    """Paths and users of one XBOT_HOME. Creating the object touches nothing; `prepare()` makes the folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def dagster(self) -> Path:
        return self.path / "dagster"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def sessions(self) -> Path:
        return self.path / "sessions"

    @property
    def media(self) -> Path:
        """Pictures that people attached to decisions, each under its checksum."""
        return self.path / "media"

    @property
    def sandbox(self) -> Path:
        return self.path / "sandbox"

    @property
    def clock_file(self) -> Path:
        return self.path / "clock.json"

    def prepare(self) -> None:
        """Make the folders. Raises HomeError when the place cannot be written or its path is too long."""
        if len(str(self.path)) > _LONGEST_HOME:
            raise HomeError(
                f"The path of the home {self.path} is too long for a database socket.",
                "Set XBOT_HOME to a shorter path.",
            )
        try:
            for folder in (self.path, self.dagster, self.logs, self.sandbox):
                folder.mkdir(parents=True, exist_ok=True)
            self.sessions.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise HomeError(
                f"The home {self.path} cannot be written: {error.strerror}.",
                "Set XBOT_HOME to a folder you may write to.",
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home's lock (between processes) for the few moments of starting or ending services."""
        with open(self.path / ".lock", "a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def users(self) -> dict[int, float]:
        """Living users: pid -> start time of the process (which tells a reused pid from the one that was meant)."""
        path = self.path / "users.json"
        try:
            known = {int(pid): float(started) for pid, started in json.loads(path.read_text()).items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}
        return {pid: started for pid, started in known.items() if started_at(pid) == started}

    def add_user(self, pid: int) -> None:
        started = started_at(pid)
        if started is not None:
            self._write({**self.users(), pid: started})

    def remove_user(self, pid: int) -> dict[int, float]:
        """Forget a user; returns those who remain."""
        remaining = {p: s for p, s in self.users().items() if p != pid}
        self._write(remaining)
        return remaining

    def _write(self, users: dict[int, float]) -> None:
        temporary = self.path / "users.json.tmp"
        temporary.write_text(json.dumps(users))
        os.replace(temporary, self.path / "users.json")


def started_at(pid: int) -> float | None:
    """Start time of a living process (seconds since the epoch), None when there is none."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
