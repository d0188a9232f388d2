"""How Chromium is started and what a context of it looks like: the same for whoever writes and whoever reads."""

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbot_dagster.errors import BrowserError

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize
    from tenacity import RetryCallState

log = logging.getLogger("xbot")

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
# Now and then Chromium ends by itself before it answers (seen, never explained). Starting it touches no account, so it is tried again.
STARTS = 3
_EXITED = re.compile(r"<process did exit: exitCode=(\S+), signal=(\S+)>")
_SAID = re.compile(r"\[pid=\d+\]\[err\] (.+)")


def launch_options(executable: Path, headless: bool) -> dict[str, Any]:
    """Arguments of `chromium.launch`."""
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {"executable_path": executable, "headless": headless, "args": flags, "timeout": START_MS}


def context_options(storage_state: Any, viewport: "ViewportSize") -> dict[str, Any]:
    """Arguments of `browser.new_context`. storage_state: a read session, None for nobody."""
    return {"storage_state": storage_state, "locale": "en-US", "viewport": viewport, "service_workers": "block"}


def starting() -> dict[str, Any]:
    """Arguments of tenacity's `Retrying` or `AsyncRetrying` around `chromium.launch`: a Chromium that ended by itself is
    started anew, up to `STARTS` times in all; every other error is raised at once."""
    from tenacity import retry_if_exception, stop_after_attempt

    def tell(state: "RetryCallState") -> None:
        assert state.outcome is not None
        reason = _reason(state.outcome.exception())
        log.warning("[BROWSER] ⚠️ Chromium did not start (%d of %d): %s", state.attempt_number, STARTS, reason)

    return {
        "retry": retry_if_exception(lambda error: _exit(error) is not None and not _no_screen(error)),
        "stop": stop_after_attempt(STARTS),
        "before_sleep": tell,
        "reraise": True,
    }


def not_started(executable: Path, error: Exception) -> BrowserError:
    """The sentence for a Chromium that did not start. error: what `chromium.launch` raised."""
    if _no_screen(error):
        return BrowserError(
            "There is no screen here for a browser window.",
            "Run the command on a machine with a desktop and the same XBOT_HOME, or under xvfb-run.",
        )
    return BrowserError(f"The browser {executable} cannot be started: {_reason(error)}.", "Check it with: xbot doctor")


def _no_screen(error: BaseException) -> bool:
    return "XServer" in str(error) or "$DISPLAY" in str(error)


def _exit(error: BaseException | None) -> tuple[str, str] | None:
    """(exit code, signal) of a Chromium that ended by itself; None when it was not found, or ended because it hung."""
    found = _EXITED.search(str(error)) if "has been closed" in str(error) else None
    return found and (found[1], found[2])


def _reason(error: BaseException | None) -> str:
    """In a line: how Chromium ended and the last it said, or else what Playwright calls the error."""
    text = str(error).strip()
    exited = _exit(error)
    if exited is None:
        return text.splitlines()[0].rstrip(".")
    code, signal = exited
    ended = f"it ended by itself ({f'exit code {code}' if signal == 'null' else signal})"
    said = _SAID.findall(text)
    return f"{ended}, saying: {said[-1].strip().rstrip('.')}" if said else ended
