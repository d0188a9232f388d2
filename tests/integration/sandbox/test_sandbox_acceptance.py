"""What becomes live and what does not: the replica's acceptance through its JSON door, fault by fault, judged by the ledger."""

import json
from datetime import timedelta
from http.client import HTTPConnection, RemoteDisconnected
from typing import Any
from urllib.parse import urlparse

import pytest

from tests.integration.sandbox.conftest import NOON, Stage
from xbot_dagster.sandbox import snowflake
from xbot_dagster.sandbox.client import SandboxClient, SandboxError
from xbot_dagster.sandbox.faults import FAULTS

TEXT = "Pick one wake-up time and keep it for two weeks."

LISTED_FAULTS = {  # x-platform.md, end of 1g, and the states of a session
    "accept_drop_response", "accept_slow", "drop_request", "reject_187", "reject_226", "reject_344", "reject_326", "reject_186",
    "reject_433", "empty_result", "read_429", "timeline_lag", "duplicate_check", "session_expiry_after_load", "crash_after_click",
    "overlay", "stale_toast", "count_regression", "locked", "suspended", "consent", "analytics_unavailable", "locale",
}  # fmt: skip


def ledger(stage: Stage) -> dict[str, Any]:
    return stage.client.ledger(stage.account)


def refusal(stage: Stage, text: str = TEXT, reply_to: int | None = None) -> int:
    """The code with which a post is refused, whether it comes as 200 with errors or as 429 or 503."""
    try:
        return stage.client.recorded_post(stage.account, text, reply_to)["errors"][0]["code"]
    except SandboxError as refused:
        return int(str(refused).split('"code": ')[1].split(",")[0])


def test_every_listed_fault_exists() -> None:
    assert set(FAULTS) >= LISTED_FAULTS


def test_an_accepted_post_is_on_the_ledger_with_the_time_of_the_clock(stage: Stage) -> None:
    # The world is that of all tests of this file, and its ids grow even where a test has turned the clock back.
    stage.forward(hours=24 * 30)
    post_id = stage.post(TEXT)
    [post] = ledger(stage)["posts"]
    assert post["id"] == post_id
    assert post["text"] == TEXT
    assert post["created_at"] == "2026-12-08T12:00:00.000Z"
    assert snowflake.created_ms(int(post_id)) == (NOON + timedelta(days=30)).timestamp() * 1000


def test_ids_grow_while_the_clock_stands(stage: Stage) -> None:
    ids = [int(stage.post(f"{TEXT} {n}")) for n in range(5)]
    assert ids == sorted(set(ids))


def test_the_same_text_within_a_day_is_refused_with_187(stage: Stage) -> None:
    stage.post(TEXT)
    assert refusal(stage, "Pick one wake-up\u00a0time and  keep it for two weeks.") == 187
    stage.forward(hours=25)
    stage.post(TEXT)
    assert ledger(stage)["duplicates"] == 1  # the judge counts it, whatever X allows


def test_without_the_duplicate_check_the_ledger_shows_the_duplicate(stage: Stage) -> None:
    stage.client.set_fault("duplicate_check", enabled=False)
    stage.post(TEXT)
    stage.post(TEXT)
    assert ledger(stage)["duplicates"] == 1
    assert [post["same_text"] for post in ledger(stage)["posts"]] == [2, 2]


@pytest.mark.parametrize("code", [64, 88, 186, 187, 226, 326, 344, 433])
def test_a_scripted_refusal_strikes_once_and_nothing_is_live(stage: Stage, code: int) -> None:
    stage.client.set_fault(f"reject_{code}")
    assert refusal(stage) == code
    assert ledger(stage)["count"] == 0
    stage.post(TEXT)
    assert ledger(stage)["count"] == 1


@pytest.mark.parametrize(("text", "code"), [("x" * 281, 186), ("\u65e5" * 141, 186), (" \n ", 170)])
def test_what_x_would_not_take_is_refused(stage: Stage, text: str, code: int) -> None:
    assert refusal(stage, text) == code


def test_a_reply_needs_a_target_that_is_there(stage: Stage) -> None:
    target = stage.client.mention(stage.account, "how long did it take?")["id"]
    stage.post("About three weeks.", in_reply_to=target)
    stage.client.delete_post(target)
    assert refusal(stage, "About four weeks.", int(target)) == 385
    assert refusal(stage, "About five weeks.", 123) == 385


@pytest.mark.parametrize(("state", "code"), [("locked", 326), ("suspended", 64)])
def test_a_locked_or_suspended_account_cannot_post_until_it_is_freed(stage: Stage, state: str, code: int) -> None:
    stage.client.set_fault(state, handle=stage.account)
    assert refusal(stage) == code
    assert stage.client.account(stage.account)["condition"] == state
    stage.client.clear_faults(state)
    stage.post(TEXT)


def test_a_fault_can_be_limited_to_one_account(stage: Stage) -> None:
    stage.client.set_fault("reject_226", handle="somebody_else")
    stage.post(TEXT)
    assert stage.client.faults()[0]["fired"] == 0


