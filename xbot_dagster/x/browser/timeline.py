"""The account's own timeline as a browser shows it, and what the pages say about the session."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from xbot_dagster.x.browser import page_state
from xbot_dagster.x.protocols import Probe, SeenPost, SessionState, Timeline
from xbot_dagster.x.site import path, site

if TYPE_CHECKING:
    from playwright.sync_api import Page

SETTLE_MS = 10_000
# A profile is settled when it shows posts, an empty timeline, or one of the texts that stand in their place. What it shows
# is read in that same moment: one question to the page instead of three, and nothing can move in between.
_SETTLED = """({ settled: s, state }) => {
  if (!document.body) return false;
  const come = () => {
    const at = location.pathname;
    if (s.walls.some((wall) => at.startsWith(wall)) || document.querySelector(s.login)) return true;
    if (document.querySelector(s.article) || document.querySelector(s.region) || document.querySelector(s.error)) return true;
    const fold = (text) => text.replace(/\\u2019/g, "'").replace(/\\s+/g, " ").trim();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (s.phrases.includes(fold(walker.currentNode.nodeValue || ""))) return true;
    return false;
  };
  const read = %s;
  return come() ? read(state) : false;
}"""
_PHRASES = ("text_suspended", "text_locked", "text_reload", "text_rate_limited", "text_no_account", "text_protected")
_STATES: dict[str, SessionState] = {
    "expired": "expired",
    "suspended": "suspended",
    "consent": "consent",
    "challenge": "challenge",
}
_HREFS = "(links) => links.map((link) => link.getAttribute('href') || '')"
_PROFILE_HREF = re.compile(r"^/([A-Za-z0-9_]{1,15})/?$")


def read_timeline(page: "Page", base_url: str, handle: str, *, replies: bool) -> Timeline:
    """The newest posts of `handle` (about twenty) on its profile, or with `replies` on the page that holds those too.

    `readable` is False, with the reason, when the page is anything but a profile that has loaded."""
    state, reason, found = _open_profile(page, base_url, handle, "replies_path" if replies else "profile_path")
    if state != "ok" or found is None:
        return Timeline((), False, reason)
    return Timeline(tuple(_seen(found)), True)


def read_both(page: "Page", base_url: str, handle: str) -> Timeline:
    """Posts and replies of `handle` from both pages of its profile; readable only when both are."""
    first = read_timeline(page, base_url, handle, replies=False)
    if not first.readable:
        return first
    second = read_timeline(page, base_url, handle, replies=True)
    if not second.readable:
        return second
    merged = {post.tweet_id: post for post in (*second.posts, *first.posts)}
    return Timeline(tuple(sorted(merged.values(), key=lambda post: int(post.tweet_id), reverse=True)), True)


def probe(page: "Page", base_url: str, handle: str) -> Probe:
    """The state of the session as the account's own profile shows it, with that profile as the baseline."""
    state, reason, found = _open_profile(page, base_url, handle, "profile_path")
    if found is None:
        return Probe("unknown", None, None, reason, transient=True)
    if state != "ok":
        return Probe(_session_state(found, state), None, None, reason, transient=state == "broken")
    signed_in = _handle(found["signed_in"])
    if signed_in is None:
        return Probe("expired", None, None, "nobody is signed in")
    if signed_in.lower() != handle.lower():
        return Probe("expired", signed_in, None, f"the session belongs to @{signed_in}, not to @{handle}")
    return Probe("ok", signed_in, Timeline(tuple(_seen(found)), True))


def _session_state(found: dict[str, Any], state: str) -> SessionState:
    if state == "challenge" and site("text_locked") in found["said"]:
        return "locked"
    return _STATES.get(state, "unknown")


def _open_profile(page: "Page", base_url: str, handle: str, which: str) -> tuple[str, str, dict[str, Any] | None]:
    """(state, reason, page data); the data is None when the page never came to rest."""
    from playwright.sync_api import Error

    try:
        page.goto(base_url + path(which, handle=handle), wait_until="commit")
        found = _settled(page)
        if found["consent"] and page.locator(site("consent_refuse")).count() == 1:
            page.locator(site("consent_refuse")).dispatch_event("click")
            page.reload(wait_until="commit")
            found = _settled(page)
    except Error as error:
        return "broken", f"the profile did not load: {str(error).splitlines()[0]}", None
    if found["consent"]:
        return "consent", "a consent wall stands in front of every page", found
    if site("text_may_not_post") in found["said"]:
        return "suspended", "the account is suspended and may not post", found
    state, reason = page_state.page_state(found)
    if state == "ok" and not found["lang"].lower().startswith("en") and not found["articles"]:
        return "broken", f"nothing can be read in '{found['lang']}'", found
    return state, reason, found


def _settled(page: "Page") -> dict[str, Any]:
    """What the profile shows once it has come to rest. Raises Playwright's Error when it never does."""
    wanted = {
        "article": site("article"),
        "region": site("timeline_region"),
        "error": site("error_detail"),
        "login": site("login_button"),
        "walls": [site("login_path"), site("login_short_path"), site("challenge_path")],
        "phrases": [site(name) for name in _PHRASES],
    }
    asked = {"settled": wanted, "state": page_state.script_arguments()}
    return page.wait_for_function(_SETTLED % page_state.script(), arg=asked, timeout=SETTLE_MS).json_value()


def signed_in_as(page: "Page") -> str | None:
    """The handle whose session this page shows, None when nobody is signed in."""
    return _handle(page.locator(site("own_profile_link")).evaluate_all(_HREFS))


def _handle(links: list[str]) -> str | None:
    """The handle of the one link to the own profile; two such links are no answer."""
    match = _PROFILE_HREF.match(links[0]) if len(links) == 1 else None
    return match[1] if match else None


def _seen(found: dict[str, Any]) -> list[SeenPost]:
    posts = []
    for article in page_state.articles(found):
        if article.time is None:
            continue
        posts.append(
            SeenPost(
                tweet_id=article.tweet_id,
                text=article.text,
                posted_at=datetime.fromisoformat(article.time).astimezone(UTC),
                handle=article.handle,
                # Whatever the language: a line above an article means that it does not stand here for its age.
                pinned=article.social is not None,
                repost=False,
            )
        )
    return posts
