"""What X's pages look like, as one table: a change of the site is a change of this file and of nothing else.

Every row names the page it belongs to, how sure we are (H: two independent sources, M: several projects, L: one source) and
when it was last known good. Texts are compared with typographic apostrophes folded to plain ones.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["css", "text", "path", "operation"]
Page = Literal["any", "compose", "status", "analytics", "profile", "mentions", "login"]


@dataclass(frozen=True)
class Row:
    """One fact about the site."""

    name: str
    kind: Kind
    value: str
    page: Page
    confidence: Literal["H", "M", "L"]
    good_on: str


_ROWS = [
    # reading posts
    Row("article", "css", 'article[data-testid="tweet"]', "any", "H", "2026-10"),
    Row("permalink", "css", 'a[href*="/status/"]', "any", "H", "2026-10"),
    Row("post_text", "css", '[data-testid="tweetText"]', "any", "H", "2026-10"),
    Row("post_author", "css", '[data-testid="User-Name"]', "any", "H", "2026-10"),
    Row("profile_bio", "css", '[data-testid="UserDescription"]', "profile", "H", "2026-10"),
    Row("social_context", "css", '[data-testid="socialContext"]', "profile", "H", "2026-10"),
    Row("action_group", "css", '[role="group"]', "any", "H", "2026-10"),
    Row("reply_button", "css", '[data-testid="reply"]', "any", "H", "2026-10"),
    Row("repost_button", "css", '[data-testid="retweet"], [data-testid="unretweet"]', "any", "H", "2026-10"),
    Row("like_button", "css", '[data-testid="like"], [data-testid="unlike"]', "any", "H", "2026-10"),
    Row("bookmark_button", "css", '[data-testid="bookmark"], [data-testid="removeBookmark"]', "any", "H", "2026-10"),
    Row("analytics_link", "css", 'a[href$="/analytics"]', "any", "H", "2026-10"),
    Row("error_detail", "css", '[data-testid="error-detail"]', "any", "H", "2026-10"),
    Row("dialog", "css", '[role="dialog"]', "any", "H", "2026-10"),
    Row("metric_value", "css", '[data-testid="app-text-transition-container"]', "analytics", "H", "2025-07"),
    Row(
        "followers_link", "css", 'a[href$="/verified_followers" i], a[href$="/followers" i]', "profile", "H", "2026-10"
    ),
    Row("consent_mask", "css", '[data-testid="twc-cc-mask"]', "any", "M", "2025-07"),
    Row("login_button", "css", '[data-testid="loginButton"], [data-testid="signupButton"]', "login", "H", "2026-08"),
    Row("activity_operation", "operation", "TweetActivityQuery", "analytics", "H", "2025-07"),
    Row("status_path", "path", "/{handle}/status/{id}", "status", "H", "2026-10"),
    Row("analytics_path", "path", "/{handle}/status/{id}/analytics", "analytics", "H", "2025-07"),
    Row("profile_path", "path", "/{handle}", "profile", "H", "2026-10"),
    Row("replies_path", "path", "/{handle}/with_replies", "profile", "H", "2026-10"),
    Row("mentions_path", "path", "/notifications/mentions", "mentions", "M", "2026-08"),
    Row("login_path", "path", "/i/flow/login", "login", "H", "2026-08"),
    Row("login_short_path", "path", "/login", "login", "H", "2026-08"),
    Row("challenge_path", "path", "/account/access", "login", "H", "2026-08"),
    # writing posts; everything is scoped to the composer's own dialog, because /home below it holds a second composer
    Row("composer", "css", '[role="dialog"][aria-modal="true"]', "compose", "H", "2026-10"),
    Row("compose_button", "css", '[data-testid="SideNav_NewTweet_Button"]', "any", "H", "2026-10"),
    Row("editor", "css", '[data-testid="tweetTextarea_0"]', "compose", "H", "2026-10"),
    Row("send", "css", '[data-testid="tweetButton"]', "compose", "H", "2026-10"),
    Row("toast", "css", '[data-testid="toast"]', "any", "H", "2026-10"),
    Row("toast_link", "css", '[data-testid="toast"] a[href*="/status/"]', "any", "H", "2026-10"),
    Row("alert", "css", '[data-testid="toast"], [role="alert"]', "any", "H", "2026-10"),
    Row("file_input", "css", 'input[data-testid="fileInput"]', "compose", "H", "2026-10"),
    Row("compose_path", "path", "/compose/post", "compose", "H", "2026-10"),
    Row("compose_reply_path", "path", "/compose/post?in_reply_to={id}", "compose", "M", "2026-08"),
    Row("any_status_path", "path", "/i/status/{id}", "status", "H", "2026-10"),
    Row("create_operation", "operation", "CreateTweet", "compose", "H", "2026-10"),
    Row("create_note_operation", "operation", "CreateNoteTweet", "compose", "H", "2026-08"),
    Row(
        "text_target_gone",
        "text",
        "The post you are trying to reply to has been deleted or is not visible to you.",
        "compose",
        "H",
        "2025-07",
    ),
    # who is signed in, and what stands in front of a page
    Row("own_profile_link", "css", 'a[data-testid="AppTabBar_Profile_Link"]', "any", "H", "2026-10"),
    Row("timeline_region", "css", '[data-testid="primaryColumn"] [aria-label^="Timeline"]', "profile", "M", "2026-10"),
    Row("consent_refuse", "css", '[data-testid="BottomBar"] button:last-of-type', "any", "M", "2025-07"),
    Row("got_it", "css", '[data-testid="sheetDialog"] button', "any", "M", "2025-07"),
    Row("confirmation_cancel", "css", '[data-testid="confirmationSheetCancel"]', "any", "H", "2025-07"),
    Row("text_no_account", "text", "This account doesn't exist", "profile", "H", "2025-07"),
    Row(
        "text_may_not_post",
        "text",
        "Your account is suspended and is not permitted to perform this action.",
        "any",
        "H",
        "2025-07",
    ),
    # what a page says instead of a post
    Row(
        "text_not_found",
        "text",
        "Hmm...this page doesn't exist. Try searching for something else.",
        "status",
        "H",
        "2025-07",
    ),
    Row("text_unavailable", "text", "This post is unavailable.", "status", "H", "2025-07"),
    Row("text_unavailable_short", "text", "Post unavailable", "status", "H", "2025-07"),
    Row("text_protected", "text", "These posts are protected", "status", "M", "2025-07"),
    Row("text_suspended", "text", "Account suspended", "profile", "H", "2025-07"),
    Row("text_locked", "text", "Your account has been locked.", "login", "H", "2025-07"),
    Row("text_not_ready", "text", "Nothing to see here - yet", "analytics", "H", "2025-07"),
    Row("text_not_own", "text", "You may only view analytics about your own posts.", "analytics", "H", "2025-07"),
    Row("text_other_views", "text", "Times this post was seen.", "analytics", "H", "2026-10"),
    Row("text_analytics_failed", "text", "Please try again later.", "analytics", "H", "2025-07"),
    Row("text_went_wrong", "text", "Something went wrong", "analytics", "H", "2025-07"),
    Row("text_reload", "text", "Something went wrong. Try reloading.", "any", "H", "2025-07"),
    Row(
        "text_rate_limited",
        "text",
        "Sorry, you are rate limited. Please wait a few moments then try again.",
        "any",
        "H",
        "2025-07",
    ),
    Row("text_rate_exceeded", "text", "Rate limit exceeded", "any", "H", "2025-07"),
    Row("text_pinned", "text", "Pinned", "profile", "H", "2025-07"),
    # labels of the analytics dialog
    Row("metric_impressions", "text", "Impressions", "analytics", "H", "2025-07"),
    Row("metric_engagements", "text", "Engagements", "analytics", "H", "2025-07"),
    Row("metric_profile_visits", "text", "Profile visits", "analytics", "H", "2025-07"),
    Row("metric_link_clicks", "text", "Link clicks", "analytics", "H", "2025-07"),
    Row("metric_follows", "text", "New followers", "analytics", "L", "2024-01"),
]

SITE: dict[str, Row] = {row.name: row for row in _ROWS}


def site(name: str) -> str:
    """The value of one row. Raises KeyError for a name that is not in the table."""
    return SITE[name].value


def path(name: str, **parts: str) -> str:
    """A path of the site with its parts filled in: `path("status_path", handle="a", id="1")`."""
    return SITE[name].value.format(**parts)


def fold(text: str) -> str:
    """A text of the page in the form this table is written in."""
    return " ".join(text.replace("\u2019", "'").replace("\u00a0", " ").split())
