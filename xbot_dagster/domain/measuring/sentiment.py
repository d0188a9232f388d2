"""Sentiment of a text: VADER's compound score, without the library's work on words it knows nothing about.

The library weighs every word against its neighbours and walks every character in search of emoji; nearly all words of a
post are in neither of its tables. Here only those that are go through its rules, so the score is the library's own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def sentiment(text: str) -> float:
    """VADER compound score, -1 (negative) to 1 (positive); 0 for a text without any word VADER knows."""
    from vaderSentiment.vaderSentiment import BOOSTER_DICT, SentiText

    vader = _vader()
    if not vader.emojis.keys().isdisjoint(text):
        return float(vader.polarity_scores(text)["compound"])  # puts emoji into words first
    text = text.strip()
    spoken = SentiText(text)
    words = spoken.words_and_emoticons
    lower = [word.lower() for word in words]
    if vader.lexicon.keys().isdisjoint(lower):
        return 0.0
    valences: list[float] = []
    for place, word in enumerate(lower):
        modifies = word in BOOSTER_DICT or (word == "kind" and lower[place + 1 : place + 2] == ["of"])
        if modifies or word not in vader.lexicon:
            valences.append(0)
        else:
            valences = vader.sentiment_valence(0, spoken, words[place], place, valences)
    return float(vader.score_valence(vader._but_check(words, valences), text)["compound"])


@lru_cache(maxsize=1)
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
