"""Metrics as the account's own pages show them: public counts from the timeline, the rest from each post's analytics page."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xbot_dagster.errors import BrowserError
from xbot_dagster.x.browser import reading
from xbot_dagster.x.browser.background import BackgroundLoop
from xbot_dagster.x.browser.page_state import PublicCounts, followers_from, public_counts
from xbot_dagster.x.browser.reading import Stop
from xbot_dagster.x.browser.tabs import READS_PER_CONTEXT, FoundBrowser, StorageStateFor, Tab, Tabs
from xbot_dagster.x.protocols import FollowerRead, Mention, MetricRead, TweetRef
from xbot_dagster.x.site import path

if TYPE_CHECKING:
    from playwright.async_api import Error

TIMELINE_FROM = 3  # fewer due posts are read from their own pages alone: a timeline would be one page more
POST_S = 45.0  # whatever a page does, a post costs no more than this


class BrowserMetrics:
    """A MetricSource on real Chromium. Nothing starts before the first read; `close()` ends the browser.

    `storage_state_for(account)` gives the session Playwright should use (a file, a dict, or None for none).
    Reads run a few tabs at a time on a loop of their own thread, so this may be called from any thread, one call at a time.
    """

    name = "browser"

    def __init__(self, host: FoundBrowser, base_url: str, storage_state_for: StorageStateFor, *, tabs: int = 3) -> None:
        self._tabs = Tabs(host, base_url, storage_state_for, tabs)
        self._base_url = base_url.rstrip("/")
        self._loop: BackgroundLoop | None = None

    def read(self, account: str, posts: Sequence[TweetRef]) -> Iterator[MetricRead]:
        """One read per post, in no particular order. A session that cannot read gives `error` for all that is left."""
        return self._background().stream(lambda: self._read(account, list(posts)))

    def followers(self, account: str, handle: str) -> FollowerRead:
        return self._background().run(self._followers(account, handle))

    def mentions(self, account: str, handle: str, since: datetime) -> list[Mention]:
        """Posts that address the account, newest first, none older than `since`. Raises BrowserError when they cannot be read."""
        return self._background().run(self._mentions(account, handle, since))

    def close(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.run(self._tabs.close())
            loop.close()

    def _background(self) -> BackgroundLoop:
        if self._loop is None:
            self._loop = BackgroundLoop("browser-metrics")
        return self._loop

    async def _read(self, account: str, posts: list[TweetRef]) -> AsyncIterator[MetricRead]:
        left = list(posts)
        again: set[str] = set()
        try:
            public = await self._timelines(account, posts) if len(posts) >= TIMELINE_FROM else {}
            while left:
                batch, left = left[:READS_PER_CONTEXT], left[READS_PER_CONTEXT:]
                broken: list[tuple[TweetRef, str]] = []
                async for post, read in self._batch(account, batch, public):
                    if isinstance(read, MetricRead):
                        yield read
                    else:
                        broken.append((post, str(read).strip().splitlines()[0]))
                if broken:
                    await self._tabs.drop()
                for post, reason in broken:
                    if post.tweet_id in again:
                        yield _failed(post, reason)
                    else:
                        again.add(post.tweet_id)
                        left.append(post)
        except Stop as stop:
            await self._tabs.drop()
            for post in [*stop.unread, *left]:
                yield _failed(post, f"{stop.state}: {stop.detail}")

    async def _timelines(self, account: str, posts: list[TweetRef]) -> dict[str, PublicCounts]:
        """Public counts of as many posts as the timelines show, few navigations for many posts.

        A timeline that breaks is no loss: what it did not show is read from each post's own page."""
        from playwright.async_api import Error

        found: dict[str, PublicCounts] = {}
        groups = {(post.handle, post.is_reply) for post in posts}
        for handle, replies in sorted(groups):
            wanted = {post.tweet_id for post in posts if (post.handle, post.is_reply) == (handle, replies)}
            [tab] = await self._tabs.take(account, 1, 1)
            try:
                seen = await reading.read_timeline(tab, self._base_url, handle, wanted, replies=replies)
            except Error:
                await self._tabs.drop()
                continue
            counts = {tweet_id: public_counts(article, lang) for tweet_id, (article, lang) in seen.items()}
            found.update({tweet_id: value for tweet_id, value in counts.items() if value.counts})
        return found

    async def _batch(
        self, account: str, posts: list[TweetRef], public: dict[str, PublicCounts]
    ) -> AsyncIterator[tuple[TweetRef, "MetricRead | Error"]]:
        """Read `posts` with as many tabs as there are; an Error says that the tab, not the post, failed.

        Raises Stop, with the posts that were not read, after handing out the reads so far."""
        tabs = await self._tabs.take(account, len(posts), min(self._tabs.size, len(posts)))
        waiting: asyncio.Queue[TweetRef] = asyncio.Queue()
        done: asyncio.Queue[tuple[TweetRef, MetricRead | Error | Stop] | None] = asyncio.Queue()
        for post in posts:
            waiting.put_nowait(post)
        stops: list[Stop] = []

        async def work(tab: Tab) -> None:
            try:
                while not stops and not waiting.empty():
                    post = waiting.get_nowait()
                    read = await self._post(tab, post, public.get(post.tweet_id))
                    stops.extend([read] if isinstance(read, Stop) else [])
                    done.put_nowait((post, read))
            finally:
                done.put_nowait(None)

        workers = [asyncio.create_task(work(tab)) for tab in tabs]
        unread: list[TweetRef] = []
        try:
            running = len(workers)
            while running:
                item = await done.get()
                if item is None:
                    running -= 1
                elif isinstance(item[1], Stop):
                    unread.append(item[0])
                else:
                    yield item[0], item[1]
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        if stops:
            while not waiting.empty():
                unread.append(waiting.get_nowait())
            raise Stop(stops[0].state, stops[0].detail, unread)

    async def _post(self, tab: Tab, post: TweetRef, public: PublicCounts | None) -> "MetricRead | Error | Stop":
        from playwright.async_api import Error

        try:
            async with asyncio.timeout(POST_S):
                return await self._read_post(tab, post, public)
        except TimeoutError:
            return _failed(post, f"the page did not answer within {POST_S:.0f} s")
        except (Stop, Error) as problem:
            return problem

    async def _read_post(self, tab: Tab, post: TweetRef, public: PublicCounts | None) -> MetricRead:
        analytics = await reading.read_analytics(tab, self._base_url, post, want_page=public is None)
        if public is None:
            public = reading.counts_on(analytics.page, post.tweet_id)
        if public is None and analytics.status in ("ok", "unavailable"):
            article, lang, state, detail = await reading.read_status(tab, self._base_url, post)
            if article is not None:
                public = public_counts(article, lang)
            elif state in ("not_found", "locked"):
                analytics = reading.Analytics(state, raw={"said": detail})
        return reading.combine(post, public, analytics)

    async def _followers(self, account: str, handle: str) -> FollowerRead:
        page, problem = await self._profile(account, handle)
        if page is None:
            return FollowerRead(None, False, self.name, problem)
        count, approximate, detail = followers_from(page)
        return FollowerRead(count, approximate, self.name, detail)

    async def _profile(self, account: str, handle: str) -> tuple[dict[str, Any] | None, str]:
        from playwright.async_api import Error

        try:
            [tab] = await self._tabs.take(account, 1, 1)
            await tab.page.goto(self._base_url + path("profile_path", handle=handle), wait_until="commit")
            return await reading.until_followers(tab), ""
        except Stop as stop:
            await self._tabs.drop()
            return None, f"{stop.state}: {stop.detail}"
        except Error as error:
            await self._tabs.drop()
            return None, str(error).strip().splitlines()[0]

    async def _mentions(self, account: str, handle: str, since: datetime) -> list[Mention]:
        from playwright.async_api import Error

        try:
            [tab] = await self._tabs.take(account, 1, 1)
            return await reading.read_mentions(tab, self._base_url, handle, since)
        except (Stop, Error) as error:
            await self._tabs.drop()
            reason = f"{error.state}: {error.detail}" if isinstance(error, Stop) else str(error).strip().splitlines()[0]
            raise BrowserError(
                f"The mentions of @{handle} cannot be read: {reason}", "Check with: xbot doctor x"
            ) from None


def _failed(post: TweetRef, detail: str) -> MetricRead:
    return MetricRead(post.tweet_id, "error", "browser", detail=detail)
