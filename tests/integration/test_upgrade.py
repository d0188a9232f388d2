"""Upgrading: a database of the first schema keeps every row on the way to the newest, works there, and finds its way back."""

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from tests.conftest import NOON
from tests.upgrade_rows import FOUNDATION, LOOP
from xbot_dagster.cli.main import app
from xbot_dagster.clock import FixedClock, SimulatedClock
from xbot_dagster.embedded import postgres, services
from xbot_dagster.settings import load_settings
from xbot_dagster.store import invariants, migrations
from xbot_dagster.store.engine import make_engine

# The very first file alone, and the first chain with which the loop ran.
STARTS = {"0001_foundation": FOUNDATION, "0008_views": FOUNDATION + LOOP}
_OURS = """SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
           AND table_name !~ 'yoyo' AND table_name <> 'schema_checksums' ORDER BY 1"""
_DECISION = "00000000-0000-4000-9000-000000000001"
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=STARTS)
def old(request: pytest.FixtureRequest, socket_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:  # fmt: skip
    """(address of a database at an old schema with rows of that time, name of its newest migration)."""
    name = f"old_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(socket_dir, name)
    url = postgres.url(socket_dir, name)
    chain = tmp_path / "chain"
    chain.mkdir()
    for path in migrations.folder().glob("*.sql"):
        if path.name.split(".")[0] <= request.param:
            shutil.copy(path, chain)
    with monkeypatch.context() as then:
        then.setattr(migrations, "folder", lambda: chain)
        assert migrations.up(url)[-1] == request.param
    with psycopg.connect(url) as conn:
        conn.execute(STARTS[request.param].encode())
    return url, request.param


def rows(url: str) -> Rows:
    """Every row of every table as JSON; without when and by whom a configuration was last touched, which a migration may do."""
    with psycopg.connect(url) as conn:
        found: Rows = {}
        for (table,) in conn.execute(_OURS).fetchall():
            found[table] = [row for (row,) in conn.execute(f"SELECT to_jsonb(t) FROM {table} AS t".encode())]
    for row in found["bot_config"]:
        del row["updated_at"], row["updated_by"]
    return found


def holds(after: Any, before: Any) -> bool:
    """Whether `after` still says all that `before` said; it may say more (new columns, new defaults)."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            key in after and holds(after[key], value) for key, value in before.items()
        )
    return after == before


def lost(before: Rows, after: Rows) -> list[str]:
    """Rows that are no longer there, or say something else."""
    return [
        f"{table}: {row}" for table, found in before.items() for row in found
        if not any(holds(candidate, row) for candidate in after.get(table, []))
    ]  # fmt: skip


def promises(engine: Engine) -> dict[str, int]:
    """How many rows break each promise between tables."""
    checks: list[Callable[..., Any]] = [
        found for name, found in vars(invariants).items() if callable(found) and found.__module__ == invariants.__name__ and not name.startswith("_")
    ]  # fmt: skip
    assert len(checks) >= 6
    with engine.begin() as conn:
        return {check.__name__: check(conn) for check in checks}


def test_every_row_survives_every_promise_holds_and_the_way_back_is_open(old: tuple[str, str]) -> None:
    url, start = old
    before = rows(url)
    assert sum(map(len, before.values())) >= 8
    upgraded = migrations.up(url)
    assert upgraded == [name for name in migrations.names() if name > start]
    engine = make_engine(url, FixedClock(NOON))
    migrations.require_current(engine)
    assert lost(before, rows(url)) == []
    assert {name: broken for name, broken in promises(engine).items() if broken} == {}
    engine.dispose()
    assert migrations.down(url, len(upgraded)) == list(reversed(upgraded))
    assert lost(before, rows(url)) == []
    assert set(rows(url)) == set(before)
    assert migrations.up(url) == upgraded
    assert lost(before, rows(url)) == []


def test_what_it_would_lose_is_noticed() -> None:
    before: Rows = {"alerts": [{"id": 1, "state": "open"}, {"id": 2, "state": "open"}]}
    assert lost(before, {"alerts": [{"id": 1, "state": "open", "new": None}, {"id": 2, "state": "open"}]}) == []
    assert len(lost(before, {"alerts": [{"id": 1, "state": "closed"}, {"id": 2, "state": "open"}]})) == 1
    assert len(lost(before, {})) == 2


@pytest.mark.parametrize("old", ["0008_views"], indirect=True)
def test_the_loop_goes_on_from_what_it_finds(old: tuple[str, str], cache_url: str, tmp_path: Path) -> None:
    url, _ = old
    home = tmp_path / "home"
    flags = {"XBOT_HOME": str(home), "DATABASE_URL": url, "DAGSTER_DATABASE_URL": url, "REDIS_URL": cache_url}
    settings = load_settings(flags | {"REDIS_PREFIX": "upgrade:"})
    home.mkdir()
    SimulatedClock(home / "clock.json", NOON)

    def xbot(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), env=flags | {"REDIS_PREFIX": "upgrade:"}, catch_exceptions=False)
        assert done.exit_code == 0, f"{words}: {done.output}"
        return done.output

    try:
        assert "applied 0009" in xbot("migrate", "up")
        queued = json.loads(xbot("queue", "list", "--json"))
        assert [row["decision_id"][-1] for row in queued if row["status"] == "queued"] == ["3"]
        status = json.loads(xbot("status", "--json"))
        assert (status["accounts"], status["pass1"], status["pass2"], status["alerts_open"]) == (2, 1, 1, 1)
        told = xbot("explain", _DECISION)
        assert "1858191230021746681" in told
        assert "educational" in told
        xbot("learn", "--dry-run")
        xbot("bandit", "report")
    finally:
        services.detach(settings)
    engine = make_engine(url, FixedClock(NOON))
    with engine.begin() as conn:
        assert conn.execute(text("SELECT sum(n) FROM outcome_counts")).scalar_one() == 2
    engine.dispose()
