"""Drives the fortnight: jumps from one due moment to the next and lets the shipped sensors and schedules do the rest."""

import os
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from xbot_dagster.clock import SimulatedClock
from xbot_dagster.embedded import postgres, services
from xbot_dagster.embedded.home import Home
from xbot_dagster.errors import HomeError, UsageError
from xbot_dagster.rehearsal import summary
from xbot_dagster.rehearsal.memory import PeakMemory
from xbot_dagster.rehearsal.record import Record, record_of, save
from xbot_dagster.rehearsal.ticking import Ticker
from xbot_dagster.resources.cache import make_cache
from xbot_dagster.resources.database import Database, database_resource
from xbot_dagster.resources.llm import llm_resource
from xbot_dagster.resources.notifier import notifier_resource
from xbot_dagster.resources.opening import Opened, initialise, opened
from xbot_dagster.resources.x import X
from xbot_dagster.runner import Runner
from xbot_dagster.settings import Settings
from xbot_dagster.stages import experiment_plan
from xbot_dagster.store import outcomes, posting
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT, account

DEFAULT_SEED = 20251108
_SHORTEST_JUMP = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    """One rehearsal: from `start` to `until` (aware, whole minutes) with `seed`."""

    seed: int
    days: int
    start: datetime
    until: datetime
    sources: str | None
    spent_seconds: float = 0.0
    peak_rss_mb: float = 0.0


Progress = Callable[[datetime, str], None]


def plan_rehearsal(
    settings: Settings, *, days: int, seed: int | None, until: datetime | None, sources: str | None
) -> Plan | None:
    """What there is to simulate: a whole fortnight on an empty home, the rest of an interrupted one, else None.

    Raises UsageError outside the sandbox and for a different seed or an `until` that lies before what was simulated.
    """
    if settings.family != "sandbox":
        raise UsageError(
            f"A rehearsal needs the sandbox, but MODE={settings.MODE}.", "Unset MODE, or set MODE=sandbox."
        )
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    known = record_of(settings.home)
    if known is None:
        end = until or now
        return Plan(seed if seed is not None else DEFAULT_SEED, days, end - timedelta(days=days), end, sources)
    if seed is not None and seed != known.seed:
        raise UsageError(
            f"This home was rehearsed with --seed {known.seed}.", "Use that seed, another XBOT_HOME, or --fresh."
        )
    if known.finished:
        return None
    return Plan(
        known.seed,
        known.days,
        datetime.fromisoformat(known.start),
        datetime.fromisoformat(known.until),
        sources,
        known.seconds,
        known.peak_rss_mb,
    )


def forget(settings: Settings) -> None:
    """Start the home afresh: drop its databases, its sandbox world with the sessions there, and its rehearsal. Refuses a home of the real family."""
    home = Home(settings.home)
    home.prepare()
    if settings.family != "sandbox":
        raise UsageError("--fresh only empties a sandbox home.", "Unset MODE, or set MODE=sandbox.")
    if settings.database_url or settings.DAGSTER_DATABASE_URL:
        raise UsageError(
            "--fresh does not empty a database of your own.", "Unset DATABASE_URL, or empty that database yourself."
        )
    services.detach(settings)
    with home.locked():
        others = [pid for pid in home.users() if pid != os.getpid()]
        if others:
            raise HomeError(
                f"The home {home.path} is in use by process {others[0]}.",
                "End it first (for example Ctrl-C in `make dev`).",
            )
        services.stop_all(home)
        for folder in (home.postgres, home.valkey, home.dagster, home.sandbox, home.sessions):
            shutil.rmtree(folder, ignore_errors=True)
        for name in ("rehearsal.json", "summary.json", "clock.json"):
            (home.path / name).unlink(missing_ok=True)


