"""How Chromium is started and what a context of it looks like: the same for whoever writes and whoever reads."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbot_dagster.errors import BrowserError

if TYPE_CHECKING:
    from playwright.sync_api import Error, ViewportSize

# Leave out everything that speaks to the outside or costs memory without a page asking for it. No --disable-features here:
# the last one on the command line counts, and Playwright has a list of its own.
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--in-process-gpu",
    "--enable-features=NetworkServiceInProcess2",
    "--js-flags=--max-old-space-size=256",
)
START_MS = 30_000
ACTION_MS = 10_000
NAVIGATION_MS = 20_000
# The memory of a context is only given back when it is closed.
PAGES_PER_CONTEXT = 60


def launch_options(executable: Path, headless: bool) -> dict[str, Any]:
    """Arguments of `chromium.launch`."""
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {"executable_path": executable, "headless": headless, "args": flags, "timeout": START_MS}


def context_options(storage_state: Any, viewport: "ViewportSize") -> dict[str, Any]:
    """Arguments of `browser.new_context`. storage_state: a read session, None for nobody."""
    return {"storage_state": storage_state, "locale": "en-US", "viewport": viewport, "service_workers": "block"}


def not_started(executable: Path, error: "Error") -> BrowserError:
    """The sentence for a Chromium that did not start."""
    if "XServer" in str(error) or "$DISPLAY" in str(error):
        return BrowserError(
            "There is no screen here for a browser window.",
            "Run the command on a machine with a desktop and the same XBOT_HOME, or under xvfb-run.",
        )
    reason = str(error).strip().splitlines()[0]
    return BrowserError(f"The browser {executable} cannot be started: {reason}.", "Check it with: xbot doctor")
