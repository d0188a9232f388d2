"""Fixtures of the publishing tests: the real replica as a process, a fresh database on its clock, one Chromium a module.

Folders that use them import them in their conftest. Every test gets an account of its own on a new day of the world's clock.
"""

import itertools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from xbot_dagster.clock import SimulatedClock
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.sandbox.process import start_world, stop_world
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import publish, reconcile
from xbot_dagster.store import config, deployment
from xbot_dagster.store.engine import make_engine
from xbot_dagster.x.browser.publisher import BrowserPublisher
from xbot_dagster.x.browser.session import BrowserHost, write_state
from xbot_dagster.x.protocols import Publisher
from xbot_dagster.x.recorded import RecordedPublisher

_numbers = itertools.count(1)
FIRST_NOON = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)


@dataclass
class World:
    url: str
    client: Any
    clock: SimulatedClock


@pytest.fixture(scope="session")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("replica")
    clock = SimulatedClock(home / "clock.json", FIRST_NOON)
    handle = start_world(home / "world", seed=11, clock_file=clock.path)
    yield World(handle.url, handle.client, clock)
    stop_world(handle)


@pytest.fixture
def world(replica: World) -> World:
    """The replica without faults, at noon of a day no other test has used."""
    replica.client.clear_faults()
    now = replica.clock.now()
    replica.clock.set((now + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0))
    return replica


@pytest.fixture(scope="module")
def host() -> Iterator[BrowserHost]:
    host = BrowserHost(find_browser())
    yield host
    host.close()


