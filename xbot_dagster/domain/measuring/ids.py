"""Post ids of X: they carry the time they were made."""

from datetime import UTC, datetime

EPOCH_MS = 1288834974657  # X's own epoch, 2010-11-04T01:42:54.657Z
_TIME_SHIFT = 22
FIRST_SNOWFLAKE = 29_700_000_000  # ids below were plain counters, before November 2010


def created_at(tweet_id: str) -> datetime:
    """When the post was made (aware, UTC, to the millisecond). Raises ValueError for an id that carries no time."""
    number = int(tweet_id)
    if number < FIRST_SNOWFLAKE or number >= 1 << 63:
        raise ValueError(f"'{tweet_id}' is not a post id that carries its time")
    return datetime.fromtimestamp(((number >> _TIME_SHIFT) + EPOCH_MS) / 1000, UTC)
