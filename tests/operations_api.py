"""An API on the test's own database, called from this machine with or without the token, and a launcher that records."""

from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine

from xbot_dagster.api.app import create_app
from xbot_dagster.clock import FixedClock
from xbot_dagster.embedded.home import Home
from xbot_dagster.embedded.services import Services
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import deployment
from xbot_dagster.store.usage import UsageLedger

TOKEN = "correct-horse-battery-staple"


class RecordingLauncher:
    """Speaks the launcher's signature and remembers what was asked of it."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []

    def __call__(self, job_name: str, actor: str) -> str:
        self.started.append((job_name, actor))
        return f"run-{len(self.started)}"


@pytest.fixture
def launcher() -> RecordingLauncher:
    return RecordingLauncher()


@pytest.fixture
def guarded(tmp_path: Path) -> Settings:
    """Settings with an admin token."""
    return load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo", "ADMIN_TOKEN": TOKEN})


def open_for_test(settings: Settings, engine: Engine, clock: FixedClock, cache_url: str) -> Opened:
    """The deployment of a test's own database."""
    with engine.begin() as conn:
        stamp = deployment.require_family(conn, settings)
    address = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    return Opened(
        settings, Services(Home(settings.home), address, address, cache_url, True, True), engine, clock, stamp
    )


@pytest.fixture
def app(
    guarded: Settings,
    engine: Engine,
    clock: FixedClock,
    cache_url: str,
    launcher: RecordingLauncher,
    httpserver: HTTPServer,
) -> FastAPI:
    app = create_app(guarded, open_for_test(guarded, engine, clock, cache_url), launcher)
    app.state.service.open_llm = lambda opened: closing(_moderator(httpserver, opened))
    return app


def _moderator(httpserver: HTTPServer, opened: Opened) -> BudgetedClient:
    """A client of a server that flags nothing: what a person edits is moderated before it is judged."""
    verdict = {"flagged": False, "categories": {}, "category_scores": {}}
    httpserver.expect_request("/v1/moderations").respond_with_json({"id": "m1", "model": "omni", "results": [verdict]})
    settings = opened.settings.model_copy(update={"OPENAI_BASE_URL": httpserver.url_for("/v1")})
    return BudgetedClient(UsageLedger(opened.engine, settings, opened.clock), settings, opened.clock)


def client_of(
    app: FastAPI, *, token: str | None = None, address: str = "127.0.0.1", host: str = "127.0.0.1"
) -> TestClient:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return TestClient(app, f"http://{host}", headers=headers, client=(address, 50000), raise_server_exceptions=False)


@pytest.fixture
def local(app: FastAPI) -> TestClient:
    """A caller on this machine without a token."""
    return client_of(app)


@pytest.fixture
def admin(app: FastAPI) -> TestClient:
    """A caller with the token."""
    return client_of(app, token=TOKEN)
