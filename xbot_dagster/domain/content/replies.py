"""Whom to answer: who asked us to stop, whose post cannot be answered, and in which order the others come.

Only people who addressed the account are ever looked at; nothing is inferred about them beyond the three documented
features of their post.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from xbot_dagster.domain.content import wordlists
from xbot_dagster.domain.content.sources import suspicion
from xbot_dagster.domain.content.text import fold, skeleton
from xbot_dagster.domain.measuring.features import ReplyTarget, tweet_velocity

MAX_AGE: Final = timedelta(hours=24)  # a day later an answer startles more than it helps
LARGEST_AUDIENCE: Final = 1_000_000  # followers; beyond it more followers do not raise the rank
QUICK: Final = 1.0  # engagements a minute that count as a post taking off
AGE_HALF_LIFE_MIN: Final = 180.0

_MENTIONS: Final = re.compile(r"[@＠]\w{1,15}")
_OPT_OUT: Final = re.compile(
    r"^\W*(?:please |pls |just )?stop\b(?:[^\w\s]|\s*$)"
    r"|\bstop (?:replying|responding|answering|messaging|tagging|mentioning|contacting|writing|spamming)\b"
    r"|\b(?:do not|don't|dont|never) (?:ever )?(?:reply|respond|answer|message|tag|mention|contact|write)(?: to)? me\b"
    r"|\bleave me alone\b|\bopt(?:ing)?[ -]?out\b|\bunsubscribe\b|\bno (?:more )?(?:replies|bots?|automated replies)\b"
    r"|\b(?:do not|don't|dont) want (?:any )?(?:replies|answers|messages)\b|\bremove me\b",
    re.IGNORECASE,
)
_HOSTILE: Final = wordlists.any_word(wordlists.ABUSE + wordlists.THREATS + wordlists.PROFANITY)


@dataclass(frozen=True)
class Ranked:
    """A target's features and its rank in [0, 1], higher first."""

    features: ReplyTarget
    rank: float


def is_opt_out(text: str) -> bool:
    """Whether somebody asks us to leave them alone."""
    return bool(_OPT_OUT.search(fold(_MENTIONS.sub(" ", text)).replace("’", "'")))


def unanswerable(text: str) -> str | None:
    """Why a post gets no answer whatever its rank, or None."""
    said = fold(_MENTIONS.sub(" ", text))
    if not re.search(r"\w", said):
        return "it says nothing"
    if reason := suspicion(said):
        return reason
    if _HOSTILE.search(skeleton(said)):
        return "it is hostile"
    return None


def rank(
    now: datetime, posted_at: datetime, follower_count: int | None, likes: int | None, replies: int | None
) -> Ranked:
    """Features of a target and its rank: half freshness, .3 audience, .2 velocity. Unknown counts add nothing."""
    age_min = max(0.0, (now - posted_at).total_seconds() / 60)
    engagements = None if likes is None and replies is None else (likes or 0) + (replies or 0)
    features = ReplyTarget(follower_count, tweet_velocity(engagements, age_min), age_min)
    fresh = 0.5 ** (age_min / AGE_HALF_LIFE_MIN)
    audience = min(1.0, math.log1p(follower_count or 0) / math.log1p(LARGEST_AUDIENCE))
    velocity = min(1.0, (features.tweet_velocity or 0.0) / QUICK)
    return Ranked(features, 0.5 * fresh + 0.3 * audience + 0.2 * velocity)
