"""The browser of a metrics batch: one process, contexts thrown away after so many pages, a few tabs that load nothing heavy."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from xbot_dagster.errors import BrowserError
from xbot_dagster.x.browser import page_state
from xbot_dagster.x.browser.chromium import (
    ACTION_MS,
    NAVIGATION_MS,
    context_options,
    launch_options,
    not_started,
    starting,
)
from xbot_dagster.x.browser.chromium import PAGES_PER_CONTEXT as READS_PER_CONTEXT
from xbot_dagster.x.browser.session import read_state
from xbot_dagster.x.site import site

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Playwright, Response, ViewportSize

StorageStateFor = Callable[[str], Path | dict[str, Any] | None]
# What is drawn costs time: a small window where a call or a dialog is read, a tall one where a timeline is.
SMALL: "ViewportSize" = {"width": 800, "height": 600}
TALL: "ViewportSize" = {"width": 1280, "height": 3000}
# Counting needs no pictures, fonts or styles; blocking them inside the browser halves the time of a page.
_BLOCKED = ["*.jpg*", "*.jpeg*", "*.png*", "*.gif*", "*.webp*", "*.mp4*", "*.woff*", "*.woff2*", "*.svg*", "*.css*"]


class FoundBrowser(Protocol):
    """Whoever found the browser of this machine (`BrowserHost`)."""

    executable: Path
    headless: bool


class Tab:
    """One page with an ear for the analytics call."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self._limited = False
        self._waiting: dict[str, asyncio.Future[tuple[int, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        page.on("response", self._heard)

    def expect_activity(self, tweet_id: str) -> "asyncio.Future[tuple[int, Any]]":
        """The next TweetActivityQuery answer about this post: (HTTP status, body)."""
        self._waiting.clear()
        future: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[tweet_id] = future
        return future

    async def look(self) -> dict[str, Any]:
        """What the page shows now, and whether a call of it has been answered with HTTP 429."""
        page = await self.page.evaluate(page_state.script(), page_state.script_arguments())
        return {**page, "limited": self._limited}

    def _heard(self, response: "Response") -> None:
        parts = urlsplit(response.url)
        if response.status == 429 and "/graphql/" in parts.path:
            self._limited = True
        if not parts.path.endswith("/" + site("activity_operation")):
            return
        future = self._waiting.get(_rest_id(parts.query, response.request.post_data) or "")
        if future is not None and not future.done():
            task = asyncio.create_task(self._hand_over(response, future))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hand_over(self, response: "Response", future: "asyncio.Future[tuple[int, Any]]") -> None:
        from playwright.async_api import Error

        try:
            body = await response.json()
        except (Error, ValueError):
            body = None  # the page moved on or the answer is not JSON: the dialog is read instead
        if not future.done():
            future.set_result((response.status, body))


def _rest_id(query: str, post_data: str | None) -> str | None:
    """Which post a GraphQL call asks about: `variables` of the address or of the body."""
    variables: Any = parse_qs(query).get("variables", [None])[0]
    try:
        if variables is None and post_data:
            variables = json.loads(post_data).get("variables")
        if isinstance(variables, str):
            variables = json.loads(variables)
    except (ValueError, AttributeError):
        return None
    return str(variables.get("restId")) if isinstance(variables, dict) else None


class Tabs:
    """Owns the browser. Everything here runs on one asyncio loop."""

    def __init__(self, host: FoundBrowser, base_url: str, storage_state_for: StorageStateFor, size: int) -> None:
        self._host, self.base_url, self._storage_state_for = host, base_url.rstrip("/"), storage_state_for
        self.size = size
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._context: BrowserContext | None = None
        self._account: str | None = None
        self._used = 0
        self._tabs: list[Tab] = []

    async def take(self, account: str, reads: int, tabs: int) -> list[Tab]:
        """Up to `tabs` tabs of the account's session, good for `reads` more pages; recycles the context when it is worn.

        A browser that has died is started again, once. Raises BrowserError when that does not help."""
        from playwright.async_api import Error

        try:
            return await self._take(account, reads, tabs)
        except Error:
            await self.drop()
            await self._stop_browser()
        try:
            return await self._take(account, reads, tabs)
        except Error as error:
            reason = str(error).strip().splitlines()[0]
            raise BrowserError(f"The browser does not open pages: {reason}", "Check it with: xbot doctor") from None

    async def _take(self, account: str, reads: int, tabs: int) -> list[Tab]:
        if self._context is None or self._account != account or self._used >= READS_PER_CONTEXT:
            await self.drop()
            self._context = await self._new_context(account)
            self._account = account
        self._used += reads
        while len(self._tabs) < min(tabs, self.size):
            self._tabs.append(await self._new_tab(self._context))
        return self._tabs[:tabs]

    async def drop(self) -> None:
        """Throw the context away: its session changed, it is worn, or a page of it broke."""
        from playwright.async_api import Error

        context, self._context, self._tabs, self._used = self._context, None, [], 0
        if context is not None:
            try:
                await context.close()
            except Error:
                await self._stop_browser()  # a context that cannot be closed belongs to a browser that is gone

    async def close(self) -> None:
        await self.drop()
        await self._stop_browser()
        if self._playwright is not None:
            await self._playwright.stop()
            self._playwright = None

    async def _stop_browser(self) -> None:
        from playwright.async_api import Error

        browser, self._browser = self._browser, None
        if browser is not None:
            try:
                await browser.close()
            except Error:
                return  # it is gone already, which is what was wanted

    async def _new_context(self, account: str) -> "BrowserContext":
        browser = await self._started()
        found = self._storage_state_for(account)
        state: Any = read_state(found) if isinstance(found, Path) else found
        context = await browser.new_context(**context_options(state, SMALL))
        context.set_default_timeout(ACTION_MS)
        context.set_default_navigation_timeout(NAVIGATION_MS)
        return context

    async def _new_tab(self, context: "BrowserContext") -> Tab:
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        await session.send("Network.enable")
        await session.send("Network.setBlockedURLs", {"urls": _BLOCKED})
        return Tab(page)

    async def _started(self) -> "Browser":
        from playwright.async_api import Error, async_playwright
        from tenacity import AsyncRetrying

        if self._browser is not None and self._browser.is_connected():
            return self._browser
        if self._playwright is None:
            self._playwright = await async_playwright().start()
        try:
            launch = self._playwright.chromium.launch
            options = launch_options(self._host.executable, self._host.headless)
            browser: Browser = await AsyncRetrying(**starting())(launch, **options)
        except Error as error:
            raise not_started(self._host.executable, error) from None
        self._browser = browser
        return browser
