"""Text as the replica sees it: folding, fingerprints and X's weighted length. No learning features belong here."""

import hashlib
import re
import unicodedata

URL = re.compile(r"https?://\S+", re.IGNORECASE)
HASHTAG = re.compile(r"(?<![\w&/])#\w*[^\W\d]\w*")
HASHTAG_OR_MENTION = re.compile(r"(?<!\w)[#@]\w+")
MAYBE_LINK = re.compile(r"\w\.\w|://")
LIST_MARKS = "\u2610\u2713"  # symbols that are no emoji and weigh 2 like any other


def fold(text: str) -> str:
    """NFC, no-break spaces as spaces, runs of white space as one space, ends trimmed."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\u00a0", " ").split())


def fingerprint(text: str) -> str:
    """Sixteen hex digits that equal for texts a reader would call the same post (case matters, spacing does not)."""
    return hashlib.sha256(fold(text).encode()).hexdigest()[:16]


def recognition_key(text: str) -> str:
    """Key under which the writer registers a text: letters and digits only, without links, hashtags and mentions,
    so that an appended hashtag or a changed dash does not make the audience forget what it reads."""
    bare = HASHTAG_OR_MENTION.sub(" ", URL.sub(" ", text)).casefold()
    letters = "".join(ch for ch in unicodedata.normalize("NFKC", bare) if ch.isalnum())
    return hashlib.sha256(letters.encode()).hexdigest()[:16]


def has_url(text: str) -> bool:
    """Whether X would draw a link, and so a "Link clicks" row."""
    return URL.search(text) is not None


def hashtags(text: str) -> int:
    """How many #tags a text carries."""
    return len(HASHTAG.findall(text))


def weighted_length(text: str) -> int:
    """X's length of a post (twitter-text v3: 280 is the most a post may weigh)."""
    if not MAYBE_LINK.search(text) and not any(_may_be_emoji(ch) for ch in text):
        return sum(1 if _light(ord(ch)) else 2 for ch in unicodedata.normalize("NFC", text))
    from twitter_text import parse_tweet  # slow (7 ms a post), so only where links or emoji have weights of their own

    return int(parse_tweet(text).weightedLength)


def _may_be_emoji(character: str) -> bool:
    return (
        character > "\u00a8"
        and character not in LIST_MARKS
        and unicodedata.category(character) in ("So", "Sk", "Cf", "Me")
    )


def _light(code: int) -> bool:
    return code <= 4351 or 8192 <= code <= 8205 or 8208 <= code <= 8223 or 8242 <= code <= 8247
