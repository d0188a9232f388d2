"""One page of X as plain data, and what it says about one post. No browser here: the reader hands the data in."""

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from xbot_dagster.domain.measuring.numbers import (
    PUBLIC_FIELDS,
    Number,
    NumberError,
    is_english,
    leading_integer,
    parse_count,
    parse_group_label,
)
from xbot_dagster.x.site import SITE, site

_SELECTORS = (
    "article",
    "permalink",
    "post_text",
    "post_author",
    "profile_bio",
    "social_context",
    "action_group",
    "reply_button",
    "repost_button",
    "like_button",
    "bookmark_button",
    "analytics_link",
    "error_detail",
    "dialog",
    "metric_value",
    "followers_link",
    "consent_mask",
    "login_button",
    "timeline_region",
    "own_profile_link",
)
METRIC_LABELS = {
    "metric_impressions": "impressions",
    "metric_engagements": "engagements",
    "metric_profile_visits": "profile_visits",
    "metric_link_clicks": "link_clicks",
    "metric_follows": "follows",
}
# The names the analytics call uses for the same figures.
METRIC_TYPES = {
    "Impressions": "impressions",
    "Engagements": "engagements",
    "ProfileVisits": "profile_visits",
    "LinkClicks": "link_clicks",
    "Follows": "follows",
}
_STATUS_HREF = re.compile(r"^/([^/]+)/status/(\d{15,20})(?:/|$)")
PageState = Literal[
    "ok", "expired", "challenge", "suspended", "consent", "rate_limited", "not_found", "locked", "broken"
]


@dataclass(frozen=True)
class PublicCounts:
    """What one article shows everybody. A count that could not be seen is not in `counts`; `rounded` names those X rounded."""

    counts: dict[str, int]
    label: str | None
    rounded: tuple[str, ...] = ()
    unsupported_locale: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Article:
    """One post on a page, by its own permalink. `quotes` is the handle of the post inside it, '' without one."""

    tweet_id: str
    handle: str
    text: str
    time: str | None
    social: str | None
    quotes: str
    raw: dict[str, Any] = field(repr=False)

    @property
    def in_order(self) -> bool:
        """Whether its place in a timeline follows from its age: pinned posts and reposts carry a remark, in any language."""
        return self.social is None


@cache
def script() -> str:
    return files("xbot_dagster.x.browser").joinpath("page_state.js").read_text()


@cache
def script_arguments() -> dict[str, Any]:
    """Selectors, phrases and dialog labels for the script, from the table of the site."""
    return {
        **{name: site(name) for name in _SELECTORS},
        "phrases": [row.value for row in SITE.values() if row.kind == "text" and row.name.startswith("text_")],
        "metric_labels": [site(name) for name in METRIC_LABELS],
    }


def articles(page: dict[str, Any]) -> list[Article]:
    """The posts on a page that carry a permalink of their own (advertisements do not)."""
    found = []
    for raw in page["articles"]:
        match = _STATUS_HREF.match(raw["href"] or "")
        if match:
            quoted = re.search(r"@([A-Za-z0-9_]{1,15})", raw["quotes"] or "")
            handle = quoted[1] if quoted else ""
            found.append(Article(match[2], match[1], raw["text"], raw["time"], raw["social"], handle, raw))
    return found


def article_of(page: dict[str, Any], tweet_id: str) -> Article | None:
    """The article of one post, picked by id; one outside dialogs (which show condensed copies) is preferred."""
    own = [article for article in articles(page) if article.tweet_id == tweet_id]
    return min(own, key=lambda a: bool(a.raw["dialog"]), default=None)


def public_counts(article: Article, lang: str) -> PublicCounts:
    """Counts of an article: of its label, else of each button's own label, else as drawn on the button.

    X leaves zeros out. So a count is 0 only where the article has its group and all four buttons and nothing is drawn on
    its own; where anything of that is missing it is unknown.
    """
    raw = article.raw
    if not is_english(lang):
        return _by_position(raw)
    if not raw["group"]:
        return PublicCounts({}, None, problem="no counts on the page")
    try:
        counts = parse_group_label(raw["label"], lang)
        rounded = []
        complete = all(value is not None for value in raw["buttons"].values())
        for name, spoken in {**raw["buttons"], "impressions": raw["views"]}.items():
            if name in counts or spoken is None:
                continue
            number = _own_count(spoken, raw["shown"][name], complete)
            if number is not None:
                counts[name] = number.value
                rounded += [name] if number.approximate else []
    except NumberError as error:
        return PublicCounts({}, raw["label"], problem=str(error))
    return PublicCounts({name: counts[name] for name in PUBLIC_FIELDS if name in counts}, raw["label"], tuple(rounded))


