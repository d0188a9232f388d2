"""How one post, one timeline, one profile is read in a tab. Every function ends with a value or a `Stop`, never with a guess."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from xbot_dagster.domain.measuring.ids import created_at
from xbot_dagster.domain.measuring.numbers import NumberError
from xbot_dagster.x.browser.page_state import (
    Article,
    PublicCounts,
    analytics_from_response,
    analytics_from_rows,
    article_of,
    articles,
    page_state,
    public_counts,
)
from xbot_dagster.x.browser.tabs import SMALL, TALL, Tab
from xbot_dagster.x.protocols import Mention, MetricRead, TweetRef
from xbot_dagster.x.site import path, site

LOOK_EVERY_S = 0.15
FIRST_LOOK_S = 0.6  # the answer to the analytics call mostly comes before; looking at the page meanwhile only slows it
STABLE_S = 0.35  # two equal looks this far apart: the dialog counts up from zero within 50 ms of appearing
JSON_GRACE_S = 1.0  # the answer to the analytics call may be a moment behind the dialog it fills
PAGE_S = 12.0
SCROLL_S = 3.0
END_S = 0.9  # a list at its bottom with no progress bar for so long has no more to show
MENTIONS_END_S = 0.3  # few posts, read every few hours, and what is missed now is there next time
MAX_SCROLLS = 400
_SESSION_STATES = {"expired", "challenge", "suspended", "consent", "rate_limited"}
_ANALYTICS_REFUSALS = ("text_not_own", "text_other_views", "text_analytics_failed", "text_went_wrong", "text_reload")


class Stop(Exception):
    """The session, not the post, is the trouble: nothing more can be read with it. `unread`: posts it stopped."""

    def __init__(self, state: str, detail: str, unread: Sequence[TweetRef] = ()) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail
        self.unread = unread


@dataclass
class Analytics:
    """The owner's view of a post. `status`: ok, not_ready, unavailable, or the post's own state (not_found, locked)."""

    status: str
    counts: dict[str, int] = field(default_factory=dict)
    rounded: tuple[str, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict)
    page: dict[str, Any] | None = None


async def read_timeline(
    tab: Tab, base_url: str, handle: str, wanted: set[str], *, replies: bool
) -> dict[str, tuple[Article, str]]:
    """Articles of `wanted` ids found on the handle's timeline, each with the page's language. Scrolls no further than needed."""
    await tab.page.set_viewport_size(TALL)
    try:
        return await _scroll(
            tab, base_url + path("replies_path" if replies else "profile_path", handle=handle), handle, wanted
        )
    finally:
        await tab.page.set_viewport_size(SMALL)


async def _scroll(tab: Tab, address: str, handle: str, wanted: set[str]) -> dict[str, tuple[Article, str]]:
    await tab.page.goto(address, wait_until="commit")
    found: dict[str, tuple[Article, str]] = {}
    oldest_wanted = min(map(int, wanted))
    seen: set[str] = set()
    page = await _until_articles(tab, seen, PAGE_S)
    for _ in range(MAX_SCROLLS):
        if page is None:
            break
        own = [a for a in articles(page) if a.handle.lower() == handle.lower()]
        found.update({a.tweet_id: (a, page["lang"]) for a in own if a.tweet_id in wanted})
        seen.update(a.tweet_id for a in articles(page))
        reached = [int(a.tweet_id) for a in own if a.in_order]
        if wanted <= found.keys() or (reached and min(reached) < oldest_wanted):
            break
        await tab.page.evaluate("window.scrollBy(0, window.innerHeight * 0.9)")
        page = await _until_articles(tab, seen, SCROLL_S)
    return found


async def _until_articles(tab: Tab, seen: set[str], patience: float, end: float = END_S) -> dict[str, Any] | None:
    """The page as soon as it shows an article not in `seen`; None when it does not within `patience` seconds, or rests at its end
    for `end` seconds.

    A page that failed to load is asked once more: X's own remark for it is mostly a script that came late.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    reloaded = False
    resting_since: float | None = None
    while loop.time() < deadline:
        page = await tab.look()
        raise_for_session(page)
        if any(a.tweet_id not in seen for a in articles(page)):
            return page
        if not (page.get("resting") and page.get("listed")):
            resting_since = None
        elif resting_since is None:
            resting_since = loop.time()
        elif loop.time() - resting_since >= end:
            return None
        if page_state(page)[0] == "broken":
            if reloaded:
                return None
            reloaded = True
            await tab.page.reload(wait_until="commit")
        await asyncio.sleep(LOOK_EVERY_S)
    return None


