"""Posts and users as the JSON of X's own web client, from the store's rows."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.audience import Counts, stable_int
from xbot_dagster.sandbox.state import Post, World
from xbot_dagster.sandbox.store import Row
from xbot_dagster.sandbox.text import URL

DISPLAY_LENGTH = 26  # X cuts the drawn address after this many characters

# the pinned post has long stopped growing, and looks better than a new one to a careless reader
OLD_COUNTS = {"likes": 212, "retweets": 31, "quotes": 4, "replies": 19, "bookmarks": 44, "views": 18_240}


def user(
    user_id: int, screen_name: str, name: str, followers: int, description: str = "", suspended: bool = False
) -> dict[str, Any]:
    return {
        "__typename": "User",
        "rest_id": str(user_id),
        "core": {"screen_name": screen_name, "name": name},
        "legacy": {"followers_count": followers, "friends_count": 86, "description": description},
        "suspended": suspended,
    }


def account_user(world: World, account: Account) -> dict[str, Any]:
    followers = world.followers(account, world.clock.now_ms())
    suspended = world.condition(account.handle) == "suspended"
    return user(account.user_id, account.screen_name, account.name, followers, "Small habits, kept notes.", suspended)


def urls(text: str) -> list[dict[str, str]]:
    """Links of a text as the client draws them: shortened address, cut display."""
    found = []
    for match in URL.finditer(text):
        bare = re.sub(r"^https?://(?:www\.)?", "", match.group())
        display = bare if len(bare) <= DISPLAY_LENGTH else bare[:DISPLAY_LENGTH] + "\u2026"
        short = "https://t.co/" + hashlib.sha256(match.group().encode()).hexdigest()[:10]
        found.append({"url": match.group(), "short": short, "display": display})
    return found


def tweet(
    post_id: int,
    author: dict[str, Any],
    text: str,
    created_ms: int,
    counts: dict[str, int],
    in_reply_to: int | None,
    conversation: int,
) -> dict[str, Any]:
    """`counts` has likes, retweets, quotes, replies, bookmarks and views."""
    created = datetime.fromtimestamp(created_ms / 1000, UTC)
    return {
        "__typename": "Tweet",
        "rest_id": str(post_id),
        "core": {"user_results": {"result": author}},
        "views": {"count": str(counts["views"]), "state": "EnabledWithCount"}
        if counts["views"]
        else {"state": "Enabled"},
        "legacy": {
            "id_str": str(post_id),
            "full_text": text,
            "created_at": created.strftime("%a %b %d %H:%M:%S +0000 %Y"),
            "created_at_ms": created_ms,
            "conversation_id_str": str(conversation),
            "in_reply_to_status_id_str": str(in_reply_to) if in_reply_to else None,
            "user_id_str": author["rest_id"],
            "favorite_count": counts["likes"],
            "retweet_count": counts["retweets"],
            "quote_count": counts["quotes"],
            "reply_count": counts["replies"],
            "bookmark_count": counts["bookmarks"],
            "favorited": False,
            "retweeted": False,
            "bookmarked": False,
            "lang": "en",
            "entities": {"urls": urls(text)},
        },
    }


def public_counts(counts: Counts, factor: float = 1.0) -> dict[str, int]:
    """What a status page shows; `factor` below 1 is the count regression fault."""
    shown = {
        "likes": counts.likes,
        "retweets": counts.retweets,
        "quotes": counts.quotes,
        "replies": counts.replies,
        "bookmarks": counts.bookmarks,
        "views": counts.impressions,
    }
    return shown if factor == 1.0 else {name: int(value * factor) for name, value in shown.items()}


def own(world: World, post: Post, factor: float = 1.0) -> dict[str, Any]:
    if post.tombstone:
        return {"__typename": "TweetTombstone", "tombstone": {"text": {"text": "This post is unavailable."}}}
    account = world.account(post.handle)
    assert account is not None
    counts = OLD_COUNTS if post.origin == "seed" else public_counts(world.counts(post, world.clock.now_ms()), factor)
    return tweet(
        post.id,
        account_user(world, account),
        post.text,
        post.created_ms,
        counts,
        post.in_reply_to,
        post.conversation_id,
    )


def outside(world: World, row: Row, quoted: dict[str, Any] | None = None) -> dict[str, Any]:
    """A post by someone who has no account of ours."""
    counts = {"quotes": 0, "bookmarks": 0, **json.loads(row["counts"])}
    author = user(2_000_000_000 + stable_int(row["author"]), row["author"], row["author_name"], row["author_followers"])
    reply_to = row["about_post"] if row["kind"] == "mention" else None
    result = tweet(row["id"], author, row["text"], row["created_ms"], counts, reply_to, row["about_post"] or row["id"])
    if quoted is not None:
        result["quoted_status_result"] = {"result": quoted}
    return result


def activity(post: Post, counts: Counts, factor: float = 1.0) -> list[dict[str, Any]]:
    """The datapoints of TweetActivityQuery; link clicks only exist for a post with a link."""
    values = {
        "DetailExpands": counts.detail_expands,
        "Engagements": counts.engagements,
        "Follows": counts.follows,
        "Impressions": counts.impressions,
        "ProfileVisits": counts.profile_visits,
        **({"LinkClicks": counts.link_clicks} if post.traits.has_url else {}),
    }
    return [{"metric_type": name, "metric_value": int(value * factor)} for name, value in values.items()]
