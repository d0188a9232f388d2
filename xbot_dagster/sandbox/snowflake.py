"""Post ids as X makes them: (milliseconds since the epoch of X) << 22 | worker << 12 | sequence."""

EPOCH_MS = 1288834974657  # X's own epoch, 2010-11-04T01:42:54.657Z
OWN_WORKER = 1  # posts of the replica's accounts
CROWD_WORKER = 7  # posts of the people around them: another worker, so that the two series never collide
_SEQUENCE_BITS = 12
_LOW_BITS = 22


def next_id(now_ms: int, last_id: int, worker: int = OWN_WORKER) -> int:
    """The id of something created at `now_ms` (UTC milliseconds), strictly greater than `last_id`.

    A standing or turned-back clock continues the sequence of the last id, so that ids never repeat."""
    fresh = (max(now_ms, EPOCH_MS) - EPOCH_MS) << _LOW_BITS | worker << _SEQUENCE_BITS
    if fresh > last_id:
        return fresh
    sequence = last_id & ((1 << _SEQUENCE_BITS) - 1)
    if sequence + 1 < 1 << _SEQUENCE_BITS:
        return last_id + 1
    return ((last_id >> _LOW_BITS) + 1) << _LOW_BITS | worker << _SEQUENCE_BITS


def created_ms(post_id: int) -> int:
    """UTC milliseconds encoded in an id."""
    return (post_id >> _LOW_BITS) + EPOCH_MS
