"""A world, one Chromium for a module, and for every test an account of its own with a signed-in page."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, sync_playwright

from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.sandbox.process import WorldHandle, start_world, stop_world

NOON = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 10_000
_numbers = itertools.count(1)


def is_create(response: Response) -> bool:
    return response.request.method == "POST" and "/CreateTweet" in response.url


@dataclass
class Visit:
    """One account looking at the replica."""

    handle: WorldHandle
    clock_file: Path
    account: str
    page: Page
    context: BrowserContext
    problems: list[str] = field(default_factory=list)

    @property
    def client(self) -> SandboxClient:
        return self.handle.client

    def forward(self, **span: float) -> None:
        now = datetime.fromisoformat(json.loads(self.clock_file.read_text())["now"]) + timedelta(**span)
        set_clock(self.clock_file, now)

    def goto(self, path: str) -> None:
        self.page.goto(self.handle.url + path, wait_until="domcontentloaded")

    def compose(self, path: str = "/compose/post") -> "Composer":
        self.goto(path)
        return self.dialog()

    def dialog(self) -> "Composer":
        box = self.page.locator("[role=dialog][aria-modal=true]")
        box.get_by_test_id("tweetTextarea_0").wait_for()
        return Composer(self.page, box)

    def send(self, text: str) -> dict[str, Any]:
        """Posts through the dialog; the JSON of CreateTweet."""
        composer = self.compose()
        composer.editor().fill(text)
        with self.page.expect_response(is_create) as answer:
            composer.button.click()
        return answer.value.json()

    def live(self) -> list[dict[str, Any]]:
        return self.client.ledger(self.account)["posts"]

    def article(self, post_id: str) -> Locator:
        """The article of that post and no other: people may have answered below it."""
        return self.page.locator(f'main article:has(a[href$="/status/{post_id}"])')

    def toast(self) -> Locator:
        return self.page.get_by_test_id("toast")


@dataclass
class Composer:
    page: Page
    box: Locator

    def editor(self, number: int = 0) -> Locator:
        return self.box.get_by_test_id(f"tweetTextarea_{number}")

    @property
    def button(self) -> Locator:
        return self.box.get_by_test_id("tweetButton")


def id_of(answer: dict[str, Any]) -> str:
    return answer["data"]["create_tweet"]["tweet_results"]["result"]["rest_id"]


def set_clock(path: Path, now: datetime) -> None:
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({"now": now.isoformat()}))
    draft.replace(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WorldHandle, Path]]:
    folder = tmp_path_factory.mktemp("replica")
    clock = folder / "clock.json"
    set_clock(clock, NOON)
    handle = start_world(folder / "home", seed=7, clock_file=clock)
    yield handle, clock
    stop_world(handle)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(find_browser()), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(world: tuple[WorldHandle, Path], browser: Browser) -> Iterator[Visit]:
    handle, clock = world
    set_clock(clock, NOON)
    handle.client.clear_faults()
    account = f"Quiet_{next(_numbers)}"
    handle.client.create_account(account, followers=1234, timezone="Europe/Berlin")
    context = browser.new_context(storage_state=handle.client.storage_state(account), locale="en-US")  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    visit = Visit(handle, clock, account, page, context)
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    yield visit
    context.close()
    assert visit.problems == []
