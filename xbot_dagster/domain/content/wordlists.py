"""The word lists of the safety guard and the quality gate, as data. Matched against a text's skeleton, on word boundaries.

Lists are deliberately short and specific: a word that has an innocent everyday meaning does not belong here.
"""

import re
from typing import Final

PROFANITY: Final = (
    "fuck", "fucks", "fucked", "fucker", "fuckers", "fucking", "motherfucker", "motherfucking", "shit", "shits", "shitty", "bullshit",
    "bitch", "bitches", "bastard", "bastards", "asshole", "assholes", "arsehole", "dickhead", "cunt", "cunts", "wanker", "wankers",
    "twat", "twats", "slut", "sluts", "whore", "whores", "douchebag", "goddamn",
)  # fmt: skip
ABUSE: Final = (
    "nigger", "niggers", "nigga", "faggot", "faggots", "retard", "retards", "retarded", "tranny", "trannies", "kike", "kikes", "chink",
    "chinks", "spic", "spics", "wetback", "wetbacks", "gook", "gooks", "raghead", "ragheads", "subhuman", "subhumans",
)  # fmt: skip
THREATS: Final = (
    r"kill (?:your|her|him|them)sel(?:f|ves)", r"kys", r"go die", r"hope (?:you|they|he|she) dies?", r"i(?:'ll| will) kill (?:you|him|her|them)",
    r"(?:you|they|he|she|people|everyone|everybody|anyone)\b[^.!?]{0,40}\b(?:deserves? to|should) (?:die|be (?:shot|hanged|killed))",
)  # fmt: skip
# Digits and symbols that stand in for letters inside a word ("sh1t", "f*ck", "a$$hole").
STAND_INS: Final = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}

ENGAGEMENT_BAIT: Final = (
    r"(?:like|retweet|rt|repost|share) (?:this )?if (?:you|u|your)\b",
    r"\b(?:like|retweet|rt|repost|follow|share)\s+(?:(?:and|&|\+)\s+\w+\s+)?(?:to|for a chance to|and you could) win\b",
    r"\bfollow(?:ers?)?\s?(?:4|for|=)\s?follow",
    r"\bf4f\b|\bl4l\b|\bfollow[- ]?back\b|\bfollow me (?:and|&) i(?:'ll| will) follow\b",
    r"\btag (?:\w+ )?(?:friends?|people|someone who|a friend who)\b",
    r"\b(?:comment|reply|type) ['\"“]?(?:yes|amen|me|done|1)['\"”]?(?: (?:if|and|to|below)\b|[.!]?$)",
    r"\b(?:retweet|rt|repost) (?:for|or) (?:good luck|bad luck|[\w ]{1,20}, like for)\b",
    r"\bfirst \d+ (?:people|followers|retweets|replies) (?:get|win|receive)\b",
    r"\bsmash (?:that|the) (?:like|follow)\b",
)  # fmt: skip
REFUSALS: Final = (
    r"\bas an ai\b|\bas a (?:large )?language model\b",
    r"\bi(?:'m| am) (?:sorry|unable|not able)[^.]{0,40}\b(?:can(?:'|no)t|unable|not able|assist|help|provide|comply|fulfil)\b",
    r"\bi can(?:'t|not) (?:assist|comply|help (?:with|you)|(?:provide|create|write|generate|fulfil) (?:this|that|such|your|content|an? (?:post|tweet)))\b",
)
# What a model says around a text instead of the text, or leaves unfilled in it.
CHATTER: Final = (
    r"\b(?:here(?:'s| is| are)|sure[,!])[^.\n]{0,40}\b(?:tweet|post|draft|version)s?\b[^.\n]{0,30}:",
    r"\[(?:insert|your|name|topic|link)\b[^\]]*\]|\{\{?\w+\}?\}|\blorem ipsum\b",
)
CLICHES: Final = (
    "game changer", "game-changer", "unlock your", "unlock the", "unleash", "delve", "in today's fast-paced world", "look no further",
    "take it to the next level", "elevate your", "supercharge", "revolutionize", "embark on", "a testament to", "the secret sauce",
    "in conclusion", "it's important to note", "dive deep into", "navigating the", "tapestry",
)  # fmt: skip
ENGLISH_FUNCTION_WORDS: Final = frozenset(
    [
        "a",
        "about",
        "after",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "because",
        "been",
        "before",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "don't",
        "down",
        "each",
        "even",
        "every",
        "few",
        "first",
        "for",
        "from",
        "get",
        "had",
        "has",
        "have",
        "he",
        "her",
        "here",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "isn't",
        "it",
        "it's",
        "its",
        "just",
        "know",
        "let",
        "like",
        "make",
        "many",
        "me",
        "more",
        "most",
        "much",
        "my",
        "never",
        "new",
        "no",
        "not",
        "now",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "own",
        "people",
        "put",
        "same",
        "she",
        "should",
        "so",
        "some",
        "still",
        "such",
        "take",
        "than",
        "that",
        "that's",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "too",
        "try",
        "two",
        "under",
        "until",
        "up",
        "us",
        "use",
        "very",
        "was",
        "way",
        "we",
        "well",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "why",
        "will",
        "with",
        "without",
        "won't",
        "would",
        "you",
        "you'll",
        "you're",
        "your",
    ]
)


def any_word(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern that finds any of the words (or small patterns) as whole words."""
    return re.compile(r"(?<![^\W_])(?:" + "|".join(words) + r")(?![^\W_])", re.IGNORECASE)


def any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One case-insensitive pattern out of several."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE | re.MULTILINE)
