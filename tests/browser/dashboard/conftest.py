"""The real service in a process of its own on a database of this module, and Chromium in front of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import Engine, text

from tests import operations_world
from tests.unit.learning_models.frames import end_of, frame
from xbot_dagster.clock import SystemClock
from xbot_dagster.domain.learning.predictors_payload import to_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor, train_timing
from xbot_dagster.embedded import postgres, services
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.embedded.home import Home
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import config, deployment
from xbot_dagster.store.engine import make_engine

TOKEN = "correct-horse-battery-staple"
ARTIFACTS = Path(__file__).parents[3] / "test-artifacts" / "dashboard"
PATIENCE_MS = 20_000


@dataclass
class Served:
    """The service's address, its database, and the rows it was filled with."""

    address: str
    engine: Engine
    settings: Settings
    world: operations_world.World

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the API as somebody else with the token."""
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-admin-token": TOKEN, "content-type": "application/json", "x-actor": "Grace"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def value(self, sql: str, **parameters: Any) -> Any:
        with self.engine.begin() as conn:
            return conn.execute(text(sql), parameters).scalar_one()


@pytest.fixture(scope="module")
def served(
    socket_dir: str, template_database: str, cache_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    home = tmp_path_factory.mktemp("served")
    with psycopg.connect(postgres.url(socket_dir, "postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")  # pyright: ignore[reportArgumentType]
        url = postgres.url(socket_dir, name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        flags = {
            "XBOT_HOME": str(home), "X_HANDLE": "xbot_demo", "ADMIN_TOKEN": TOKEN, "DATABASE_URL": url, "REDIS_URL": cache_url,
            "DAGSTER_DATABASE_URL": url, "XBOT_API_PORT": str(port), "REDIS_PREFIX": f"{name}:",
        }  # fmt: skip
        settings, clock = load_settings(flags), SystemClock()
        engine = make_engine(url, clock)
        with engine.begin() as conn:
            deployment.stamp(conn, settings, seed=7)
            deployment.add_account(conn, deployment.DEFAULT_ACCOUNT, "xbot_demo", "Europe/Berlin")
            config.install_defaults(conn, settings)
            world = operations_world.fill(conn, clock.now())
            conn.execute(
                text("UPDATE predictor_versions SET payload = cast(:payload AS jsonb) WHERE kind = 'timing'"),
                {"payload": json.dumps(_timing_predictor())},
            )
        with open(home / "service.log", "wb") as sink:
            kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
            process = subprocess.Popen(
                [sys.executable, "-m", "xbot_dagster.dashboard"], env=kept | flags, stdout=sink, stderr=sink
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/readyz", process, home / "service.log")
            yield Served(address, engine, settings, world)
            log = (home / "service.log").read_text()
            assert "Traceback" not in log, log[-3000:]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            services.stop_all(Home(home))  # the service started a world that nobody else ends
            engine.dispose()
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # pyright: ignore[reportArgumentType]


def _timing_predictor() -> dict[str, Any]:
    posts = frame(160)
    trained = train_timing(posts, as_of=end_of(posts), random_state=7, zone="Europe/Berlin")
    assert isinstance(trained, TimingPredictor)
    return to_payload(trained)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(find_browser()), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Desk:
    """A signed-in person in front of the dashboard. `problems` are console errors and exceptions of the page."""

    served: Served
    page: Page
    context: BrowserContext
    problems: list[str] = field(default_factory=list)

    def open(self, path: str, title: str) -> None:
        self.page.goto(f"{self.served.address}{path}")
        expect(self.page.locator(".main h1")).to_have_text(title)
        # The live connection stands once a click reaches the server.
        self.page.wait_for_function("() => window.socket?.connected")

    def row(self, decision_id: str, action: str):
        """The button of a draft."""
        return self.page.locator(f'button[data-action="{action}"][data-id="{decision_id}"]')

    def said(self, words: str) -> None:
        """The message in the corner."""
        expect(self.page.locator(".q-notification", has_text=words).first).to_be_visible()

    def dialog(self):
        return self.page.get_by_role("dialog").locator("visible=true")

    def picture(self, name: str) -> None:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


@pytest.fixture
def sit_down(served: Served, chromium: Browser) -> Iterator[Callable[..., Desk]]:
    """Signs a person in; every page must have stayed free of console errors at the end."""
    desks: list[Desk] = []

    def arrive(name: str = "Ada", **options: Any) -> Desk:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        desk = Desk(served, page, context)
        page.on("console", lambda message: desk.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: desk.problems.append(str(error)))
        page.goto(f"{served.address}/login")
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Admin token").fill(TOKEN)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".main h1")).to_have_text("Today")
        desks.append(desk)
        return desk

    expect.set_options(timeout=PATIENCE_MS)
    yield arrive
    for desk in desks:
        desk.context.close()
        assert desk.problems == []


@pytest.fixture
def desk(sit_down: Callable[..., Desk]) -> Desk:
    return sit_down()
