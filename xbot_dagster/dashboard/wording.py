"""Numbers, times and states in words, the same on every page. Unknown is an en dash, never 0."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

UNKNOWN = "–"

STATUS = {
    "pending": ("being planned", ""),
    "awaiting_approval": ("needs approval", "warn"),
    "queued": ("queued", "accent"),
    "posting": ("posting now", "accent"),
    "posted": ("posted", "good"),
    "shadowed": ("shadowed", ""),
    "rejected": ("rejected by X", "bad"),
    "in_doubt": ("in doubt", "bad"),
    "needs_human": ("needs a person", "bad"),
    "blocked": ("blocked by a gate", "warn"),
    "expired": ("expired", "warn"),
    "cancelled": ("cancelled", ""),
}
KIND = {"single": "post", "thread": "thread", "reply": "reply"}


METRIC = {
    "primary_rate": "retweets and profile visits per view",
    "retweet_rate": "retweets per view",
    "fpki": "follows per 1,000 views",
    "log_impressions": "reach (log views)",
    "reward": "reward",
}
SETTING = {
    "learning_engine_v2": "The growth policy steers; off: the documented policy, with growth watching.",
    "post_fraction": "Share of decisions that are really posted, 0 to 1; the others are shadowed.",
    "epsilon": "How often something uncertain is tried. A change starts its 14-day decline anew.",
    "post_interval_min": "Least minutes between two posts.",
    "max_hashtags": "Most hashtags in a post.",
    "quiet_hours": "Hours of the account's day without a post.",
    "posts_per_day": "Posts planned for a day.",
    "topics_allowed": "Only these topics; [] allows all.",
    "url_policy": "Links in drafts: block, domains (only those allowed) or allow.",
    "domains_allowed": "Domains a draft may link to.",
    "mentions_allowed": "Handles a draft may mention unasked.",
    "thread_share": "Share of the slots with room for a thread that get one.",
    "stop_posting": "Nothing is posted while true.",
    "stop_llm": "No LLM is called while true.",
}


def plural(number: int, one: str, many: str = "") -> str:
    """`1 alert`, `3 alerts`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(text: str, most: int = 60) -> str:
    """The beginning of a text, ended at a word."""
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def count(value: float | None) -> str:
    """A whole number with thousands marks; from 100,000 on in thousands."""
    if value is None:
        return UNKNOWN
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.1f}M"
    return f"{value / 1_000:.0f}k" if abs(value) >= 100_000 else f"{value:,.0f}"


def signed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:+,.0f}" if value else "±0"


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as percent."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def number(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def usd(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"${value:,.2f}" if value >= 0.005 or value == 0 else f"${value:.4f}"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, in one unit."""
    if at is None:
        return "never"
    span = now - at
    words = _span(abs(span))
    if words == "0 min":
        return "now"
    return f"{words} ago" if span > timedelta(0) else f"in {words}"


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 36 else f"{hours / 24:.0f} days"


def clock_time(at: datetime | None, zone: str) -> str:
    return UNKNOWN if at is None else f"{at.astimezone(ZoneInfo(zone)):%H:%M}"


def day(at: datetime, zone: str, now: datetime) -> str:
    """`Today`, `Tomorrow`, `Yesterday` or the date, on the account's own calendar."""
    local, today = at.astimezone(ZoneInfo(zone)).date(), now.astimezone(ZoneInfo(zone)).date()
    names = {0: "Today", 1: "Tomorrow", -1: "Yesterday"}
    return names.get((local - today).days, f"{local:%a} {local.day} {local:%b}")


def moment(at: datetime | None, zone: str, now: datetime) -> str:
    return UNKNOWN if at is None else f"{day(at, zone, now)} {clock_time(at, zone)}"


def prediction(predicted: dict | None) -> str:
    """What the predictor expects of a post: views with their 90 % interval; empty where it said nothing."""
    found = (predicted or {}).get("log_impressions")
    if not isinstance(found, dict) or "low" not in found:
        return ""
    value, low, high = (math.expm1(found[name]) for name in ("value", "low", "high"))
    return f"expects {count(value)} views ({count(low)}–{count(high)})"
