"""The world's time: a small JSON file written by the rehearsal, or the real clock when there is no such file."""

import json
import logging
import time
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger("xbot.sandbox")


class WorldClock:
    """Reads `{"now": "2026-11-08T13:05:00+00:00"}` from `path`; one `stat` per reading while the file is unchanged.

    A file that is half written or has no offset leaves the last good reading in force (and says so in the log)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._now_ms = 0

    def now_ms(self) -> int:
        """UTC milliseconds."""
        if self.path is None:
            return time.time_ns() // 1_000_000
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._seen = None
            return time.time_ns() // 1_000_000
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if seen != self._seen:
            self._read(seen)
        return self._now_ms

    def _read(self, seen: tuple[int, int, int]) -> None:
        assert self.path is not None
        try:
            moment = datetime.fromisoformat(json.loads(self.path.read_text())["now"])
            if moment.tzinfo is None:
                raise ValueError("no UTC offset")
        except (OSError, ValueError, KeyError, TypeError) as problem:
            log.warning("[SANDBOX] clock file not understood path=%s reason=%s", self.path, problem)
            if self._now_ms == 0:
                self._now_ms = time.time_ns() // 1_000_000
            return
        self._now_ms = round(moment.timestamp() * 1000)
        self._seen = seen


def iso(ms: int) -> str:
    """`2026-11-08T13:05:00.000Z`, as in X's `time[datetime]`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
