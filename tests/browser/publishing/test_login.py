"""Signing in by hand, on the replica: the session is stored for its owner only, and only that of the right account."""

import pytest

from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.errors import BrowserError
from xbot_dagster.x.browser import login
from xbot_dagster.x.browser.session import BrowserHost

pytestmark = pytest.mark.browser


def signs_in(desk, handle: str):
    """What a person does in the window: afterwards the site knows them."""

    def act(context) -> None:
        context.add_cookies(desk.world.client.storage_state(handle)["cookies"])
        context.pages[0].goto(desk.world.url + "/home")

    return act


def test_the_session_is_kept_and_posts(browser_desk, host, tmp_path):
    # One Chromium driver a thread: the module's host makes room for the one of the login.
    host.close()
    desk = browser_desk
    file = desk.sessions / "default.json"
    file.unlink()
    login.run(BrowserHost(find_browser()), desk.world.url, desk.handle, file, 30, signs_in(desk, desk.handle))
    assert file.stat().st_mode & 0o777 == 0o600
    decision = desk.add()
    desk.post()
    assert desk.status(decision) == "posted"


def test_somebody_else_is_not_stored(browser_desk, host):
    host.close()
    desk = browser_desk
    file = desk.sessions / "default.json"
    file.unlink()
    desk.world.client.create_account("somebody_else")
    with pytest.raises(BrowserError, match="@somebody_else is signed in"):
        login.run(BrowserHost(find_browser()), desk.world.url, desk.handle, file, 30, signs_in(desk, "somebody_else"))
    assert not file.exists()


def test_nobody_signing_in_ends_with_a_sentence(browser_desk, host):
    host.close()
    desk = browser_desk
    with pytest.raises(BrowserError, match="Nobody signed in"):
        login.run(BrowserHost(find_browser()), desk.world.url, desk.handle, desk.sessions / "default.json", 2)


def test_without_a_screen_the_sentence_says_so(browser_desk, host, monkeypatch):
    host.close()
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    desk = browser_desk
    with pytest.raises(BrowserError, match="no screen here for a browser window"):
        login.run(
            BrowserHost(find_browser(), headless=False), desk.world.url, desk.handle, desk.sessions / "default.json", 2
        )
