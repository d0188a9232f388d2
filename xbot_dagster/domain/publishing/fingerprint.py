"""What makes two texts "the same post", and what a tweet id says about its time of birth."""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime, timedelta

SNOWFLAKE_EPOCH_MS = 1288834974657
_TWEET_ID = re.compile(r"^[0-9]{15,20}$")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
# A domain with an optional path: X shows addresses without scheme and cuts long ones ("example.com/a-long-pa…").
_ADDRESS = re.compile(
    r"(?<![\w@.])(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::\d{1,5})?(?:/\S*|(?=[\s.,;:!?)\]\"'”’…]|$))…?", re.IGNORECASE
)
# X puts "@somebody " in front of a reply, or hides it: who is answered is not part of the words.
_LEADING_MENTIONS = re.compile(r"^(?:@\w{1,15}\s+)+")
_INVISIBLE: dict[int, str | int | None] = dict.fromkeys((0x200B, 0x2060, 0xFEFF, 0xFE0E, 0xFE0F))

# How far the clock of X and ours may lie apart, and how late an accepted submit may still be born.
CLOCK_SKEW = timedelta(seconds=60)
LATEST_BIRTH = timedelta(minutes=10)


def normalised(text: str) -> str:
    """NFC, no-break space to space, addresses and leading mentions removed, white space folded; what fingerprints compare."""
    plain = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\u202f", " ").translate(_INVISIBLE)
    folded = re.sub(r"\s+", " ", _ADDRESS.sub(" ", _SCHEME.sub(" ", plain))).strip()
    return _LEADING_MENTIONS.sub("", folded)


def fingerprint(text: str) -> str:
    """sha256 (64 hex digits) of the normalised text. Texts that differ only in addresses or white space are the same post."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def snowflake_time(tweet_id: str) -> datetime:
    """The instant (UTC, milliseconds) at which X made this id. Raises ValueError for anything but 15 to 20 digits."""
    if not _TWEET_ID.match(tweet_id):
        raise ValueError(f"{tweet_id!r} is not a tweet id")
    milliseconds = (int(tweet_id) >> 22) + SNOWFLAKE_EPOCH_MS
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def is_tweet_id(value: object) -> bool:
    """Whether `value` has the form of a tweet id (no time stamps, placeholders or numbers that lost digits)."""
    return isinstance(value, str) and bool(_TWEET_ID.match(value))


def plausible_id(tweet_id: str, armed_at: datetime) -> bool:
    """Whether an id can belong to a submit armed at `armed_at`: born from 60 s before to 10 min after it."""
    if not is_tweet_id(tweet_id):
        return False
    try:
        born = snowflake_time(tweet_id)
    except (OverflowError, ValueError, OSError):
        return False
    return armed_at - CLOCK_SKEW <= born <= armed_at + LATEST_BIRTH
