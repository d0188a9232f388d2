"""The quality gate: is this worth a follower's time? A weighted geometric mean of documented components, each in [0, 1].

Geometric, so that one ruined component (an unfinished sentence, shouting) is not paid for by six good ones.

| component | weight | full marks | nothing |
|---|---|---|---|
| length | .15 | 70 to 280 weighted characters a post | below 20 |
| readability | .15 | school grade 3 to 11 | 16 and more |
| variety | .15 | 70 % different words of the first 60 | 35 % |
| completeness | .15 | ends like a sentence, brackets and quotes closed | cut off in the middle |
| calm | .10 | at most 15 % capitals, one exclamation mark, two emoji | shouting |
| substance | .20 | a number, or at least 8 content words | function words only |
| freshness of phrase | .10 | no cliché | three clichés |

Reasons that block whatever the mean: another language than the account's, a text that repeats a line or a phrase over and
over, no words. The threshold .70 is calibrated on the corpus of tests/unit/content/corpus.py:
posts worth reading score .94 and more there, poor ones .57 and less.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xbot_dagster.domain.content import wordlists
from xbot_dagster.domain.content.text import scripts, sentences, skeleton, words
from xbot_dagster.domain.content.verdicts import Verdict
from xbot_dagster.domain.measuring.features import readability
from xbot_dagster.domain.measuring.weighted_length import emoji_count

THRESHOLD: Final = 0.70
WEIGHTS: Final[dict[str, float]] = {
    "length": 0.15,
    "readability": 0.15,
    "variety": 0.15,
    "completeness": 0.15,
    "calm": 0.10,
    "substance": 0.20,
    "phrase": 0.10,
}
FLOOR: Final = 0.02  # a ruined component costs a lot, but not everything
MIN_WORDS_FOR_LANGUAGE: Final = 8  # shorter texts say too little about their language
MIN_FUNCTION_WORD_SHARE: Final = 0.12  # English posts of the corpus lie above .2, French and German ones below .06
MAX_FUNCTION_WORD_SHARE: Final = 0.2  # the same corpus, seen from an account that writes in another language
MIN_LATIN_SHARE: Final = 0.6
_CLICHE: Final = wordlists.any_of(tuple(re.escape(phrase) for phrase in wordlists.CLICHES))
_COMPLETE_END: Final = re.compile(
    r"[.!?…:)\"'”’\]]\s*(?:(?:#\w+|[^\w\s]+)\s*)*$|\n\s*(?:[-*•→✓☐]|\d+[.)])[^\n]*$|#\w+\s*$", re.DOTALL
)
_CUT_OFF: Final = re.compile(
    r"(?:\b(?:the|a|an|and|or|of|to|with|for|in|is|are|that|because|but)|[,;:–—-])\s*(?:\.\.\.|…)?\s*$", re.IGNORECASE
)


@dataclass(frozen=True)
class Quality:
    """`score` in [0, 1]; `components` by name; `fatal` is a reason that blocks whatever the score."""

    score: float
    components: dict[str, float]
    fatal: str | None = None


def assess(parts: Sequence[str], language: str = "en", *, reply: bool = False) -> Quality:
    """Score a post or thread (components averaged over its parts). A reply may be short: length and substance do not count."""
    text = "\n".join(parts)
    found = words(text)
    if not found:
        return Quality(0.0, dict.fromkeys(WEIGHTS, 0.0), "there are no words")
    rows = [_components(part) for part in parts]
    components = {name: sum(row[name] for row in rows) / len(rows) for name in WEIGHTS}
    if reply:
        components |= {"length": 1.0, "substance": 1.0}
    score = math.exp(sum(WEIGHTS[name] * math.log(max(value, FLOOR)) for name, value in components.items()))
    return Quality(score, components, _fatal(text, found, language))


def judge(parts: Sequence[str], language: str = "en", threshold: float = THRESHOLD, *, reply: bool = False) -> Verdict:
    """The gate's verdict; the reason names the weakest component."""
    quality = assess(parts, language, reply=reply)
    if quality.fatal:
        return Verdict("quality", "block", 0.0, threshold, quality.fatal)
    if quality.score < threshold:
        weakest = min(quality.components, key=lambda name: quality.components[name])
        return Verdict(
            "quality",
            "block",
            quality.score,
            threshold,
            f"weakest component: {weakest} {quality.components[weakest]:.2f}",
        )
    return Verdict("quality", "pass", quality.score, threshold)


def _components(part: str) -> dict[str, float]:
    found = words(part)
    if not found:
        return dict.fromkeys(WEIGHTS, 0.0)
    letters = sum(map(len, found))
    grade = max(readability(letters, len(found), max(1, len(sentences(part)))))
    lowered = [word.lower() for word in found]
    head = lowered[:60]
    content = [word for word in lowered if word not in wordlists.ENGLISH_FUNCTION_WORDS and len(word) > 2]
    alphabetic = [ch for ch in part if ch.isalpha()]
    capitals = sum(map(str.isupper, alphabetic)) / len(alphabetic) if alphabetic else 0.0
    noise = max(0, part.count("!") - 1) * 0.34 + max(0, emoji_count(part) - 2) * 0.25 + max(0.0, capitals - 0.15) * 4
    has_number = any(ch.isdigit() for ch in part)
    return {
        "length": _ramp(len(part), 20, 70),
        "readability": 1 - _ramp(grade, 11, 16),
        "variety": _ramp(len(set(head)) / len(head), 0.35, 0.7),
        "completeness": 0.0 if _CUT_OFF.search(part) else (1.0 if _COMPLETE_END.search(part) else 0.5),
        "calm": max(0.0, 1 - noise),
        "substance": min(1.0, len(set(content)) / 8 + (0.2 if has_number else 0.0)),
        "phrase": max(0.0, 1 - len(_CLICHE.findall(part)) / 3),
    }


def _english_share(lowered: Sequence[str]) -> float:
    return sum(word.replace("’", "'") in wordlists.ENGLISH_FUNCTION_WORDS for word in lowered) / len(lowered)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _fatal(text: str, found: Sequence[str], language: str) -> str | None:
    lowered = [word.lower() for word in found]
    if language.lower().split("-")[0] == "en":
        letters = [ch for ch in text if ch.isalpha()]
        latin = sum(ch.isascii() or "LATIN" in scripts(ch) for ch in letters)
        if latin < MIN_LATIN_SHARE * len(letters) or (
            len(lowered) >= MIN_WORDS_FOR_LANGUAGE and _english_share(lowered) < MIN_FUNCTION_WORD_SHARE
        ):
            return "not written in English"
    elif len(lowered) >= MIN_WORDS_FOR_LANGUAGE and _english_share(lowered) >= MAX_FUNCTION_WORD_SHARE:
        return f"written in English instead of {language!r}"
    lines = [skeleton(line).strip() for line in sentences(text)]
    if len(lines) >= 3 and len(set(lines)) <= len(lines) / 2:
        return "repeats the same line"
    phrases = [tuple(lowered[i : i + 3]) for i in range(len(lowered) - 2)]
    if len(phrases) >= 12 and len(set(phrases)) < len(phrases) * 0.6:
        return "repeats the same phrase"
    return None
