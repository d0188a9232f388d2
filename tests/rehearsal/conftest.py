"""Short rehearsals shared by the tests of this folder: homes of their own, ended when the session ends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from xbot_dagster.embedded import services
from xbot_dagster.rehearsal.driver import Plan, Record, Rehearsal
from xbot_dagster.resources.opening import opened
from xbot_dagster.settings import Settings, load_settings

UNTIL = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Rehearsed:
    """A home after its rehearsal."""

    settings: Settings
    record: Record
    engine: Engine

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as conn:
            return list(conn.execute(text(sql), parameters))

    def value(self, sql: str, **parameters: Any) -> Any:
        return self.rows(sql, **parameters)[0][0]


Rehearse = Callable[..., Rehearsed]


@pytest.fixture(scope="session")
def rehearse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearse]:
    """Run a rehearsal on a home of its own: `rehearse(hours=14, publisher="recorded", seed=7, disabled=())`."""
    open_homes: list[tuple[Settings, Any]] = []

    def run(
        *, hours: int = 14, publisher: str = "recorded", seed: int = 7, disabled: tuple[str, ...] = ()
    ) -> Rehearsed:
        home: Path = tmp_path_factory.mktemp("r") / "h"
        settings = load_settings({"XBOT_HOME": str(home), "PUBLISHER": publisher})
        plan = Plan(seed, max(1, hours // 24), UNTIL - timedelta(hours=hours), UNTIL, None)
        record = Rehearsal(settings, plan, disabled=disabled).run()
        manager = opened(settings)
        found = manager.__enter__()
        open_homes.append((settings, manager))
        return Rehearsed(settings, record, found.engine)

    yield run
    for settings, manager in open_homes:
        manager.__exit__(None, None, None)
        services.detach(settings)


@pytest.fixture(scope="session")
def browser_rehearsal(rehearse: Rehearse) -> Rehearsed:
    """Two simulated days through real Chromium."""
    return rehearse(hours=48, publisher="sandbox")


@pytest.fixture(scope="session")
def recorded_rehearsal(rehearse: Rehearse) -> Rehearsed:
    """A night and a morning without a browser."""
    return rehearse()
