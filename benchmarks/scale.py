"""What an account more costs: the whole loop for 1 to 1,000 accounts, stage by stage, and the sensors on a long history.

`python -m benchmarks.scale --accounts 1,10,100,1000 --days 2 --json` prints per number of accounts and stage `runs, rows, seconds,
longest_seconds, cpu_seconds, statements`, and over all `cost_ratio_1000_vs_10` (CPU per decision at the most accounts
against that at ten), `tick_seconds_1000` (the longest run of the posting job at the most accounts) and `sensor_ms_5m` (the slowest
sensor or schedule of `sensors` on five million decisions of 1,000 accounts).

An account plans two posts a day, unless told otherwise: no account may say what another has said, and the sandbox's writer has no more
than some thousand different things to say. With many accounts most drafts are therefore blocked; `cpu_ms_per_post` holds their cost too.

The loop is the rehearsal's: the shipped sensors, schedules and jobs on embedded Postgres and Valkey, the sandbox's `recorded`
publisher in the browser's place. Accounts live in zones around the world, as those of a real deployment would.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, event, text

from benchmarks.long_history import sensor_times
from xbot_dagster.embedded import services
from xbot_dagster.embedded.home import Home
from xbot_dagster.rehearsal import driver
from xbot_dagster.rehearsal.memory import members
from xbot_dagster.rehearsal.ticking import Requested, Ticker
from xbot_dagster.resources.opening import Opened, opened
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import loading
from xbot_dagster.store import config, deployment, sources

UNTIL = datetime(2026, 11, 8, 12, tzinfo=UTC)
SEED = 7
REFERENCE = 10  # accounts
# Whole hours from UTC: every hour of the day some account begins its local day.
ZONES = tuple(f"Etc/GMT{hours:+d}" for hours in range(-12, 12))
# What each stage writes: the table whose rows are counted.
ROWS = {
    "refresh_candidates": "content_candidates",
    "plan": "content_metadata",
    "post": "posting_attempts",
    "reconcile": "posting_attempts",
    "reply": "content_metadata",
    "collect": "outcomes",
    "snapshot_followers": "follower_snapshots",
    "learn": "learning_ledger",
    "train": "predictor_versions",
    "evaluate_alerts": "alerts",
}


@dataclass
class Stage:
    """The runs of one job together; `cpu_seconds` of this process, Postgres, Valkey and the sandbox's world."""

    runs: int = 0
    rows: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    cpu_seconds: float = 0.0
    statements: int = 0


class Meter:
    """Notes what each run takes."""

    def __init__(self, engine: Engine, home: Home) -> None:
        self.stages: dict[str, Stage] = defaultdict(Stage)
        self._engine, self._home, self._statements = engine, home, 0
        event.listen(engine, "before_cursor_execute", self._count)

    def around(self, name: str, work: Callable[[], Any]) -> Any:
        before, cpu, started = self._statements, self._cpu(), time.perf_counter()
        result = work()
        seconds, stage = time.perf_counter() - started, self.stages[name]
        stage.runs += 1
        stage.seconds += seconds
        stage.longest_seconds = max(stage.longest_seconds, seconds)
        stage.statements += self._statements - before
        stage.cpu_seconds += self._cpu() - cpu
        return result

    def count_rows(self) -> None:
        """Attribute the rows to the stages whose runs wrote them."""
        for name, stage in self.stages.items():
            if (table := ROWS.get(name)) is None:
                continue
            with self._engine.connect() as conn:
                kind = {"plan": "WHERE decision_type <> 'reply'", "reply": "WHERE decision_type = 'reply'"}.get(
                    name, ""
                )
                stage.rows = int(conn.execute(text(f"SELECT count(*) FROM {table} {kind}")).scalar_one())

    def _count(self, *_: Any) -> None:
        self._statements += 1

    def _cpu(self) -> float:
        total = 0.0
        for member in members(driver.process_roots(self._home)):
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                # With what its ended children used: a database connection is a process.
                total += times.user + times.system + times.children_user + times.children_system
        return total


def add_accounts(conn: Connection, accounts: int, zones: Sequence[str]) -> None:
    """Beside the first one, which is there: each with a zone and with the sandbox's sources under names of its own."""
    specs = loading.read_specs(loading.bundled_sources(), sandbox=True)
    for number in range(1, accounts):
        name = f"account-{number:04d}"
        deployment.add_account(conn, name, f"xbot_{number:04d}", zones[number % len(zones)])
        sources.save_specs(conn, name, [replace(spec, source=f"{spec.source}-{number}") for spec in specs])