class Rehearsal:
    """Runs a Plan on a home. `disabled` switches schedules or sensors off by name (tests)."""

    def __init__(self, settings: Settings, plan: Plan, *, disabled: Collection[str] = ()) -> None:
        self.settings, self.plan, self.disabled = settings, plan, disabled
        self.clock = SimulatedClock(settings.home / "clock.json")

    def run(self, progress: Progress = lambda at, what: None) -> Record:
        """Simulate up to `plan.until`; a killed run is resumed where it stopped. Returns the home's new record."""
        started = time.monotonic()
        Home(self.settings.home).prepare()
        if not self.clock.path.exists():
            self.clock.set(self.plan.start)
        # What is to be simulated is written down before anything else: a kill leaves no time to.
        self._save(self.clock.now(), 0.0, 0.0)
        progress(self.clock.now(), "starting services")
        chosen = {"XBOT_SOURCES": self.plan.sources} if self.plan.sources else {}
        initialise(self.settings.model_copy(update=chosen), seed=self.plan.seed, clock=self.clock)
        with opened(self.settings, actor="rehearsal", clock=self.clock) as deployment:
            x = X(self.settings)
            try:
                return self._rehearse(deployment, x, started, progress)
            finally:
                x.close()

    def _rehearse(self, deployment: Opened, x: X, started: float, progress: Progress) -> Record:
        from xbot_dagster.definitions import build_definitions

        with PeakMemory(lambda: process_roots(deployment.services.home)) as memory:
            try:
                self._start_experiment(deployment)
                resources = {
                    "database": database_resource(self.settings, shared=deployment),
                    "cache": make_cache(self.settings),
                    "llm": llm_resource(self.settings),
                    "x": x,
                    "notifier": notifier_resource(self.settings),
                }
                with Runner(self.settings, build_definitions(self.settings, resources)) as runner:
                    asked = {"database": Database(lambda: deployment, "", "rehearsal")}
                    self._loop(Ticker(runner, asked, self.disabled), deployment.engine, progress)
                    runs = runner.instance.get_runs_count()
            finally:
                record = self._save(self.clock.now(), time.monotonic() - started, memory.peak_mb)
        with deployment.engine.begin() as conn:
            handle = account(conn, DEFAULT_ACCOUNT).handle
            summary.save(self.settings.home, summary.summarise(conn, record, x.world(deployment), handle, runs))
        record = replace(record, finished=True)
        save(self.settings.home, record)
        self.clock.stop()
        return record

    def _start_experiment(self, deployment: Opened) -> None:
        with deployment.engine.begin() as conn:
            experiment_plan.start_rehearsal_experiment(
                conn, self.settings, DEFAULT_ACCOUNT, self.plan.start, self.plan.until
            )

    def _loop(self, ticker: Ticker, engine: Engine, progress: Progress) -> None:
        previous = self.clock.now() - _SHORTEST_JUMP
        while (now := self.clock.now()) <= self.plan.until:
            progress(now, "")
            for requested in ticker.tick(previous, now):
                ticker.run(requested)
            previous = now
            following = self._next_moment(ticker, engine, max(now, self.clock.now()))
            if following > self.plan.until:
                break
            self.clock.set(following)
        if self.clock.now() < self.plan.until:
            self.clock.set(self.plan.until)
        progress(self.plan.until, "done")

    def _next_moment(self, ticker: Ticker, engine: Engine, now: datetime) -> datetime:
        """The next schedule tick or due row, on the whole minute (sensors tick about twice a minute)."""
        with engine.begin() as conn:
            due = [posting.next_posting_time(conn), posting.next_look_time(conn), outcomes.next_outcome_time(conn)]
        moments = [ticker.next_schedule_time(now), *(_whole_minute(d) for d in due if d is not None)]
        return min(max(moment, now + _SHORTEST_JUMP) for moment in moments)

    def _save(self, reached: datetime, seconds: float, peak_mb: float) -> Record:
        plan = self.plan
        record = Record(
            plan.seed,
            plan.days,
            plan.start.isoformat(),
            plan.until.isoformat(),
            reached.isoformat(),
            False,
            round(plan.spent_seconds + seconds, 1),
            round(max(plan.peak_rss_mb, peak_mb), 1),
        )
        save(self.settings.home, record)
        return record


def _whole_minute(instant: datetime) -> datetime:
    """`instant` rounded up to the next whole minute."""
    floor = instant.replace(second=0, microsecond=0)
    return floor if floor == instant else floor + timedelta(minutes=1)


def process_roots(home: Home) -> list[int]:
    """Roots of the process trees of a rehearsal: this process and the home's services."""
    from xbot_dagster.embedded import valkey
    from xbot_dagster.sandbox import process as world

    running = world.find_world(home.sandbox)
    found = [os.getpid(), postgres.pid(home.postgres), valkey.pid(home.valkey), running.pid if running else None]
    return [pid for pid in found if pid is not None]
