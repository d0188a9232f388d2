"""One Chromium per process and its signed-in contexts: launching, recycling, ending, and keeping sessions on disk.

Playwright's objects belong to the thread that made them: a host is used by one thread only.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbot_dagster.errors import BrowserError
from xbot_dagster.x.browser.chromium import (
    ACTION_MS,
    NAVIGATION_MS,
    PAGES_PER_CONTEXT,
    context_options,
    launch_options,
    not_started,
    starting,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright


@dataclass
class _Signed:
    context: "BrowserContext"
    uses: int = 0


class BrowserHost:
    """One Chromium. `context(account, state)` hands out the account's signed-in context, fresh after so many uses."""

    def __init__(self, executable: Path, *, pages_per_context: int = PAGES_PER_CONTEXT, headless: bool = True) -> None:
        self.executable = executable
        self.pages_per_context = pages_per_context
        self.headless = headless
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._contexts: dict[str, _Signed] = {}

    def context(self, account: str, storage_state: Path | dict[str, Any] | None = None) -> "BrowserContext":
        """The context of `account`; counts as one use. Raises BrowserError when Chromium cannot be started."""
        browser = self._running()
        signed = self._contexts.get(account)
        if signed is not None and signed.uses >= self.pages_per_context:
            self.drop(account)
            signed = None
        if signed is None:
            signed = _Signed(_new_context(browser, storage_state))
            self._contexts[account] = signed
        signed.uses += 1
        return signed.context

    def page(self, account: str, storage_state: Path | dict[str, Any] | None = None) -> "Page":
        """The first page of the account's context, opened when there is none."""
        context = self.context(account, storage_state)
        return context.pages[0] if context.pages else context.new_page()

    def drop(self, account: str) -> None:
        """Close an account's context: its memory is free, its next use starts from the stored session."""
        from playwright.sync_api import Error

        signed = self._contexts.pop(account, None)
        if signed is None:
            return
        try:
            signed.context.close()
        except Error:
            # A context that cannot be closed belongs to a browser that is gone.
            self._forget()

    def save(self, account: str, path: Path) -> None:
        """Keep the account's cookies as they are now (X rotates them). Does nothing without a context."""
        signed = self._contexts.get(account)
        if signed is not None:
            write_state(path, dict(signed.context.storage_state()))

    def close(self) -> None:
        """End Chromium and its driver; the host can be used again afterwards."""
        from playwright.sync_api import Error

        if self._browser is not None:
            # A browser that died cannot be closed twice.
            with suppress(Error):
                self._browser.close()
        self._forget()
        if self._playwright is not None:
            self._playwright.stop()
            self._playwright = None

    def _forget(self) -> None:
        self._contexts.clear()
        self._browser = None

    def _running(self) -> "Browser":
        from playwright.sync_api import Error, sync_playwright
        from tenacity import Retrying

        if self._browser is not None and self._browser.is_connected():
            return self._browser
        self._forget()
        if self._playwright is None:
            self._playwright = sync_playwright().start()
        try:
            launch = self._playwright.chromium.launch
            self._browser = Retrying(**starting())(launch, **launch_options(self.executable, self.headless))
        except Error as error:
            raise not_started(self.executable, error) from None
        return self._browser


def _new_context(browser: "Browser", storage_state: Path | dict[str, Any] | None) -> "BrowserContext":
    state: Any = read_state(storage_state) if isinstance(storage_state, Path) else storage_state
    context = browser.new_context(**context_options(state, {"width": 1100, "height": 1400}))
    context.set_default_timeout(ACTION_MS)
    context.set_default_navigation_timeout(NAVIGATION_MS)
    return context


def read_state(path: Path) -> dict[str, Any] | None:
    """A stored session (Playwright's storage state), None when there is none. Raises BrowserError when it cannot be read."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise BrowserError(f"The session file {path.name} cannot be read.", "Make a new one with: xbot login") from None


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Store a session in one step and readable by its owner only: it is as good as a password."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as stream:
        json.dump(state, stream)
    os.replace(draft, path)
