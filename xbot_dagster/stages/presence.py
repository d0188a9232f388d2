"""A worker's presence: it reports itself while it lives, and whoever looks can tell which worker differs from them, and in what."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from xbot_dagster import __version__
from xbot_dagster.clock import Clock
from xbot_dagster.settings import Settings
from xbot_dagster.store import workers
from xbot_dagster.store.engine import database_trouble
from xbot_dagster.store.workers import Worker

log = logging.getLogger("xbot")
# In the order in which a worker that takes several looks at them: a post that is due goes before everything else.
QUEUES = ("post", "collect", "default", "train")
# Rules of posting count minutes, so seconds do no harm; beyond this two machines disagree about what is due.
TOLERATED_SKEW_SECONDS = 5.0


class Presence(threading.Thread):
    """Reports one worker every few seconds until `leave()`. `runs` names what it executes; `soon()` reports at once.

    A database that is away is said once; the worker is reported again as soon as it is back.
    """

    def __init__(self, engine: Engine, clock: Clock, me: Worker, runs: Callable[[], list[str]]) -> None:
        super().__init__(name="presence", daemon=True)
        self._engine, self._clock, self._me, self._runs = engine, clock, me, runs
        self._wake, self._ended = threading.Event(), threading.Event()
        self._away = self._warned = False

    def run(self) -> None:
        while not self._ended.is_set():
            self._wake.clear()
            self._beat()
            self._wake.wait(workers.BEAT_SECONDS)

    def soon(self) -> None:
        """Report without waiting for the next beat."""
        self._wake.set()

    def leave(self) -> None:
        """Stop reporting and take the row away."""
        self._ended.set()
        self._wake.set()
        self.join(timeout=workers.BEAT_SECONDS)
        try:
            with self._engine.begin() as conn:
                workers.leave(conn, [self._me.name])
        except SQLAlchemyError:
            log.warning("[WORKER] ⚠️ the database does not answer; the row of %s goes by itself", self._me.name)

    def _beat(self) -> None:
        try:
            with self._engine.begin() as conn:
                skew_s = workers.skew(conn, self._clock)
                workers.beat(conn, replace(self._me, skew_s=skew_s, runs=tuple(self._runs())))
        except SQLAlchemyError as error:
            if not self._away:
                known = database_trouble(error) if isinstance(error, DBAPIError) else None
                log.warning("[WORKER] ⚠️ %s", known or f"the database does not answer ({type(error).__name__})")
            self._away = True
            return
        self._away = False
        said = skew_sentence(skew_s)
        if said and not self._warned:
            log.warning("[WORKER] ⚠️ %s", said)
        self._warned = said is not None


@cache
def code_version() -> str:
    """The package's version and a digest of its files, as this process found them when it first asked."""
    root = Path(str(files("xbot_dagster")))
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:10]}"


def trouble(conn: Connection, settings: Settings) -> list[str]:
    """What is wrong with the workers as seen from this process, a sentence each: none for a queue, other code, other settings,
    a wrong clock, silence. Nothing where no worker is needed and none is there."""
    known = workers.workers(conn)
    found = [sentence for worker in known for sentence in _differences(worker, settings)]
    missing = sorted(set(QUEUES) - {queue for worker in known if not worker.silent for queue in worker.queues})
    if missing and settings.XBOT_LAUNCHER == "celery":
        found.append(f"No worker takes the queue {', '.join(missing)}: its runs wait. Start one: xbot workers")
    return found


def _differences(worker: Worker, settings: Settings) -> Iterator[str]:
    if worker.silent:
        yield f"The worker {worker.name} has not been heard of since {worker.seen_at:%Y-%m-%d %H:%M:%S} UTC; runs it had are ended."
        return
    if worker.code_version != code_version():
        yield (
            f"The worker {worker.name} runs other code ({worker.code_version}) than this process ({code_version()}): restart it."
        )
    mine = settings.fingerprint()
    names = sorted(n for n in mine.keys() | worker.settings.keys() if mine.get(n) != worker.settings.get(n))
    if names:
        yield f"The worker {worker.name} has other settings than this process: {', '.join(names)}. Set them alike and restart it."
    if said := skew_sentence(worker.skew_s, f"The clock of the worker {worker.name}"):
        yield said


def skew_sentence(skew_s: float, whose: str = "This machine's clock") -> str | None:
    """What to say of a clock that is `skew_s` seconds ahead of the database's; None while that does no harm."""
    if abs(skew_s) <= TOLERATED_SKEW_SECONDS:
        return None
    direction = "ahead of" if skew_s > 0 else "behind"
    return f"{whose} is {abs(skew_s):.1f} s {direction} the database's: let both follow the same time server (NTP)."
