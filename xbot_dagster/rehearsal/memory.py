"""How much memory everything together takes: this process, its children and the home's services."""

import threading
from collections.abc import Callable, Iterable
from types import TracebackType

import psutil

_EVERY_SECONDS = 2.0
_NEAR_PEAK = 0.98  # of the largest plain sum seen: shared pages make the two sums differ a little in their course


class PeakMemory:
    """Samples the memory of a set of process trees in the background. `peak_mb` is in MiB, see `resident_mb`."""

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        self._roots = roots
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)
        self._largest_rss = 0
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
            self._look()

    def _look(self) -> None:
        """Sharing is costly to resolve (every mapping of every process), so it is only resolved when the plain sum is as large as ever."""
        found = members(self._roots())
        rss = sum(_tried(lambda m=member: m.memory_info().rss) for member in found)
        if rss >= _NEAR_PEAK * self._largest_rss:
            self._largest_rss = max(self._largest_rss, rss)
            self.peak_mb = max(self.peak_mb, resident_mb(found))


def resident_mb(processes: Iterable[psutil.Process]) -> float:
    """Physical memory in MiB that the processes take together.

    Proportional set size where the system tells it (a page shared by n processes, such as Postgres's buffers or Chromium's code,
    counts 1/n in each), else resident set size, which counts such pages n times.
    """
    return sum(_tried(lambda m=process: _bytes(m)) for process in processes) / 2**20


def members(roots: Iterable[int]) -> list[psutil.Process]:
    """The processes `roots` and all their descendants, each once."""
    found: dict[int, psutil.Process] = {}
    for root in roots:
        try:
            process = psutil.Process(root)
            found |= {member.pid: member for member in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def _tried(measure: Callable[[], int]) -> int:
    """What `measure` gives; 0 for a process that has ended meanwhile."""
    try:
        return measure()
    except psutil.NoSuchProcess:
        return 0


def _bytes(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except (psutil.AccessDenied, AttributeError):
        return process.memory_info().rss
