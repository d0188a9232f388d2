"""The sandbox without a browser, for large simulations: same acceptance, same audience, same faults, over plain JSON.

Only the sandbox has these addresses; settings refuse this publisher everywhere else.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from xbot_dagster.domain.measuring.counts import with_quotes
from xbot_dagster.x.browser.answers import judge
from xbot_dagster.x.protocols import (
    FollowerRead,
    InDoubt,
    Mention,
    MetricRead,
    NotSent,
    OutgoingPost,
    Posted,
    Probe,
    PublishResult,
    SeenPost,
    Timeline,
    TweetRef,
)

ANSWER_SECONDS = 10.0
IDS_PER_CALL = 1000
LOOK_BACK = 40
_COUNTS = (
    "impressions",
    "engagements",
    "likes",
    "retweets",
    "replies",
    "quotes",
    "bookmarks",
    "profile_visits",
    "link_clicks",
    "follows",
)


class _NoAnswer(Exception):
    """The request left and nothing explicit came back."""


class RecordedPublisher:
    """A Publisher over `/_sandbox/recorded/*`. Real in the sandbox's sense: its posts are on the replica's ledger."""

    name = "recorded"
    real = True

    def __init__(self, url: str, *, seconds: float = ANSWER_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds

    def probe(self, account: str, handle: str) -> Probe:
        """`ok` with the account's newest posts, or the condition the replica says the account is in."""
        try:
            status, found = _call(self._url, "GET", f"/_sandbox/accounts/{quote(handle)}", None, self._seconds)
        except _NoAnswer as error:
            return Probe("unknown", None, None, str(error))
        if status != 200:
            return Probe("expired", None, None, f"the sandbox has no account @{handle}")
        if found["condition"] in ("locked", "suspended"):
            return Probe(found["condition"], handle, None, f"the account is {found['condition']}")
        seen = self.timeline(account, handle, datetime.fromtimestamp(0, UTC))
        return Probe("ok", handle, seen) if seen.readable else Probe("unknown", handle, None, seen.reason)

    def publish(self, post: OutgoingPost, arm: Callable[[], None]) -> PublishResult:
        """Submit one post; silence, resets and 5xx are InDoubt, as with the browser."""
        if post.media:
            return NotSent("this publisher attaches no media")
        arm()
        wanted = {
            "handle": post.handle,
            "text": post.text,
            "in_reply_to": int(post.reply_to) if post.reply_to else None,
        }
        try:
            status, body = _call(self._url, "POST", "/_sandbox/recorded/posts", wanted, self._seconds)
        except _NoAnswer as error:
            return InDoubt(f"no answer to the submit: {error}")
        if status == 201 and isinstance(body, dict) and body.get("id"):
            return Posted(str(body["id"]), "response")
        return judge(status, {}, body)

    def timeline(self, account: str, handle: str, since: datetime) -> Timeline:
        try:
            status, body = _call(
                self._url, "GET", f"/_sandbox/recorded/timeline/{quote(handle)}?count={LOOK_BACK}", None, self._seconds
            )
        except _NoAnswer as error:
            return Timeline((), False, str(error))
        if status != 200:
            return Timeline((), False, f"HTTP {status}")
        posts = tuple(
            SeenPost(
                tweet_id=post["id"],
                text=post["text"],
                posted_at=datetime.fromisoformat(post["created_at"]),
                handle=handle,
                in_reply_to=post["in_reply_to"],
            )
            for post in body["posts"]
        )
        return Timeline(posts, True)

    def close(self) -> None:
        """Every call closes its own connection."""


class RecordedMetrics:
    """A MetricSource over `/_sandbox/recorded/*`, a thousand posts a call."""

    name = "recorded"

    def __init__(self, url: str, *, seconds: float = ANSWER_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds

    def read(self, account: str, posts: Sequence[TweetRef]) -> Iterator[MetricRead]:
        """One read per post in the order given; a call that fails gives `error` for its posts."""
        for start in range(0, len(posts), IDS_PER_CALL):
            batch = [post.tweet_id for post in posts[start : start + IDS_PER_CALL]]
            try:
                status, body = _call(
                    self._url, "POST", "/_sandbox/recorded/metrics", {"ids": [int(i) for i in batch]}, self._seconds
                )
                trouble = "" if status == 200 else f"HTTP {status}"
            except _NoAnswer as error:
                body, trouble = {}, str(error)
            for tweet_id in batch:
                yield _read_of(tweet_id, body, trouble)

    def followers(self, account: str, handle: str) -> FollowerRead:
        try:
            status, body = _call(self._url, "GET", f"/_sandbox/recorded/followers/{quote(handle)}", None, self._seconds)
        except _NoAnswer as error:
            return FollowerRead(None, False, "recorded", str(error))
        if status != 200:
            return FollowerRead(None, False, "recorded", f"HTTP {status}")
        return FollowerRead(int(body["followers"]), False, "recorded")

    def mentions(self, account: str, handle: str, since: datetime) -> list[Mention]:
        """Posts that address the account, newest first, none older than `since`; none when they cannot be read."""
        try:
            status, body = _call(self._url, "GET", f"/_sandbox/recorded/mentions/{quote(handle)}", None, self._seconds)
        except _NoAnswer:
            return []
        found = [_mention(row) for row in body["mentions"]] if status == 200 else []
        return [mention for mention in found if mention.posted_at >= since]

    def close(self) -> None:
        """Every call closes its own connection."""


def _read_of(tweet_id: str, body: Any, trouble: str) -> MetricRead:
    if trouble:
        return MetricRead(tweet_id, "error", "recorded", detail=trouble)
    counts = body["metrics"].get(tweet_id)
    if counts is None:
        return MetricRead(tweet_id, "not_found", "recorded", detail="the post is gone")
    known = {name: counts[name] for name in _COUNTS if counts.get(name) is not None}
    return MetricRead(tweet_id, "ok", "recorded", raw=counts, **with_quotes(known))  # pyright: ignore[reportArgumentType]


def _mention(row: dict[str, Any]) -> Mention:
    counts = row.get("counts") or {}
    return Mention(
        tweet_id=row["id"],
        username=row["author"],
        text=row["text"],
        kind=row["kind"],
        posted_at=datetime.fromisoformat(row["created_at"]),
        follower_count=row["author_followers"],
        likes=counts.get("likes"),
        replies=counts.get("replies"),
    )


def _call(url: str, method: str, path: str, body: Any, seconds: float) -> tuple[int, Any]:
    """(status, decoded JSON or None). Raises _NoAnswer for silence, a reset or half an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url + path, data, {"content-type": "application/json"}, method=method)
    try:
        with urlopen(request, timeout=seconds) as answer:
            return answer.status, _decoded(answer.read())
    except HTTPError as error:
        return error.code, _decoded(error.read())
    except (URLError, HTTPException, OSError) as error:
        raise _NoAnswer(f"{type(error).__name__}: {error}") from error


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
