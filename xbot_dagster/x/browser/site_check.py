"""Whether the table of the site still describes the site: each row that a healthy page must show is looked for on a live one.

Looks and types nothing. What only trouble shows (error texts, walls) cannot be looked for and is left out.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xbot_dagster.x.browser import reading
from xbot_dagster.x.browser.background import BackgroundLoop
from xbot_dagster.x.browser.page_state import page_state
from xbot_dagster.x.browser.reading import LOOK_EVERY_S, Stop
from xbot_dagster.x.browser.tabs import FoundBrowser, StorageStateFor, Tab, Tabs
from xbot_dagster.x.protocols import TweetRef
from xbot_dagster.x.site import path, site

# Page → (rows of any post there, rows of the page itself). A row of a post is looked for inside an article of our own.
_OF_A_POST = (
    "permalink",
    "post_text",
    "post_author",
    "action_group",
    "reply_button",
    "repost_button",
    "like_button",
    "bookmark_button",
)
_PAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "profile": (_OF_A_POST, ("article", "followers_link", "own_profile_link")),
    "status": (_OF_A_POST, ("article",)),
    "analytics": ((), ("dialog", "metric_value", "metric_impressions", "metric_engagements", "metric_profile_visits")),
    "compose": ((), ("composer", "editor", "send")),
}
_FIND = """({article, own, inside, onPage, texts}) => {
  const fold = (text) => text.replace(/\\u2019/g, "'").replace(/\\u00a0/g, " ").split(/\\s+/).join(" ").trim();
  const articles = [...document.querySelectorAll(article)].filter((a) => a.querySelector(own));
  const leaves = texts.length ? [...document.querySelectorAll("span, div, p, dt, th")].filter((n) => !n.childElementCount) : [];
  const said = new Set(leaves.map((n) => fold(n.textContent)));
  return [
    ...inside.filter(([, selector]) => articles.some((a) => a.querySelector(selector))),
    ...onPage.filter(([, selector]) => document.querySelector(selector)),
    ...texts.filter(([, text]) => said.has(text)),
  ].map(([name]) => name);
}"""


@dataclass(frozen=True)
class PageFinding:
    """One page: the rows that were looked for, those that matched nothing, and why it could not be looked at, if so."""

    page: str
    rows: tuple[str, ...]
    broken: tuple[str, ...] = ()
    problem: str = ""


def check_site(
    host: FoundBrowser,
    base_url: str,
    storage_state_for: StorageStateFor,
    account: str,
    handle: str,
    post: TweetRef | None,
) -> list[PageFinding]:
    """Look at the profile of `handle`, at the pages of its own `post` (None: left out) and at an empty composer.

    Raises BrowserError when no browser opens pages.
    """
    loop = BackgroundLoop("site-check")
    tabs = Tabs(host, base_url, storage_state_for, 1)
    try:
        return loop.run(_all(tabs, base_url.rstrip("/"), account, handle, post))
    finally:
        loop.run(tabs.close())
        loop.close()


async def _all(tabs: Tabs, base_url: str, account: str, handle: str, post: TweetRef | None) -> list[PageFinding]:
    from playwright.async_api import Error

    found: list[PageFinding] = []
    for page, address in _addresses(handle, post):
        rows = _rows(page)
        try:
            [tab] = await tabs.take(account, 1, 1)
            heard = tab.expect_activity(post.tweet_id) if post is not None and page == "analytics" else None
            await tab.page.goto(base_url + address, wait_until="commit")
            missing, problem = await _missing(tab, page, handle, heard)
            found.append(PageFinding(page, rows, tuple(row for row in rows if row in missing), problem))
        except Stop as stop:
            found.append(PageFinding(page, rows, problem=f"{stop.state}: {stop.detail}"))
            break
        except Error as error:
            await tabs.drop()
            found.append(PageFinding(page, rows, problem=str(error).strip().splitlines()[0]))
    return found


def _addresses(handle: str, post: TweetRef | None) -> Iterator[tuple[str, str]]:
    yield "profile", path("profile_path", handle=handle)
    if post is not None:
        yield "status", path("status_path", handle=post.handle, id=post.tweet_id)
        yield "analytics", path("analytics_path", handle=post.handle, id=post.tweet_id)
    yield "compose", path("compose_path")


def _rows(page: str) -> tuple[str, ...]:
    inside, on_page = _PAGES[page]
    return (*on_page, *inside, *(("activity_operation",) if page == "analytics" else ()))


async def _missing(
    tab: Tab, page: str, handle: str, heard: "asyncio.Future[tuple[int, Any]] | None"
) -> tuple[set[str], str]:
    """Rows that matched nothing within the time a page is given, and what stood there instead of the page."""
    inside, on_page = _PAGES[page]
    wanted = {
        "article": site("article"),
        "own": f'a[href^="/{handle}/status/" i]',
        "inside": [[name, site(name)] for name in inside],
        "onPage": [[name, site(name)] for name in on_page if not name.startswith("metric_") or name == "metric_value"],
        "texts": [[name, site(name)] for name in on_page if name.startswith("metric_") and name != "metric_value"],
    }
    loop = asyncio.get_running_loop()
    deadline = loop.time() + reading.PAGE_S
    while True:
        there = set(await tab.page.evaluate(_FIND, wanted))
        there |= {"activity_operation"} if heard is not None and heard.done() else set()
        missing = set(_rows(page)) - there
        seen = await tab.look()
        reading.raise_for_session(seen)
        state, detail = page_state(seen)
        if not missing:
            return set(), ""
        if state in ("not_found", "locked"):
            return set(), f"{state}: {detail}"
        if loop.time() > deadline:
            # A page that shows nothing at all has not loaded; that says nothing about the rows of it.
            return (missing, "") if there else (set(), f"{state}: the page did not load")
        await asyncio.sleep(LOOK_EVERY_S)
