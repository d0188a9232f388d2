"""A Chromium that ends while it starts is started anew, a few times; one that never starts is a sentence with its last words.

The browser is the real one behind a script that stands where it was and fails the first times."""

import asyncio
import logging
from pathlib import Path

import pytest

from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.errors import BrowserError
from xbot_dagster.x.browser.chromium import STARTS
from xbot_dagster.x.browser.session import BrowserHost
from xbot_dagster.x.browser.tabs import Tabs

pytestmark = pytest.mark.browser


def failing(folder: Path, times: int, end: str) -> tuple[Path, Path]:
    """(a browser that ends `times` times by the shell command `end`, the file with one line a start)"""
    starts, script = folder / "starts", folder / "browser"
    starts.write_text("")
    script.write_text(
        f'#!/bin/sh\necho >> {starts}\n[ "$(wc -l < {starts})" -gt {times} ] && exec {find_browser()} "$@"\n{end}\n'
    )
    script.chmod(0o755)
    return script, starts


def started(file: Path) -> int:
    return len(file.read_text().splitlines())


def opened_by_a_host(browser: Path) -> str:
    host = BrowserHost(browser)
    try:
        page = host.page("default")
        page.goto("data:text/html,<title>here</title>")
        return page.title()
    finally:
        host.close()


def opened_by_tabs(browser: Path) -> str:
    async def take() -> str:
        tabs = Tabs(BrowserHost(browser), "http://127.0.0.1:9", lambda _: None, 1)
        try:
            [tab] = await tabs.take("default", 1, 1)
            await tab.page.goto("data:text/html,<title>here</title>")
            return await tab.page.title()
        finally:
            await tabs.close()

    return asyncio.run(take())


@pytest.mark.parametrize("opened", [opened_by_a_host, opened_by_tabs])
def test_one_that_crashed_is_started_again_and_the_log_says_how_it_ended(opened, tmp_path, caplog):
    browser, starts = failing(tmp_path, 1, "echo 'no room for a zygote' >&2; kill -SEGV $$")
    with caplog.at_level(logging.WARNING, "xbot"):
        assert opened(browser) == "here"
    assert started(starts) == 2
    [said] = [record.getMessage() for record in caplog.records if "[BROWSER]" in record.getMessage()]
    assert said == (
        f"[BROWSER] ⚠️ Chromium did not start (1 of {STARTS}): it ended by itself (SIGSEGV), saying: no room for a zygote"
    )


@pytest.mark.parametrize("opened", [opened_by_a_host, opened_by_tabs])
def test_one_that_never_starts_is_a_sentence_with_its_last_words(opened, tmp_path):
    browser, starts = failing(tmp_path, 99, "echo 'error while loading libnss3.so.' >&2; exit 127")
    with pytest.raises(BrowserError) as refused:
        opened(browser)
    assert str(refused.value) == (
        f"The browser {browser} cannot be started: it ended by itself (exit code 127), "
        "saying: error while loading libnss3.so. Check it with: xbot doctor"
    )
    assert started(starts) == STARTS


def test_one_that_is_not_there_is_not_tried_again(tmp_path, caplog):
    with pytest.raises(BrowserError, match=r"cannot be started: .*executable doesn't exist"):
        opened_by_a_host(tmp_path / "nowhere")
    assert caplog.records == []


def test_without_a_screen_it_is_not_tried_again(tmp_path, monkeypatch, caplog):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    host = BrowserHost(find_browser(), headless=False)
    try:
        with pytest.raises(BrowserError, match="no screen here"):
            host.page("default")
    finally:
        host.close()
    assert caplog.records == []
