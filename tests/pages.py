"""Pages shaped like X's, written by hand for the tests: articles, dialogs, walls, and the call behind the analytics."""

import html
import json

OWN, STRANGER = "nightowl", "loud_stranger"
POST_ID, PARENT_ID, OTHER_ID = "2119399533573050368", "2119399533573040000", "2119399533573060000"
FULL = {"reply": "4 Replies. Reply", "retweet": "6 reposts. Repost", "like": "143 Likes. Like", "bookmark": "Bookmark"}
ZERO = {"reply": "0 Replies. Reply", "retweet": "0 reposts. Repost", "like": "0 Likes. Like", "bookmark": "Bookmark"}


def article(
    tweet_id: str,
    handle: str = OWN,
    *,
    label: str | None = "4 replies, 6 reposts, 143 likes, 9 bookmarks, 41589 views",
    buttons: dict[str, str] | None = None,
    views: str | None = "41589 views. View post analytics",
    words: str = "Sleep well",
    group: bool = True,
    social: str = "",
    drawn: str = "",
) -> str:
    """One post. `label` None leaves the group's label out; `drawn` is what stands visibly on every button."""
    spoken = FULL if buttons is None else buttons
    inner = "".join(
        f'<button data-testid="{name}" aria-label="{text}"><span data-testid="app-text-transition-container">{drawn}</span></button>'
        for name, text in spoken.items()
    )
    if views is not None:
        inner += f'<a href="/{handle}/status/{tweet_id}/analytics" aria-label="{views}">{drawn}</a>'
    aria = "" if label is None else f' aria-label="{label}"'
    bar = f'<div role="group"{aria}>{inner}</div>' if group else ""
    remark = f'<span data-testid="socialContext">{social}</span>' if social else ""
    return (
        f'<article data-testid="tweet">{remark}<div data-testid="User-Name">@{handle}</div>'
        f'<a href="/{handle}/status/{tweet_id}"><time datetime="2026-11-08T12:00:00.000Z">Nov 8</time></a>'
        f'<div data-testid="tweetText">{html.escape(words)}</div>{bar}</article>'
    )


def page(body: str, *, lang: str = "en", script: str = "") -> str:
    return f'<!DOCTYPE html><html lang="{lang}"><body><main>{body}</main><script>{script}</script></body></html>'


def dialog(rows: dict[str, str]) -> str:
    """The analytics dialog with its rows as drawn."""
    cells = "".join(
        f'<div><div><span>{name}</span></div><span data-testid="app-text-transition-container">{value}</span></div>'
        for name, value in rows.items()
    )
    return f'<div role="dialog" aria-modal="true"><h2>Post Analytics</h2>{cells}</div>'


def activity(tweet_id: str | None, **values: int) -> str:
    """The body of a TweetActivityQuery answer; `tweet_id` None leaves the post's id out."""
    grid = [{"metric_type": name, "metric_value": value} for name, value in values.items()]
    result = {"organic_metrics_total": {"datapoints_grid": grid}} | ({"rest_id": tweet_id} if tweet_id else {})
    return json.dumps({"data": {"tweet_result_by_rest_id": {"result": result}}})


def asks_for(tweet_id: str) -> str:
    """The script of a page that makes the analytics call for a post."""
    variables = json.dumps({"restId": tweet_id})
    return (
        f"fetch('/i/api/graphql/abc123/TweetActivityQuery?variables=' + encodeURIComponent({json.dumps(variables)}));"
    )