async def read_analytics(tab: Tab, base_url: str, post: TweetRef, *, want_page: bool) -> Analytics:
    """The analytics page of one own post: the answer of its call, else two equal looks at its dialog.

    With `want_page` the returned value also carries the page, once the post's article is on it.
    """
    loop = asyncio.get_running_loop()
    answer = tab.expect_activity(post.tweet_id)
    await tab.page.goto(base_url + path("analytics_path", handle=post.handle, id=post.tweet_id), wait_until="commit")
    deadline = loop.time() + PAGE_S
    rows: dict[str, str] = {}
    rows_since = rows_first = 0.0
    page: dict[str, Any] | None = None
    await asyncio.wait({answer}, timeout=FIRST_LOOK_S)
    while loop.time() < deadline:
        if page is not None and not answer.done():
            await asyncio.wait({answer}, timeout=LOOK_EVERY_S)
        figures = _figures(answer, post.tweet_id)
        if figures is not None and not want_page and any(figures.values()):
            return Analytics("ok", figures, raw={"analytics": figures})
        page = await tab.look()
        raise_for_session(page)
        state, detail = page_state(page)
        if state in ("not_found", "locked"):
            return Analytics(state, raw={"said": detail}, page=page)
        if site("text_not_ready") in page["said"]:
            return Analytics("not_ready", raw={"said": site("text_not_ready")}, page=page)
        if figures is not None and (any(figures.values()) or page["rows"]):
            if article_of(page, post.tweet_id) is not None or loop.time() > deadline - PAGE_S + JSON_GRACE_S:
                return Analytics("ok", figures, raw={"analytics": figures}, page=page)
            await asyncio.sleep(LOOK_EVERY_S)
            continue
        said = set(page["said"])
        if not page["rows"] and any(site(name) in said for name in _ANALYTICS_REFUSALS):
            return Analytics("unavailable", raw={"said": sorted(said)}, page=page)
        if page["rows"]:
            now = loop.time()
            if page["rows"] != rows:
                rows, rows_since = page["rows"], now
                rows_first = rows_first or now
            elif now - rows_since >= STABLE_S and now - rows_first >= JSON_GRACE_S:
                return _from_dialog(rows, page)
    return Analytics("unavailable", raw={"said": "no analytics within the time allowed"}, page=page)


def _figures(answer: "asyncio.Future[tuple[int, Any]]", tweet_id: str) -> dict[str, int] | None:
    if not answer.done():
        return None
    status, body = answer.result()
    if status == 429:
        raise Stop("rate_limited", "the site is limiting reads (HTTP 429)")
    return analytics_from_response(body, tweet_id) if status == 200 else None


def _from_dialog(rows: dict[str, str], page: dict[str, Any]) -> Analytics:
    try:
        counts, rounded = analytics_from_rows(rows, page["lang"])
    except NumberError as error:
        return Analytics("unavailable", raw={"rows": rows, "said": str(error)}, page=page)
    return Analytics("ok", counts, rounded, {"rows": rows}, page)


