"""When a post is measured: T+1h and T+24h, when a read counts as late, when to look again, when to give up."""

from datetime import datetime, timedelta

PASS_AGE = {1: timedelta(hours=1), 2: timedelta(hours=24)}
# A read older than this says something about another age of the post: kept with its true age, not learned from. At one
# hour a post still gains a percent a minute; after a day it hardly grows.
LATE_AFTER = {1: timedelta(hours=1), 2: timedelta(hours=12)}
# How long a post may stay unreadable before the pass is closed with a censored row.
GIVE_UP_AFTER = {1: timedelta(hours=6), 2: timedelta(hours=48)}
# Our own failures (no session, no network) say nothing about the post: they close a pass only when nothing can be known any more.
GIVE_UP_OWN_FAILURE_AFTER = timedelta(days=14)
OWN_FAILURES = frozenset({"error", "unsupported_locale"})
_SHORTEST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=6)
_GROWTH = 0.5  # each wait is half of what the pass has been overdue for: geometric, without a counter to keep


def due_at(posted_at: datetime, number: int) -> datetime:
    """When pass `number` (1 or 2) is due."""
    return posted_at + PASS_AGE[number]


def following(posted_at: datetime, number: int) -> tuple[int, datetime] | None:
    """The pass after `number` with its due time; None after the last."""
    return (2, due_at(posted_at, 2)) if number == 1 else None


def is_late(posted_at: datetime, number: int, now: datetime) -> bool:
    """Whether a read at `now` is too old to stand for pass `number`."""
    return now - posted_at > PASS_AGE[number] + LATE_AFTER[number]


def retry_at(posted_at: datetime, number: int, now: datetime) -> datetime:
    """When to look again after a read at `now` that gave nothing: waits grow from 5 minutes to 6 hours."""
    overdue = now - due_at(posted_at, number)
    return now + min(_LONGEST_WAIT, max(_SHORTEST_WAIT, overdue * _GROWTH))


def gave_up(posted_at: datetime, number: int, now: datetime, status: str) -> bool:
    """Whether pass `number` should be closed with a censored row after one more read of `status`."""
    patience = GIVE_UP_OWN_FAILURE_AFTER if status in OWN_FAILURES else GIVE_UP_AFTER[number]
    return now - due_at(posted_at, number) >= patience
