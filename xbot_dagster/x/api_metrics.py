"""Metrics through the official API: the account's own timeline (the cheap read), and post analytics where the access allows.

What a level of access does not give is found out by asking once, and then left out: its counts stay unknown, never 0.
"""

import html
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from xbot_dagster.domain.measuring.counts import with_quotes
from xbot_dagster.settings import Settings
from xbot_dagster.x.api_client import ANSWER_SECONDS, ApiClient
from xbot_dagster.x.api_publisher import Spent, no_ledger
from xbot_dagster.x.protocols import FollowerRead, Mention, MetricRead, TweetRef

PAGE = 100
MAX_PAGES = 33  # the timeline ends after 3,200 posts
_FIELDS = "created_at,public_metrics"
_PRIVATE = ",non_public_metrics"
_ANALYTICS = (
    "impressions,engagements,likes,retweets,quote_tweets,replies,bookmarks,follows,url_clicks,user_profile_clicks"
)
# Both names of a count are in use: the specification says repost_count where the guide says retweet_count.
_PUBLIC_NAMES = {
    "like_count": "likes",
    "retweet_count": "retweets",
    "repost_count": "retweets",
    "reply_count": "replies",
    "quote_count": "quotes",
    "bookmark_count": "bookmarks",
    "impression_count": "impressions",
}
_PRIVATE_NAMES = {
    "impression_count": "impressions",
    "engagements": "engagements",
    "url_link_clicks": "link_clicks",
    "user_profile_clicks": "profile_visits",
}
_ANALYTICS_NAMES = {
    "impressions": "impressions",
    "engagements": "engagements",
    "follows": "follows",
    "url_clicks": "link_clicks",
    "user_profile_clicks": "profile_visits",
    "bookmarks": "bookmarks",
}


class Unreadable(Exception):
    """Nothing more can be read now: no session, no credit, a rate limit, or no answer."""


