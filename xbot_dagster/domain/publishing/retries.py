"""Delays: of retries before the submit, of decisions that keep failing before it, of an account whose session is not ok."""

from datetime import timedelta

# Only what provably never reached the submit is tried again, this often, after these seconds.
PRESUBMIT_DELAYS = (1.0, 2.0, 4.0)

# A decision whose tries all failed before the submit waits so long, then is given up.
_BACKOFF = tuple(timedelta(minutes=m) for m in (2, 5, 15, 60, 120))
GIVE_UP_AFTER = len(_BACKOFF) + 1

# From the claim: longer than every time-out of one publication together, short enough not to hold an account for long.
LEASE = timedelta(minutes=5)

# How long a session that is not ok is left alone before the next probe.
SESSION_RECHECK = timedelta(minutes=5)

# An account whose timeline nobody has looked at for so long is looked at for posts that nobody ordered.
SWEEP_EVERY = timedelta(hours=6)

# How long a text counts as live after its submit.
FINGERPRINT_LIFE = timedelta(days=30)

# X's daily limit and rate limit without a time of their own.
DEFER_DAILY = timedelta(hours=3)
DEFER_RATE = timedelta(minutes=15)


def backoff(failures: int) -> timedelta | None:
    """Pause after the n-th failed claim (n >= 1); None = give the decision up."""
    return _BACKOFF[failures - 1] if failures <= len(_BACKOFF) else None
