"""How much memory everything together takes: this process, its children and the home's services."""

import threading
from collections.abc import Callable, Iterable
from types import TracebackType

import psutil

_EVERY_SECONDS = 2.0


class PeakMemory:
    """Samples the memory of a set of process trees in the background. `peak_mb` is in MiB, see `resident_mb`."""

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        self._roots = roots
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self.peak_mb = max(self.peak_mb, resident_mb(self._roots()))


def resident_mb(roots: Iterable[int]) -> float:
    """Physical memory in MiB that the processes `roots` and all their descendants take together.

    Proportional set size where the system tells it (a page shared by n processes, such as Postgres's buffers or Chromium's code,
    counts 1/n in each), else resident set size, which counts such pages n times.
    """
    total, seen = 0, set()
    for root in roots:
        try:
            process = psutil.Process(root)
            tree = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for member in tree:
            if member.pid in seen:
                continue
            seen.add(member.pid)
            try:
                total += _bytes(member)
            except psutil.NoSuchProcess:
                continue
    return total / 2**20


def _bytes(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except (psutil.AccessDenied, AttributeError):
        return process.memory_info().rss
