"""Retries: what, how often, how long, and in whose words."""

import logging
from datetime import UTC, datetime

import httpx2
import numpy as np
import openai
import pytest

from xbot_dagster.clock import FixedClock
from xbot_dagster.llm import retry
from xbot_dagster.llm.ledger import TickExhausted

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")


def failure(status: int, code: str | None = None, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    kind = (
        openai.RateLimitError
        if status == 429
        else openai.InternalServerError
        if status >= 500
        else openai.BadRequestError
    )
    return kind("no", response=response, body={"code": code, "type": code})


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 8, 12, tzinfo=UTC))


def attempt(
    clock: FixedClock, *outcomes: BaseException | str, tick: retry.TickBudget | None = None
) -> tuple[list[BaseException | str], str | BaseException]:
    left = list(outcomes)
    used: list[BaseException | str] = []

    def send() -> str:
        used.append(left.pop(0))
        if isinstance(used[-1], BaseException):
            raise used[-1]
        return used[-1]

    try:
        return used, retry.call(
            send,
            purpose="content_generation",
            clock=clock,
            rng=np.random.default_rng(0),
            tick=tick or retry.TickBudget(),
        )
    except (openai.OpenAIError, TickExhausted) as error:
        return used, error


def test_two_retries_and_the_words_of_the_seeds(clock: FixedClock, caplog: pytest.LogCaptureFixture) -> None:
    start = clock.now()
    used, result = attempt(clock, failure(429), failure(503), "done")
    assert (len(used), result) == (3, "done")
    assert 0.35 + 0.7 <= (clock.now() - start).total_seconds() <= 0.65 + 1.3
    lines = [record.message for record in caplog.records]
    assert lines[0] == "[OPENAI_BACKOFF] ⚠️ 429 rate limit hit"
    assert lines[1].startswith("[OPENAI_BACKOFF] ⏱️ Retry 1/2 for content_generation after ")
    assert lines[1].endswith("ms")
    assert lines[2] == "[OPENAI_BACKOFF] ⚠️ 503 server error"
    assert lines[3].startswith("[OPENAI_BACKOFF] ⏱️ Retry 2/2")


def test_a_third_failure_is_the_end(clock: FixedClock) -> None:
    used, result = attempt(clock, failure(500), failure(500), failure(500), "never", tick=retry.TickBudget(9))
    assert (len(used), isinstance(result, openai.InternalServerError)) == (3, True)


def test_a_tick_has_two_retries_in_all(clock: FixedClock) -> None:
    tick = retry.TickBudget()
    assert attempt(clock, failure(500), "done", tick=tick)[1] == "done"
    assert attempt(clock, failure(500), "done", tick=tick)[1] == "done"
    used, result = attempt(clock, failure(500), "never", tick=tick)
    assert (len(used), isinstance(result, TickExhausted)) == (1, True)


def test_quota_and_wrong_requests_are_never_retried(clock: FixedClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for error in (failure(429, "insufficient_quota"), failure(400), failure(429, **{"retry-after": "121"})):
        used, result = attempt(clock, error, "never")
        assert (len(used), result) == (1, error)
    assert caplog.records == []


def test_the_server_may_ask_for_more_time(clock: FixedClock) -> None:
    for headers, seconds in (
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Sun, 08 Nov 2026 12:00:30 GMT"}, 30),
    ):
        clock.set(datetime(2026, 11, 8, 12, tzinfo=UTC))
        attempt(clock, failure(429, **headers), "done")
        assert (clock.now() - datetime(2026, 11, 8, 12, tzinfo=UTC)).total_seconds() == pytest.approx(seconds, abs=0.01)


def test_broken_connections_are_retried(clock: FixedClock) -> None:
    used, result = attempt(
        clock, openai.APIConnectionError(request=REQUEST), openai.APITimeoutError(request=REQUEST), "done"
    )
    assert (len(used), result) == (3, "done")


def test_waits_stay_within_their_bounds() -> None:
    rng = np.random.default_rng(3)
    for number, base in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 2.0)):
        waits = [retry.backoff_seconds(number, rng) for _ in range(300)]
        assert base * 0.7 <= min(waits) < base * 0.75
        assert base * 1.25 < max(waits) <= base * 1.3
