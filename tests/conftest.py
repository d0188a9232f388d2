"""Shared parts of the tests: one embedded Postgres and Valkey a session, one freshly migrated database a test."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import Databases
from xbot_dagster.clock import FixedClock
from xbot_dagster.embedded import postgres, valkey
from xbot_dagster.embedded.home import Home
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import config, deployment, migrations
from xbot_dagster.store.engine import make_engine

NOON = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def services_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose Postgres and Valkey live as long as this test process."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.prepare()
    yield home
    valkey.stop(home.valkey)
    postgres.stop(home.postgres)


@pytest.fixture(scope="session")
def socket_dir(services_home: Home) -> str:
    return postgres.start(services_home.postgres)


@pytest.fixture(scope="session")
def cache_url(services_home: Home) -> str:
    """`redis://` address of a real Valkey, shared by the session: use a key prefix of your own."""
    return valkey.start(services_home.valkey)


@pytest.fixture(scope="session")
def template_database(socket_dir: str) -> str:
    """A migrated database that each test's own is copied from."""
    name = "template_xbot"
    postgres.ensure_database(socket_dir, name)
    migrations.up(postgres.url(socket_dir, name))
    return name


@pytest.fixture(scope="session")
def databases(socket_dir: str, template_database: str) -> Databases:
    return Databases(socket_dir, template_database)


@pytest.fixture
def database_url(socket_dir: str, databases: Databases) -> Iterator[str]:
    """Address of a fresh, migrated, unstamped database."""
    name = databases.take()
    yield postgres.url(socket_dir, name)
    databases.give_back(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo"})


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def engine(database_url: str, settings: Settings, clock: FixedClock) -> Iterator[Engine]:
    """An engine on a fresh database of the sandbox family with the account 'default' (@xbot_demo, UTC)."""
    engine = make_engine(database_url, clock)
    with engine.begin() as conn:
        deployment.stamp(conn, settings, seed=7)
        deployment.add_account(conn, deployment.DEFAULT_ACCOUNT, "xbot_demo", "UTC")
        config.install_defaults(conn, settings)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """What one test silences (a benchmark's main does), the next one hears again."""
    logger = logging.getLogger("xbot")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests pass their flags explicitly; what the shell happens to hold must not steer them."""
    for name in [n for n in os.environ if n in Settings.model_fields]:
        monkeypatch.delenv(name)