async def until_followers(tab: Tab) -> dict[str, Any]:
    """The profile page once it shows a follower count, or as it is when it never does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PAGE_S
    while True:
        page = await tab.look()
        raise_for_session(page)
        if page["followers"] or loop.time() > deadline:
            return page
        await asyncio.sleep(LOOK_EVERY_S)


async def read_mentions(tab: Tab, base_url: str, handle: str, since: datetime) -> list[Mention]:
    """Posts on the mentions page that are not our own and not older than `since`, newest first."""
    await tab.page.goto(base_url + path("mentions_path"), wait_until="commit")
    found: dict[str, Mention] = {}
    seen: set[str] = set()
    page = await _until_articles(tab, seen, PAGE_S, MENTIONS_END_S)
    for _ in range(MAX_SCROLLS):
        if page is None:
            break
        fresh = [article for article in articles(page) if article.tweet_id not in seen]
        seen.update(article.tweet_id for article in fresh)
        for article in fresh:
            mention = _as_mention(article, page["lang"], handle)
            if mention is not None and mention.posted_at >= since:
                found[mention.tweet_id] = mention
        if any(created_at(article.tweet_id) < since for article in fresh):
            break
        await tab.page.evaluate("window.scrollBy(0, window.innerHeight * 0.9)")
        page = await _until_articles(tab, seen, SCROLL_S, MENTIONS_END_S)
    return sorted(found.values(), key=lambda m: int(m.tweet_id), reverse=True)


def _as_mention(article: Article, lang: str, handle: str) -> Mention | None:
    if article.handle.lower() == handle.lower() or article.time is None:
        return None
    counts = public_counts(article, lang).counts
    return Mention(
        article.tweet_id,
        article.handle,
        article.text,
        "quote" if article.quotes.lower() == handle.lower() else "mention",
        datetime.fromisoformat(article.time),
        likes=counts.get("likes"),
        replies=counts.get("replies"),
    )


async def read_status(tab: Tab, base_url: str, post: TweetRef) -> tuple[Article | None, str, str, str]:
    """(article, language, state, detail) of the post's own page; the article is picked by id, never by position."""
    await tab.page.goto(base_url + path("status_path", handle=post.handle, id=post.tweet_id), wait_until="commit")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PAGE_S
    while loop.time() < deadline:
        page = await tab.look()
        raise_for_session(page)
        article = article_of(page, post.tweet_id)
        if article is not None:
            return article, page["lang"], "ok", ""
        state, detail = page_state(page)
        if state in ("not_found", "locked"):
            return None, page["lang"], state, detail
        await asyncio.sleep(LOOK_EVERY_S)
    return None, "", "unavailable", "the post did not appear on its page"


def combine(post: TweetRef, public: PublicCounts | None, analytics: Analytics) -> MetricRead:
    """One read out of what everybody sees and what the owner sees; the owner's impressions win."""
    raw: dict[str, Any] = {"label": public.label if public else None, **analytics.raw}
    if analytics.status in ("not_found", "locked"):
        return MetricRead(
            post.tweet_id, analytics.status, "browser", raw=raw, detail=str(analytics.raw.get("said", ""))
        )  # type: ignore[arg-type]
    if analytics.status == "not_ready":
        return MetricRead(post.tweet_id, "not_ready", "browser", raw=raw, detail="the site has no analytics of it yet")
    counts = {**(public.counts if public else {}), **analytics.counts}
    if not counts:
        problem = public.problem if public else "nothing could be read"
        status = "unsupported_locale" if public and public.unsupported_locale else "unavailable"
        return MetricRead(post.tweet_id, status, "browser", raw=raw, detail=problem)
    detail = "" if analytics.status == "ok" else "analytics_unavailable"
    rounded = {name for name in (public.rounded if public else ()) if name not in analytics.counts} | set(
        analytics.rounded
    )
    return MetricRead(
        post.tweet_id, "ok", "browser", approximate=tuple(sorted(rounded)), raw=raw, detail=detail, **counts
    )


def counts_on(page: dict[str, Any] | None, tweet_id: str) -> PublicCounts | None:
    """The post's public counts on a page that happens to show it."""
    article = article_of(page, tweet_id) if page is not None else None
    if article is None or page is None:
        return None
    counts = public_counts(article, page["lang"])
    return counts if counts.counts else None


def raise_for_session(page: dict[str, Any]) -> None:
    """Raises Stop when the page says that the session cannot read."""
    state, detail = page_state(page)
    if state in _SESSION_STATES:
        raise Stop(state, detail)
