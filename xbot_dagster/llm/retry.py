"""Which failures of OpenAI are tried again, how long to wait, and what the log says.

The SDK's own retries are off: it would retry `insufficient_quota` three times, which can never succeed.
"""

import logging
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from xbot_dagster.clock import Clock
from xbot_dagster.llm.ledger import TickExhausted

log = logging.getLogger("xbot")
Answer = TypeVar("Answer")

RETRIES = 2
RETRIES_PER_TICK = 2
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 2.0
JITTER = 0.3
LONGEST_RETRY_AFTER_SECONDS = 120.0  # a server that asks for more time gets the rest of the day off


class TickBudget:
    """The retries one tick of a job may still use, whichever thread asks."""

    def __init__(self, retries: int = RETRIES_PER_TICK) -> None:
        self._left = retries
        self._lock = Lock()

    def take(self) -> bool:
        """Use one up; False when there is none left."""
        with self._lock:
            self._left -= 1
            return self._left >= 0


def is_insufficient_quota(error: BaseException) -> bool:
    """The account has no credit: never retried."""
    return "insufficient_quota" in (getattr(error, "code", None), getattr(error, "type", None))


def is_worth_retrying(error: BaseException) -> bool:
    """408, 409, 429 and 5xx, broken connections and timeouts; not quota, not a wait longer than two minutes."""
    from openai import APIConnectionError, APIStatusError

    if is_insufficient_quota(error):
        return False
    if isinstance(error, APIConnectionError):
        return True
    return isinstance(error, APIStatusError) and (error.status_code in (408, 409, 429) or error.status_code >= 500)


def retry_after(error: BaseException, clock: Clock) -> float | None:
    """Seconds the server asked for (`retry-after-ms`, `retry-after` in seconds or as a date), None if it did not say."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, (parsedate_to_datetime(headers["retry-after"]) - clock.now()).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def backoff_seconds(attempt: int, rng: np.random.Generator) -> float:
    """Wait before retry `attempt` (1, 2, …): 0.5 s, 1 s, 2 s at most, ±30 %."""
    base = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    return base * (1 + JITTER * (2 * rng.random() - 1))


def call(
    send: Callable[[], Answer], *, purpose: str, clock: Clock, rng: np.random.Generator, tick: TickBudget
) -> Answer:
    """`send()`, retried at most twice and within the tick's budget. Raises the last error, or TickExhausted."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

    def failure(state: RetryCallState) -> BaseException:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert error is not None
        return error

    def wait(state: RetryCallState) -> float:
        return max(backoff_seconds(state.attempt_number, rng), retry_after(failure(state), clock) or 0.0)

    def announce(state: RetryCallState) -> None:
        error = failure(state)
        if not tick.take():
            raise TickExhausted(
                "OpenAI keeps failing and the retries of this tick are used up.", "The next tick tries again."
            ) from error
        assert state.next_action is not None
        milliseconds = round(state.next_action.sleep * 1000)
        log.warning("[OPENAI_BACKOFF] ⚠️ %s", _what(error))
        log.warning(
            "[OPENAI_BACKOFF] ⏱️ Retry %d/%d for %s after %dms", state.attempt_number, RETRIES, purpose, milliseconds
        )

    def retryable(error: BaseException) -> bool:
        return is_worth_retrying(error) and (retry_after(error, clock) or 0.0) <= LONGEST_RETRY_AFTER_SECONDS

    policy: Any = Retrying(
        stop=stop_after_attempt(RETRIES + 1),
        wait=wait,
        retry=retry_if_exception(retryable),
        sleep=clock.sleep,
        before_sleep=announce,
        reraise=True,
    )
    return policy(send)


def _what(error: BaseException) -> str:
    status = getattr(error, "status_code", None)
    if status == 429:
        return "429 rate limit hit"
    return f"{status} server error" if status else f"{type(error).__name__}: no answer"