def _own_count(spoken: str, drawn: str | None, complete: bool) -> Number | None:
    """The count of one button: spoken ("143 Likes. Like"), drawn ("1.2K"), or the zero that X draws as nothing."""
    exact = leading_integer(spoken)
    if exact is not None:
        return Number(exact, False, spoken)
    return parse_count(drawn) or (Number(0, False, "") if complete else None)


def _by_position(raw: dict[str, Any]) -> PublicCounts:
    """In another language only the integers that the buttons' own labels begin with are trusted."""
    read = {**raw["buttons"], "impressions": raw["views"]}
    counts = {name: value for name, label in read.items() if (value := leading_integer(label)) is not None}
    return PublicCounts(counts, raw["label"], unsupported_locale=not counts)


def page_state(page: dict[str, Any]) -> tuple[PageState, str]:
    """What kind of page this is, with the words that say so."""
    path = page["path"].rstrip("/")
    said = set(page["said"])
    if path in (site("login_path"), site("login_short_path")) or (page["login"] and not page["articles"]):
        return "expired", "the session is logged out"
    if path.startswith(site("challenge_path")) or site("text_locked") in said:
        return "challenge", "the account is locked or challenged"
    if site("text_suspended") in said:
        return "suspended", "the account is suspended"
    if page.get("limited") or said & {site("text_rate_limited"), site("text_rate_exceeded")}:
        return "rate_limited", "the site is limiting reads"
    if site("text_protected") in said:
        return "locked", "the posts are protected"
    if said & {site("text_not_found"), site("text_unavailable"), site("text_unavailable_short")}:
        return "not_found", "the post is gone"
    if page["consent"] and not page["articles"]:
        return "consent", "a consent wall hides the page"
    if site("text_reload") in said and not page["articles"]:
        return "broken", "the page did not load"
    return "ok", ""


def analytics_from_response(body: Any, tweet_id: str) -> dict[str, int] | None:
    """The figures of a TweetActivityQuery answer; None when it is not about this post or carries none.

    The list of `{metric_type, metric_value}` sits under `organic_metrics_total` (or an alias) somewhere below the post.
    """
    result = ((body or {}).get("data") or {}).get("tweet_result_by_rest_id") if isinstance(body, dict) else None
    result = result.get("result") if isinstance(result, dict) else None
    if not isinstance(result, dict):
        return None
    if isinstance(result.get("tweet"), dict):
        result = result["tweet"]
    if str(result.get("rest_id", tweet_id)) != tweet_id:
        return None
    found: dict[str, int] = {}
    for point in _points(result):
        name, value = METRIC_TYPES.get(str(point.get("metric_type"))), point.get("metric_value")
        if name is not None and isinstance(value, int | float | str):
            try:
                found[name] = int(value)
            except ValueError:
                continue
    return found or None


def _points(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        if node and all(isinstance(item, dict) and "metric_type" in item for item in node):
            return node
        return [point for item in node for point in _points(item)]
    if isinstance(node, dict):
        return [point for value in node.values() for point in _points(value)]
    return []


def analytics_from_rows(rows: dict[str, str], lang: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """The dialog's rows as counts, with the names of those X rounded.

    Raises NumberError for a value that is no count: in another language even "12" may be the beginning of "12 mil".
    """
    if not is_english(lang):
        raise NumberError(f"analytics in language '{lang}'")
    names = {site(row): field_name for row, field_name in METRIC_LABELS.items()}
    counts, rounded = {}, []
    for label, text in rows.items():
        number = parse_count(text)
        if number is not None:
            counts[names[label]] = number.value
            if number.approximate:
                rounded.append(names[label])
    return counts, tuple(rounded)


def followers_from(page: dict[str, Any]) -> tuple[int | None, bool, str]:
    """(count, approximate, what is wrong) of a profile page's follower link: "1,234 Followers", "12.3K Followers"."""
    text = page["followers"]
    if text is None:
        return None, False, "no follower count on the page"
    if not is_english(page["lang"]):
        return None, False, f"unsupported_locale: '{text}' in a page of language '{page['lang']}'"
    match = re.search(r"\d[\d.,\u00a0\u202f]*\s?[KMB]?(?![A-Za-z])", text)
    if match is None:
        return None, False, f"no number in '{text}'"
    try:
        number = parse_count(match[0])
    except NumberError as error:
        return None, False, str(error)
    return (number.value, number.approximate, "") if number else (None, False, "empty follower count")
