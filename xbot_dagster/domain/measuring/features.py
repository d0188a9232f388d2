"""Features of a post: everything known about its text, time and target before it is published.

Belongs here: `extract`, the only place that turns a text into numbers, and `FEATURE_VERSION`. Does not belong here:
what became of earlier posts (lagged history is added by the predictors from collected outcomes), embeddings (`embedders`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from xbot_dagster.domain.content.hooks import HookPattern, hook_pattern
from xbot_dagster.domain.measuring.sentiment import sentiment
from xbot_dagster.domain.measuring.weighted_length import emoji_count, url_spans, weighted_length
from xbot_dagster.errors import UserError

# Raise it whenever a value of an unchanged post would change: rows of two versions are not mixed in one training.
FEATURE_VERSION: Final = 1

# Grade levels are meaningless on a handful of words; this is the span of school and university years.
_GRADE_RANGE: Final = (0.0, 20.0)

_MENTION: Final = re.compile(r"(?<!\w)@\w{1,15}")
_HASHTAG: Final = re.compile(r"(?<![\w&])#\w*[^\W\d]\w*")
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE_END: Final = re.compile(r"[.!?…]+(?=\s|$)|\n+")
_DIGIT: Final = re.compile(r"\d")


class UnknownZone(UserError):
    """The account's time zone is not an IANA name this machine knows."""


@dataclass(frozen=True, slots=True)
class ReplyTarget:
    """What was known about the post being answered; None where the source did not say.

    follower_count: followers of its author. tweet_velocity: its engagements per minute so far. tweet_age_min: minutes
    since it was posted.
    """

    follower_count: int | None = None
    tweet_velocity: float | None = None
    tweet_age_min: float | None = None


@dataclass(frozen=True, slots=True)
class PostFeatures:
    """One post's features at planning time. Counts are plain counts, shares fractions, angles sine and cosine."""

    feature_version: int
    hook_pattern: HookPattern
    weighted_length: int  # of X's 280
    words: int
    sentences: int
    average_word_length: float  # letters and digits
    readability_ari: float  # US school grade, clipped to 0..20
    readability_coleman_liau: float  # US school grade, clipped to 0..20
    readability_score: float  # mean of the two
    sentiment: float  # VADER compound, -1..1
    urls: int
    hashtags: int
    mentions: int
    digits: int
    line_breaks: int
    emoji: int
    question_marks: int
    exclamation_marks: int
    upper_share: float  # of the letters
    starts_with_mention: bool
    link_only: bool
    hour: int  # 0..23 in the account's zone
    weekday: int  # 0 = Monday, in the account's zone
    hour_sin: float
    hour_cos: float
    weekday_sin: float
    weekday_cos: float
    novelty: float | None
    follower_count: int | None
    tweet_velocity: float | None
    tweet_age_min: float | None

    def as_dict(self) -> dict[str, Any]:
        """Column name → value, JSON-able, in declaration order."""
        return {
            name: getattr(self, name) for name in _NAMES
        }  # dataclasses.asdict copies deeply, which costs more than extracting


_NAMES: Final = tuple(field.name for field in fields(PostFeatures))


def extract(
    text: str,
    posted_at: datetime,
    zone: str,
    *,
    novelty: float | None = None,
    target: ReplyTarget | None = None,
) -> PostFeatures:
    """Features of `text` posted (or planned) at `posted_at`, an aware datetime, for an account in IANA zone `zone`.

    Raises UnknownZone; ValueError for a naive datetime, which would silently be read in the machine's own zone.
    """
    if posted_at.tzinfo is None:
        raise ValueError("posted_at must carry a time zone")
    local = posted_at.astimezone(_zone(zone))
    spans = url_spans(text)
    plain = _without(text, spans)
    mentions = len(_MENTION.findall(plain))
    prose = _MENTION.sub(" ", plain)
    words = _WORD.findall(prose)
    letters = sum(len(word) for word in words)
    sentences = max(1, sum(1 for part in _SENTENCE_END.split(prose) if _WORD.search(part)))
    ari, coleman_liau = readability(letters, len(words), sentences)
    alphabetic = [character for character in prose if character.isalpha()]
    hour_angle = 2 * math.pi * (local.hour + local.minute / 60) / 24
    weekday_angle = 2 * math.pi * local.weekday() / 7
    target = target or ReplyTarget()
    return PostFeatures(
        feature_version=FEATURE_VERSION,
        hook_pattern=hook_pattern(text),
        weighted_length=weighted_length(text),
        words=len(words),
        sentences=sentences if words else 0,
        average_word_length=letters / len(words) if words else 0.0,
        readability_ari=ari,
        readability_coleman_liau=coleman_liau,
        readability_score=(ari + coleman_liau) / 2,
        sentiment=sentiment(plain) if words else 0.0,
        urls=len(spans),
        hashtags=len(_HASHTAG.findall(plain)),
        mentions=mentions,
        digits=len(_DIGIT.findall(plain)),
        line_breaks=text.strip().count("\n"),
        emoji=emoji_count(plain),
        question_marks=plain.count("?"),
        exclamation_marks=plain.count("!"),
        upper_share=sum(map(str.isupper, alphabetic)) / len(alphabetic) if alphabetic else 0.0,
        starts_with_mention=text.lstrip().startswith("@"),
        link_only=bool(spans) and not words,
        hour=local.hour,
        weekday=local.weekday(),
        hour_sin=math.sin(hour_angle),
        hour_cos=math.cos(hour_angle),
        weekday_sin=math.sin(weekday_angle),
        weekday_cos=math.cos(weekday_angle),
        novelty=novelty,
        follower_count=target.follower_count,
        tweet_velocity=target.tweet_velocity,
        tweet_age_min=target.tweet_age_min,
    )


def readability(letters: int, words: int, sentences: int) -> tuple[float, float]:
    """Automated Readability Index and Coleman-Liau index (US school grades, clipped to 0..20; 0 without words).

    Sources: Senter & Smith 1967; Coleman & Liau 1975. Neither needs syllables, so neither needs a dictionary.
    """
    if words == 0:
        return 0.0, 0.0
    ari = 4.71 * letters / words + 0.5 * words / sentences - 21.43
    coleman_liau = 5.88 * letters / words - 29.6 * sentences / words - 15.8
    low, high = _GRADE_RANGE
    return min(high, max(low, ari)), min(high, max(low, coleman_liau))


def tweet_velocity(engagements: int | None, tweet_age_min: float | None) -> float | None:
    """Engagements per minute of a post's life so far; None if either is unknown. Ages below a minute count as one."""
    if engagements is None or tweet_age_min is None:
        return None
    return engagements / max(1.0, tweet_age_min)


def _without(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    kept = []
    last = 0
    for start, end in spans:
        kept.append(text[last:start])
        last = end
    kept.append(text[last:])
    return " ".join(kept)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise UnknownZone(f"'{name}' is not a known time zone.", "Use an IANA name such as Europe/Berlin.") from error
