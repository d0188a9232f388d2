"""One real world process for a module of tests; every test gets an account of its own and a world without faults."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.sandbox.process import WorldHandle, start_world, stop_world

NOON = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass
class Stage:
    """A world with a clock that the test sets, and one fresh account."""

    handle: WorldHandle
    clock_file: Path
    account: str = ""

    @property
    def client(self) -> SandboxClient:
        return self.handle.client

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(json.loads(self.clock_file.read_text())["now"])

    def set(self, now: datetime) -> None:
        draft = self.clock_file.with_suffix(".tmp")
        draft.write_text(json.dumps({"now": now.isoformat()}))
        draft.replace(self.clock_file)

    def forward(self, **span: float) -> None:
        self.set(self.now + timedelta(**span))

    def post(self, text: str, in_reply_to: str | None = None) -> str:
        return self.client.recorded_post(self.account, text, in_reply_to)["id"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("world")
    stage = Stage(None, folder / "clock.json")  # type: ignore[arg-type]
    stage.set(NOON)
    stage.handle = start_world(folder / "home", seed=7, clock_file=stage.clock_file)
    yield stage
    stop_world(stage.handle)


@pytest.fixture
def stage(running: Stage) -> Stage:
    running.client.clear_faults()
    running.set(NOON)
    running.account = f"quiet_{next(_numbers)}"
    running.client.create_account(running.account, followers=1200, timezone="Europe/Berlin")
    return running
