"""Numbers as X's pages write them. Rules: raw integers in aria-labels, commas below 100,000, K/M/B above (English only)."""

import re
from dataclasses import dataclass

_PLAIN = re.compile(r"\d+")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
_COMPACT = re.compile(r"(\d{1,4}(?:\.\d+)?)\s?([KMB])", re.IGNORECASE)
_SCALE = {"K": 1_000, "M": 1_000_000, "B": 1_000_000_000}
_LABEL_PART = re.compile(r"(\d+)\s+(.+)")
_LABEL_WORDS = {
    "reply": "replies",
    "replies": "replies",
    "repost": "retweets",
    "reposts": "retweets",
    "like": "likes",
    "likes": "likes",
    "bookmark": "bookmarks",
    "bookmarks": "bookmarks",
    "view": "impressions",
    "views": "impressions",
}
# What the signed-in account did itself stands between the counts, without a number.
_OWN_MARKS = {"reposted", "liked", "bookmarked"}
PUBLIC_FIELDS = ("replies", "retweets", "likes", "bookmarks", "impressions")
_LARGEST = 10**15  # beyond this a number is a defect of the page, not a count


class NumberError(ValueError):
    """A text that is not a count."""


class UnsupportedLocale(NumberError):
    """A count whose meaning depends on a language this project does not read ("1.234", "1,2 mil", "3万")."""


@dataclass(frozen=True)
class Number:
    """A count with the text it came from; `approximate` when X rounded it (1.2K)."""

    value: int
    approximate: bool
    raw: str


def is_english(lang: str | None) -> bool:
    return bool(lang) and re.split(r"[-_]", str(lang).strip().lower())[0] == "en"


def parse_count(text: str | None, lang: str = "en") -> Number | None:
    """`"1,234"` → 1234; `"1.2K"` → 1200, approximate; empty → None.

    Raises NumberError for anything else, UnsupportedLocale for a separator or suffix in a page that is not English.
    """
    raw = (text or "").replace("\u00a0", " ").replace("\u202f", " ").strip()
    if not raw:
        return None
    if _PLAIN.fullmatch(raw):
        return _bounded(int(raw), False, raw)
    if not is_english(lang):
        raise UnsupportedLocale(f"'{raw}' in a page of language '{lang}'")
    if _GROUPED.fullmatch(raw):
        return _bounded(int(raw.replace(",", "")), False, raw)
    compact = _COMPACT.fullmatch(raw)
    if compact:
        return _bounded(round(float(compact[1]) * _SCALE[compact[2].upper()]), True, raw)
    raise NumberError(f"'{raw}' is not a count")


def leading_integer(label: str | None) -> int | None:
    """The integer that an action button's label begins with, in any language; None when it begins with none."""
    match = re.match(r"\s*(\d+)(?![\d.,\u00a0\u202f]\d)", label or "")
    return int(match[1]) if match else None


def parse_group_label(label: str, lang: str = "en") -> dict[str, int]:
    """`"7 replies, 6 reposts, 143 likes, 41589 views"` → the counts that are *there*; X leaves zeros out.

    Raises UnsupportedLocale for pages that are not English, NumberError for a part that is neither a count nor an own mark.
    """
    if not is_english(lang):
        raise UnsupportedLocale(f"'{label}' in a page of language '{lang}'")
    found: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in label.split(","))):
        if part.lower() in _OWN_MARKS:
            continue
        match = _LABEL_PART.fullmatch(part)
        name = _LABEL_WORDS.get(match[2].strip().lower()) if match else None
        if match is None or name is None or name in found:
            raise NumberError(f"'{part}' in the label '{label}' is not a count")
        found[name] = _bounded(int(match[1]), False, part).value
    return found


def _bounded(value: int, approximate: bool, raw: str) -> Number:
    if value > _LARGEST:
        raise NumberError(f"'{raw}' is too large for a count")
    return Number(value, approximate, raw)
