"""The only module that asks for the time.

`SystemClock` is the machine's UTC clock. `SimulatedClock` is a file that the rehearsal moves and every process of the home
reads, so that the rehearsal, the replica of X and the SQL sessions agree on one instant.
"""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Where "now" comes from; `simulated` tells SQL sessions whether to carry it along."""

    simulated: bool

    def now(self) -> datetime:
        """The present instant, timezone-aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass on this clock."""
        ...


class SystemClock:
    simulated = False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SimulatedClock:
    """A clock that stands still until it is moved. Kept in a JSON file: `{"now": "2026-11-08T13:05:00+00:00"}`."""

    simulated = True

    def __init__(self, path: Path, start: datetime | None = None) -> None:
        self.path = path
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        return datetime.fromisoformat(json.loads(self.path.read_text())["now"])

    def set(self, instant: datetime) -> None:
        """Move the clock to `instant` (aware). Raises ValueError when it would go back."""
        if self.path.exists() and instant < self.now():
            raise ValueError(f"the simulated clock cannot go back from {self.now()} to {instant}")
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"now": instant.astimezone(UTC).isoformat()}))
        os.replace(temporary, self.path)

    def sleep(self, seconds: float) -> None:
        self.set(self.now() + timedelta(seconds=seconds))

    def stop(self) -> None:
        """Give the home back to the system clock."""
        self.path.unlink(missing_ok=True)


class FixedClock:
    """A clock in memory, for tests and benchmarks that need no second process."""

    simulated = True

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def set(self, instant: datetime) -> None:
        self._now = instant.astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def home_clock(home: Path) -> Clock:
    """The clock of a home: simulated while a rehearsal holds its clock file, else the system's."""
    path = home / "clock.json"
    return SimulatedClock(path) if path.exists() else SystemClock()
