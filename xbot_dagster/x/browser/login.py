"""A person signs in, in a browser with a window; what is kept is the session, never a password."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xbot_dagster.errors import BrowserError
from xbot_dagster.x.browser import timeline
from xbot_dagster.x.browser.session import BrowserHost, write_state
from xbot_dagster.x.site import site

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

WAIT_SECONDS = 600.0
# After a change of account the old name shows for a few seconds: only names that stay are believed.
_EQUAL_READS = 3
_READ_EVERY_MS = 700


def run(
    host: BrowserHost,
    base_url: str,
    handle: str,
    session_file: Path,
    seconds: float = WAIT_SECONDS,
    opened: Callable[["BrowserContext"], None] = lambda context: None,
) -> None:
    """Open the site's own login page and wait until @handle is signed in; then store the session (0600, in one step).

    host: made with `headless=False`, and closed here. opened: told once the page is there. Raises BrowserError when the
    window cannot be opened or is closed, when nobody signs in within `seconds`, or when it is somebody else.
    """
    from playwright.sync_api import Error

    account = f"login:{handle}"
    try:
        page = host.page(account)
        page.goto(base_url.rstrip("/") + site("login_path"), wait_until="domcontentloaded")
        opened(page.context)
        name = _settled_name(page, seconds)
        if name.lower() != handle.lower():
            raise BrowserError(f"@{name} is signed in, but this account is @{handle}.", "Sign in as the right account.")
        write_state(session_file, dict(page.context.storage_state()))
    except Error as error:
        reason = str(error).strip().splitlines()[0]
        raise BrowserError(f"The login was not finished: {reason}", "Run it again and leave the window open.") from None
    finally:
        host.close()


def _settled_name(page: "Page", seconds: float) -> str:
    """The handle that is signed in, seen so often in a row. Raises BrowserError when the time is over."""
    last, equal, waited = None, 0, 0.0
    while waited < seconds * 1000:
        name = timeline.signed_in_as(page)
        equal = equal + 1 if name is not None and name == last else int(name is not None)
        last = name
        if name is not None and equal >= _EQUAL_READS:
            return name
        page.wait_for_timeout(_READ_EVERY_MS)
        waited += _READ_EVERY_MS
    raise BrowserError(f"Nobody signed in within {seconds:g} s.", "Run it again: xbot login")