@pytest.mark.parametrize(("fault", "live"), [("drop_request", 0), ("accept_drop_response", 1)])
def test_a_reset_connection_says_nothing_about_the_post(stage: Stage, fault: str, live: int) -> None:
    stage.client.set_fault(fault)
    connection = HTTPConnection(urlparse(stage.client.url).netloc, timeout=10)
    body = json.dumps({"handle": stage.account, "text": TEXT})
    connection.request("POST", "/_sandbox/recorded/posts", body, {"content-type": "application/json"})
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()
    connection.close()
    assert ledger(stage)["count"] == live
    assert stage.client.submits(stage.account)["by_outcome"] == ({"accepted": 1} if live else {"lost": 1})


@pytest.mark.parametrize("fault", ["accept_slow", "accept_drop_response"])
def test_a_client_that_gives_up_waiting_has_posted_all_the_same(stage: Stage, fault: str) -> None:
    params: dict[str, Any] = {"seconds": 20.0} if fault == "accept_slow" else {"mode": "hang"}
    stage.client.set_fault(fault, **params)
    with pytest.raises(SandboxError):
        SandboxClient(stage.client.url, timeout=0.5).recorded_post(stage.account, TEXT)
    assert ledger(stage)["count"] == 1


def test_an_empty_result_is_a_success_without_a_post(stage: Stage) -> None:
    stage.client.set_fault("empty_result")
    assert stage.client.recorded_post(stage.account, TEXT) == {"id": None}
    assert ledger(stage)["count"] == 0
    stage.client.set_fault("empty_result", accepted=True)
    assert stage.client.recorded_post(stage.account, TEXT) == {"id": None}
    assert ledger(stage)["count"] == 1


def test_a_fault_with_a_probability_strikes_the_same_posts_every_time(stage: Stage) -> None:
    def struck() -> list[bool]:
        stage.client.clear_faults()
        stage.client.set_fault("empty_result", probability=0.3, seed=5)
        stage.client.set_fault("duplicate_check", enabled=False)
        return [stage.client.recorded_post(stage.account, TEXT)["id"] is None for _ in range(40)]

    first = struck()
    assert first == struck()
    assert 4 <= sum(first) <= 22


def test_a_fault_can_wait_and_can_strike_several_times(stage: Stage) -> None:
    stage.client.set_fault("empty_result", count=2, skip=1)
    ids = [stage.client.recorded_post(stage.account, f"{TEXT} {n}")["id"] for n in range(4)]
    assert [post_id is None for post_id in ids] == [False, True, True, False]


def test_a_lagging_timeline_shows_the_post_later(stage: Stage) -> None:
    stage.client.set_fault("timeline_lag", seconds=90)
    stage.post(TEXT)
    seen = lambda: len(stage.client.call("GET", f"/_sandbox/recorded/timeline/{stage.account}")["posts"])  # noqa: E731
    assert seen() == 0
    stage.forward(seconds=91)
    assert seen() == 1
    assert ledger(stage)["count"] == 1


def test_a_post_nobody_ordered_is_marked_as_a_ghost(stage: Stage) -> None:
    stage.client.ghost(stage.account, "Buy my course!")
    assert ledger(stage)["by_origin"] == {"ghost": 1}


def test_the_ledger_can_be_read_from_a_post_on(stage: Stage) -> None:
    first, second = stage.post("One."), stage.post("Two.")
    found = stage.client.ledger(stage.account, since=first)
    assert [post["id"] for post in found["posts"]] == [second]
    assert found["count"] == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/_sandbox/faults", {"name": "no_such"}, "there is no fault 'no_such'"),
        ("POST", "/_sandbox/faults", {"name": "overlay", "params": {"size": 3}}, "takes"),
        ("POST", "/_sandbox/faults", {"name": "overlay", "probability": 2}, "between 0 and 1"),
        ("POST", "/_sandbox/accounts", {"handle": "has space"}, "cannot be a handle"),
        ("POST", "/_sandbox/accounts", {"handle": "home"}, "cannot be a handle"),
        ("POST", "/_sandbox/accounts", {"handle": "fine", "timezone": "Mars/Base"}, "not an IANA time zone"),
        ("POST", "/_sandbox/accounts", {"handle": "fine", "followers": -1}, "fewer than 0"),
        ("POST", "/_sandbox/recorded/posts", {"handle": "nobody", "text": "x"}, "no account 'nobody'"),
        ("GET", "/_sandbox/truth?handle=nobody", None, "no account 'nobody'"),
        ("DELETE", "/_sandbox/posts/5", None, "no post 5"),
        ("GET", "/_sandbox/feeds/none.xml", None, "no feed 'none'"),
    ],
)
def test_bad_input_gets_one_clear_sentence(stage: Stage, method: str, path: str, body: Any, said: str) -> None:
    with pytest.raises(SandboxError, match=said):
        stage.client.call(method, path, body)


def test_two_accounts_do_not_share_anything(stage: Stage) -> None:
    other = f"{stage.account}_b"
    stage.client.create_account(other, followers=50)
    stage.post(TEXT)
    stage.client.recorded_post(other, TEXT)  # the same text by someone else is no duplicate
    assert ledger(stage)["count"] == stage.client.ledger(other)["count"] == 1
    stage.set(NOON + timedelta(days=2))
    assert stage.client.recorded_followers(other) < 1000