class ApiMetrics:
    """A MetricSource on the API. `spent(account, purpose, count)` is told of every paid read.

    `private` and `analytics` say what the access level has turned out to allow (None: not asked yet).
    """

    name = "x_api"

    def __init__(self, settings: Settings, spent: Spent = no_ledger, *, seconds: float = ANSWER_SECONDS) -> None:
        """Raises SettingsError when the keys are not complete."""
        self._api = ApiClient(settings, seconds)
        self._spent = spent
        self._ids: dict[str, str] = {}
        self.private: bool | None = None
        self.analytics: bool | None = None

    def read(self, account: str, posts: Sequence[TweetRef]) -> Iterator[MetricRead]:
        """One read per post: timeline first, by id what it does not show, analytics for all that are there.

        Private counts end 30 days after a post was created: the API then leaves them out, and they are unknown.
        """
        left = {post.tweet_id: post for post in posts}
        try:
            for handle in sorted({post.handle for post in posts}):
                wanted = {post.tweet_id for post in posts if post.handle == handle}
                rows = self._timeline(account, handle, wanted)
                rows |= self._single(account, sorted(wanted - rows.keys()))
                figures = self._figures(account, sorted(i for i in wanted if "id" in rows.get(i, {})))
                for tweet_id in sorted(wanted):
                    yield _read(left.pop(tweet_id), rows.get(tweet_id), figures.get(tweet_id), self.analytics)
        except Unreadable as reason:
            for post in left.values():
                yield MetricRead(post.tweet_id, "error", "x_api", detail=str(reason))

    def followers(self, account: str, handle: str) -> FollowerRead:
        try:
            me = self._me(account, handle)
        except Unreadable as reason:
            return FollowerRead(None, False, self.name, str(reason))
        count = (me.get("public_metrics") or {}).get("followers_count")
        return FollowerRead(count, False, self.name, "" if count is not None else "the API gave no follower count")

    def mentions(self, account: str, handle: str, since: datetime) -> list[Mention]:
        """Posts that mention the account, newest first, none older than `since`; empty when they cannot be read."""
        params = {
            "max_results": PAGE,
            "start_time": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tweet.fields": "created_at,public_metrics,referenced_tweets,in_reply_to_user_id,author_id",
            "expansions": "author_id",
            "user.fields": "username,public_metrics",
        }
        try:
            own = self._id(account, handle)
            answer = self._call(f"/2/users/{own}/mentions", params)
        except Unreadable:
            return []
        rows = answer.get("data") or []
        self._spent(account, "owned_read", max(1, len(rows)))
        people = {user["id"]: user for user in (answer.get("includes") or {}).get("users") or []}
        return [mention for row in rows if (mention := _mention(row, people, own)) is not None]

    def close(self) -> None:
        self._api.close()

    def _me(self, account: str, handle: str) -> dict[str, Any]:
        me = self._call("/2/users/me", {"user.fields": "public_metrics"}).get("data") or {}
        self._spent(account, "user_read", 1)
        if str(me.get("username", "")).lower() != handle.lower():
            raise Unreadable(f"the keys belong to @{me.get('username')}, not to @{handle}")
        self._ids[handle.lower()] = str(me["id"])
        return me

    def _id(self, account: str, handle: str) -> str:
        return self._ids.get(handle.lower()) or str(self._me(account, handle)["id"])

    def _timeline(self, account: str, handle: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
        """Rows of `wanted` posts found on the account's own timeline, by id."""
        route = f"/2/users/{self._id(account, handle)}/tweets"
        params: dict[str, Any] = {"max_results": PAGE, "since_id": str(min(map(int, wanted)) - 1)}
        found: dict[str, dict[str, Any]] = {}
        for _ in range(MAX_PAGES):
            answer = self._with_private(route, params)
            rows = answer.get("data") or []
            self._spent(account, "owned_read", max(1, len(rows)))
            found.update({str(row["id"]): row for row in rows if str(row["id"]) in wanted})
            token = (answer.get("meta") or {}).get("next_token")
            if token is None or wanted <= found.keys():
                break
            params = {**params, "pagination_token": token}
        return found

    def _single(self, account: str, missing: list[str]) -> dict[str, dict[str, Any]]:
        """What became of posts that the timeline did not show: their row, or the title of the error that stands for them."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(missing), PAGE):
            params = {"ids": ",".join(missing[start : start + PAGE]), "tweet.fields": _FIELDS}
            answer = self._call("/2/tweets", params)
            rows = answer.get("data") or []
            self._spent(account, "post_read", max(1, len(rows)))
            found.update({str(row["id"]): row for row in rows})
            for error in answer.get("errors") or []:
                about = str(error.get("resource_id") or error.get("value"))
                found.setdefault(about, {"title": str(error.get("title", ""))})
        return found

    def _with_private(self, route: str, params: dict[str, Any]) -> dict[str, Any]:
        """The route with private counts where they are allowed; a refusal of them is remembered."""
        if self.private is not False:
            answer = self._probe(route, {**params, "tweet.fields": _FIELDS + _PRIVATE})
            self.private = answer is not None
            if answer is not None:
                return answer
        return self._call(route, {**params, "tweet.fields": _FIELDS})

    def _figures(self, account: str, ids: list[str]) -> dict[str, dict[str, int]]:
        """Analytics totals by post, as far as the access level gives them; asked for at most once when it does not."""
        found: dict[str, dict[str, int]] = {}
        for start in range(0, len(ids), PAGE):
            if self.analytics is False:
                break
            part = ids[start : start + PAGE]
            params = {"ids": ",".join(part), "granularity": "total", "analytics.fields": _ANALYTICS}
            answer = self._probe("/2/tweets/analytics", params)
            self.analytics = answer is not None
            if answer is not None:
                self._spent(account, "analytics_read", len(part))
                found.update({str(row.get("id")): _totals(row) for row in answer.get("data") or []})
        return found

    def _probe(self, route: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, or None where the API says that this access level may not ask (400, 403, 404)."""
        import tweepy

        try:
            return self._answer(route, params)
        except (tweepy.BadRequest, tweepy.Forbidden, tweepy.NotFound):
            return None
        except tweepy.HTTPException as error:
            raise Unreadable(_words(error)) from None

    def _call(self, route: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises Unreadable for every refusal."""
        import tweepy

        try:
            return self._answer(route, params)
        except tweepy.HTTPException as error:
            raise Unreadable(_words(error)) from None

    def _answer(self, route: str, params: dict[str, Any]) -> dict[str, Any]:
        import requests
        import tweepy

        try:
            answer = self._api.call("GET", route, params)
        except tweepy.TooManyRequests as error:
            until = datetime.fromtimestamp(error.reset_time, UTC).isoformat() if error.reset_time else "later"
            raise Unreadable(f"rate limited until {until}") from None
        except tweepy.TwitterServerError as error:
            raise Unreadable(_words(error)) from None
        except (requests.RequestException, ValueError) as error:
            raise Unreadable(f"no answer from the API: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise Unreadable("the API answered something else than an object")
        return answer


def _read(
    post: TweetRef, row: dict[str, Any] | None, figures: dict[str, int] | None, analytics: bool | None
) -> MetricRead:
    if row is None:
        return MetricRead(post.tweet_id, "not_found", "x_api", detail="neither on the timeline nor by id")
    if "id" not in row:
        locked = "authorization" in row["title"].lower()
        return MetricRead(post.tweet_id, "locked" if locked else "not_found", "x_api", detail=row["title"])
    counts = {
        **with_quotes(_named(row.get("public_metrics"), _PUBLIC_NAMES)),
        **_named(row.get("non_public_metrics"), _PRIVATE_NAMES),
        **_named(figures, _ANALYTICS_NAMES),
    }
    raw = {"row": {k: v for k, v in row.items() if k.endswith("_metrics")}, "analytics": figures}
    if not counts:
        return MetricRead(post.tweet_id, "unavailable", "x_api", raw=raw, detail="the API gave no counts")
    detail = "" if analytics else "analytics_unavailable"
    return MetricRead(post.tweet_id, "ok", "x_api", raw=raw, detail=detail, **counts)  # pyright: ignore[reportArgumentType]


def _named(block: dict[str, Any] | None, names: dict[str, str]) -> dict[str, int]:
    """Counts of one block under our names; what is not a whole number is not there."""
    found: dict[str, int] = {}
    for theirs, ours in names.items():
        value = (block or {}).get(theirs)
        if isinstance(value, int) and not isinstance(value, bool):
            found.setdefault(ours, value)
    return found


def _totals(row: dict[str, Any]) -> dict[str, int]:
    """Figures of one post: at the top of the row, or summed over its time stamps."""
    stamped = [entry.get("metrics") or {} for entry in row.get("timestamped_metrics") or []]
    return {
        name: sum(cast(int, block[name]) for block in blocks)
        for name in _ANALYTICS_NAMES
        if (blocks := [block for block in [row, *stamped] if isinstance(block.get(name), int)])
    }


def _mention(row: dict[str, Any], people: dict[str, dict[str, Any]], own: str) -> Mention | None:
    author = people.get(str(row.get("author_id")))
    if author is None or str(row.get("author_id")) == own:
        return None
    kinds = {reference.get("type") for reference in row.get("referenced_tweets") or []}
    counts = _named(row.get("public_metrics"), _PUBLIC_NAMES)
    return Mention(
        str(row["id"]),
        str(author["username"]),
        html.unescape(str(row.get("text", ""))),
        "quote" if "quoted" in kinds else "reply" if str(row.get("in_reply_to_user_id")) == own else "mention",
        datetime.fromisoformat(row["created_at"]),
        (author.get("public_metrics") or {}).get("followers_count"),
        counts.get("likes"),
        counts.get("replies"),
    )


def _words(error: Any) -> str:
    said = [str(message) for message in error.api_messages] or [f"HTTP {error.response.status_code}"]
    return " ".join(" ".join(said).split())[:300]