@dataclass
class Desk:
    """One account of one deployment on the replica: put decisions in, let it post, ask what became of them."""

    world: World
    engine: Engine
    settings: Settings
    handle: str
    sessions: Path
    evidence: Path
    account: str = "default"
    publisher: Publisher | None = None
    logs: list[str] = field(default_factory=list)

    @property
    def clock(self) -> SimulatedClock:
        return self.world.clock

    def pass_time(self, **span: float) -> None:
        self.clock.set(self.clock.now() + timedelta(**span))

    def add(
        self,
        body: str | None = None,
        *,
        kind: str = "single",
        parts: list[str] | None = None,
        minutes_ago: float = 1,
        target: str | None = None,
        **columns: Any,
    ) -> str:
        """Queue one decision due `minutes_ago`; returns its id."""
        decision_id = str(uuid.uuid4())
        words = body if body is not None else f"Walking after lunch, note {next(_numbers)}: twenty minutes are enough."
        row = {
            "decision_id": decision_id,
            "account": self.account,
            "decision_type": kind,
            "text": parts[0] if parts else words,
            "generation_source": self.settings.generation_source,
            "status": "queued",
            "scheduled_at": self.clock.now() - timedelta(minutes=minutes_ago),
            "simulated": self.settings.simulated,
            "target_tweet_id": target,
            "target_username": "a_stranger" if target else None,
            **columns,
        }
        with self.engine.begin() as conn:
            conn.execute(
                text(f"INSERT INTO content_metadata ({', '.join(row)}) VALUES ({', '.join(':' + c for c in row)})"), row
            )
            for number, part in enumerate(parts or []):
                conn.execute(
                    text("INSERT INTO decision_parts (decision_id, part, text) VALUES (:id, :part, :text)"),
                    {"id": decision_id, "part": number, "text": part},
                )
        return decision_id

    def post(self, **more: Any) -> publish.PublishReport:
        return publish.run(
            self.engine, self.clock, more.pop("settings", self.settings), lambda account: self.the_publisher, **more
        )

    def worker(self, *, browser: bool, mark: str = "", **environment: str) -> "subprocess.Popen[str]":
        """A posting process of its own: one tick per line of JSON written to it, one line of JSON back.

        `mark` is in the environment of the process and of all that it starts, so that leftovers can be told."""
        wanted = {
            "database": self.engine.url.render_as_string(hide_password=False),
            "clock": str(self.clock.path),
            "url": self.world.url,
            "environment": {"XBOT_HOME": str(self.settings.home), "X_HANDLE": self.handle, **environment},
            "sessions": str(self.sessions),
            "evidence": str(self.evidence),
            "browser": browser,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.posting_worker", json.dumps(wanted)],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PUBLISHING_TEST_MARK": mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(self, *, browser: bool, die_at: str | None = None, mark: str = "") -> int:
        """Run one tick in a process of its own, which kills itself at `die_at`; its exit code."""
        process = self.worker(browser=browser, mark=mark)
        _, trouble = process.communicate(json.dumps({"die_at": die_at}) + "\n", timeout=120)
        assert process.returncode in (0, -9), trouble[-2000:]
        return process.returncode

    def reconcile(self, **more: Any) -> reconcile.ReconcileReport:
        return reconcile.run(self.engine, self.clock, self.settings, lambda account: self.the_publisher, **more)

    @property
    def the_publisher(self) -> Publisher:
        assert self.publisher is not None
        return self.publisher

    def settle(self, minutes: int = 40) -> None:
        """Let time pass and the reconciler look until nothing is in doubt."""
        for _ in range(minutes):
            if not self.rows("SELECT 1 FROM posting_attempts WHERE state IN ('claimed', 'armed', 'in_doubt')"):
                return
            self.pass_time(minutes=1)
            self.reconcile()

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.connect() as conn:
            return list(conn.execute(text(sql), values).all())

    def run(self, sql: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(sql), values)

    def status(self, decision_id: str) -> str:
        return self.rows("SELECT status FROM content_metadata WHERE decision_id = :id", id=decision_id)[0].status

    def attempts(self, decision_id: str) -> list[str]:
        return [
            row.state
            for row in self.rows(
                "SELECT state FROM posting_attempts WHERE decision_id = :id ORDER BY part, attempt", id=decision_id
            )
        ]

    def alerts(self) -> list[tuple[str, str]]:
        return [(a.rule, a.subject) for a in self.rows("SELECT rule, subject FROM alerts WHERE state <> 'closed'")]

    def ledger(self) -> dict[str, Any]:
        return self.world.client.ledger(self.handle)

    def live(self) -> list[str]:
        """Texts on the replica's own ledger, oldest first."""
        return [row["text"] for row in self.ledger()["posts"]]

    def submits(self) -> int:
        return self.world.client.submits(self.handle)["count"]

    def sign_in(self) -> None:
        write_state(self.sessions / f"{self.account}.json", self.world.client.storage_state(self.handle))


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(world: World, database_url: str, tmp_path: Path) -> Iterator[MakeDesk]:
    """Make the desk of this test: `make_desk(handle=…, **environment)`; flags as in the environment."""
    made: list[Engine] = []

    def make(zone: str = "UTC", **environment: str) -> Desk:
        handle = f"acct_{uuid.uuid4().hex[:8]}"
        settings = load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": handle, **environment})
        engine = make_engine(database_url, world.clock)
        made.append(engine)
        with engine.begin() as conn:
            deployment.stamp(conn, settings, seed=7)
            deployment.add_account(conn, "default", handle, zone)
            config.install_defaults(conn, settings)
        world.client.create_account(handle, timezone=zone)
        desk = Desk(world, engine, settings, handle, tmp_path / "sessions", tmp_path / "evidence")
        desk.sign_in()
        return desk

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """A desk that posts without a browser, over the replica's JSON door."""
    desk = make_desk()
    desk.publisher = RecordedPublisher(desk.world.url, seconds=2)
    return desk


@pytest.fixture
def browser_desk(make_desk: MakeDesk, host: BrowserHost) -> Desk:
    """A desk that posts through real Chromium."""
    desk = make_desk()
    desk.publisher = browser_publisher(desk, host)
    return desk


def browser_publisher(desk: Desk, host: BrowserHost, **more: Any) -> BrowserPublisher:
    host.drop(desk.account)
    return BrowserPublisher(
        host,
        desk.world.url,
        lambda a: desk.sessions / f"{a}.json",
        desk.evidence,
        name="sandbox",
        submit_ms=3_000,
        **more,
    )


def set_config(desk: Desk, key: str, **values: Any) -> None:
    """Change live configuration as an operator does in SQL."""
    desk.run(
        "UPDATE bot_config SET config_value = config_value || cast(:value AS jsonb) WHERE config_key = :key",
        key=key,
        value=json.dumps(values),
    )