class ScaledRehearsal(driver.Rehearsal):
    """A rehearsal of many accounts that is measured."""

    def __init__(self, settings: Settings, plan: driver.Plan, accounts: int, posts_per_day: int) -> None:
        super().__init__(settings, plan)
        self._accounts, self._posts_per_day = accounts, posts_per_day
        self.meter: Meter | None = None

    def _start_experiment(self, deployment_: Opened) -> None:
        """The accounts in place of the experiment."""
        with deployment_.engine.begin() as conn:
            config.write(conn, self.settings, "learning_config", "posts_per_day", self._posts_per_day)
            add_accounts(conn, self._accounts, ZONES)
        self.meter = Meter(deployment_.engine, deployment_.services.home)

    def _loop(self, ticker: Ticker, engine: Engine, progress: driver.Progress) -> None:
        meter, run = self.meter, ticker.run
        assert meter is not None

        def measured(requested: Requested) -> Any:
            return meter.around(requested.job, lambda: run(requested))

        ticker.run = measured
        super()._loop(ticker, engine, progress)
        meter.count_rows()


def loop(accounts: int, days: float, posts_per_day: int) -> dict[str, Any]:
    """The loop for `accounts` accounts: stages, decisions, posts, CPU per decision, peak memory."""
    with tempfile.TemporaryDirectory(prefix="xs") as folder:
        settings = load_settings({"XBOT_HOME": str(Path(folder) / "h"), "PUBLISHER": "recorded"})
        plan = driver.Plan(SEED, max(1, int(days)), UNTIL - timedelta(days=days), UNTIL, None)
        rehearsal = ScaledRehearsal(settings, plan, accounts, posts_per_day)

        def progress(at: datetime, what: str) -> None:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{accounts:>5} accounts  {at:%d %b %H:%M}  {what:<20}")

        started = time.perf_counter()
        record = rehearsal.run(progress)
        seconds = time.perf_counter() - started
        with opened(settings) as found, found.engine.connect() as conn:
            made = "SELECT count(*), count(*) FILTER (WHERE status = 'blocked') FROM content_metadata"
            decisions, blocked = conn.execute(text(made)).one()
            posts = int(conn.execute(text("SELECT count(*) FROM posted_decisions")).scalar_one())
        services.detach(settings)
    assert rehearsal.meter is not None
    stages = rehearsal.meter.stages
    cpu = sum(stage.cpu_seconds for stage in stages.values())
    return {
        "accounts": accounts,
        "decisions": decisions,
        "blocked": blocked,
        "posts": posts,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "cpu_ms_per_decision": round(1000 * cpu / max(1, decisions), 1),
        "cpu_ms_per_post": round(1000 * cpu / max(1, posts), 1),
        "peak_rss_mb": record.peak_rss_mb,
        "stages": {name: _rounded(stage) for name, stage in sorted(stages.items())},
    }


def _rounded(stage: Stage) -> dict[str, float]:
    return {name: round(value, 2) for name, value in asdict(stage).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", default="1,10,100,1000", help="numbers of accounts, separated by commas")
    parser.add_argument("--days", type=float, default=2.0, help="simulated days for each number")
    parser.add_argument("--posts-per-day", type=int, default=2, help="decisions an account's day gets")
    parser.add_argument("--history", type=int, default=5_000_000, help="decisions under the sensors; 0 leaves them out")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    chosen = parser.parse_args()
    numbers = sorted({int(each) for each in chosen.accounts.split(",")})
    loops = [loop(number, chosen.days, chosen.posts_per_day) for number in numbers]
    most = loops[-1]
    reference = next((each for each in loops[:-1] if each["accounts"] == REFERENCE), loops[0])
    sensors = sensor_times(chosen.history) if chosen.history else {}
    found: dict[str, Any] = {
        "loops": loops,
        f"cost_ratio_{most['accounts']}_vs_{reference['accounts']}": round(
            most["cpu_ms_per_decision"] / reference["cpu_ms_per_decision"], 3
        ),
        f"tick_seconds_{most['accounts']}": most["stages"].get("post", {}).get("longest_seconds"),
        "sensors": sensors,
        f"sensor_ms_{_short(chosen.history)}": max(sensors.values(), default=None),
    }
    if chosen.json:
        print(json.dumps(found))
        return
    for each in loops:
        print(
            f"{each['accounts']:>5} accounts: {each['decisions']} decisions, {each['cpu_ms_per_decision']} ms CPU each"
        )
        for name, stage in each["stages"].items():
            print(f"      {name:<20} " + "  ".join(f"{key} {value}" for key, value in stage.items()))
    for name, ms in sensors.items():
        print(f"sensor {name:<24} {ms} ms")
    for name in (n for n in found if n not in ("loops", "sensors")):
        print(f"{name:<28} {found[name]}")


def _short(number: int) -> str:
    """5000000 as "5m", 200000 as "200k"."""
    if number and number % 1_000_000 == 0:
        return f"{number // 1_000_000}m"
    return f"{number // 1000}k" if number and number % 1000 == 0 else str(number)


if __name__ == "__main__":
    main()
