"""The official API against a local stand-in that answers with the documented shapes."""

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from benchmarks.scaled_out import until
from tests.publishing_world import set_config
from xbot_dagster.domain.publishing.fingerprint import fingerprint
from xbot_dagster.errors import SettingsError
from xbot_dagster.resources.x import X
from xbot_dagster.settings import load_settings
from xbot_dagster.x.api_publisher import ApiPublisher
from xbot_dagster.x.protocols import Deferred, InDoubt, OutgoingPost, Posted, Rejected

KEYS = {name: f"value-of-{name}" for name in ("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_TOKEN_SECRET")}
POST = OutgoingPost("default", "walker", str(uuid.uuid4()), 0, "Walk & read.", fingerprint("Walk & read."))
NEW_ID = "2121212121212121212"


def publisher(httpserver: HTTPServer, **environment: str) -> ApiPublisher:
    flags = {"MODE": "shadow", "PUBLISHER": "x_api", "X_API_BASE_URL": httpserver.url_for("/")}
    return ApiPublisher(load_settings({**flags, **(environment or KEYS)}), seconds=1)


def problem(status: int, detail: str, **headers: str) -> dict:
    body = {"title": "Problem", "detail": detail, "type": "about:blank", "status": status}
    return {"response_data": json.dumps(body), "status": status, "headers": headers}


def publish(httpserver, **environment):
    armed = []
    result = publisher(httpserver, **environment).publish(POST, lambda: armed.append(True))
    return result, armed


def test_a_created_post_brings_its_id(httpserver):
    httpserver.expect_request("/2/tweets", method="POST", json={"text": "Walk & read."}).respond_with_json(
        {"data": {"id": NEW_ID, "text": "Walk &amp; read."}}, status=201
    )
    assert publish(httpserver) == (Posted(NEW_ID, "response"), [True])
    authorization = httpserver.log[0][0].headers["Authorization"]
    assert authorization.startswith("OAuth ")
    assert 'oauth_token="value-of-X_ACCESS_TOKEN"' in authorization


def test_an_oauth2_user_token_signs_as_bearer_and_a_reply_names_its_target(httpserver):
    httpserver.expect_request("/2/tweets", method="POST").respond_with_json({"data": {"id": NEW_ID}}, status=201)
    reply = OutgoingPost("default", "walker", POST.decision_id, 0, "Yes.", "f", reply_to="1212092628029698048")
    assert isinstance(publisher(httpserver, X_OAUTH2_TOKEN="secret-token").publish(reply, lambda: None), Posted)
    request = httpserver.log[0][0]
    assert request.headers["Authorization"] == "Bearer secret-token"
    assert request.get_json() == {"text": "Yes.", "reply": {"in_reply_to_tweet_id": "1212092628029698048"}}


@pytest.mark.parametrize(
    ("status", "detail", "code"),
    [
        (403, "You are not allowed to create a Tweet with duplicate content.", 187),
        (403, "You attempted to reply to a Tweet that is deleted or not visible to you.", 385),
        (403, "Your account has been suspended.", 64),
        (403, "Your account is temporarily locked.", 326),
        (403, "This request looks like it might be automated.", 226),
        (403, "You are not permitted to perform this action.", 403),
        (400, "Your Tweet text is too long.", 186),
        (400, "One or more parameters to your request was invalid.", 400),
        (401, "Unauthorized", 401),
    ],
)
def test_refusals_keep_their_meaning(httpserver, status, detail, code):
    httpserver.expect_request("/2/tweets").respond_with_data(**problem(status, detail))
    result, armed = publish(httpserver)
    assert isinstance(result, Rejected)
    assert (result.code, result.message, armed) == (code, detail, [True])
    assert len(httpserver.log) == 1


def test_the_rate_limit_names_its_end_and_nothing_sleeps(httpserver):
    reset = int(datetime(2026, 11, 8, 13, tzinfo=UTC).timestamp())
    httpserver.expect_request("/2/tweets").respond_with_data(
        **problem(429, "Too Many Requests", **{"x-rate-limit-reset": str(reset), "x-rate-limit-remaining": "0"})
    )
    result, _ = publish(httpserver)
    assert result == Deferred(datetime(2026, 11, 8, 13, tzinfo=UTC), 429, "Too Many Requests")
    assert len(httpserver.log) == 1


def test_a_daily_limit_and_missing_credits_mean_later(httpserver):
    httpserver.expect_ordered_request("/2/tweets").respond_with_data(**problem(403, "You reached your daily limit."))
    httpserver.expect_ordered_request("/2/tweets").respond_with_data(**problem(402, "CreditsDepleted"))
    assert publish(httpserver)[0] == Deferred(None, 344, "You reached your daily limit.")
    assert publish(httpserver)[0] == Deferred(None, 402, "CreditsDepleted")


def _slow(request: Request) -> Response:
    time.sleep(2)
    return Response('{"data": {"id": "1"}}', 201)


@pytest.mark.parametrize("fault", ["500", "503", "no id", "no json", "silence", "gone"])
def test_whatever_may_be_live_is_a_doubt_and_is_asked_once(httpserver, fault):
    expected = httpserver.expect_request("/2/tweets")
    match fault:
        case "500" | "503":
            expected.respond_with_data("oops", status=int(fault))
        case "no id":
            expected.respond_with_json({"data": {}}, status=201)
        case "no json":
            expected.respond_with_data("<html>", status=200)
        case "silence":
            expected.respond_with_handler(_slow)
        case "gone":
            httpserver.stop()
    try:
        result, armed = publish(httpserver)
    finally:
        if fault == "gone":
            httpserver.start()
    if fault == "silence":  # the answer that nobody waited for belongs to this test, not to the next one's log
        until(lambda: httpserver.log, "the slow answer")
    assert isinstance(result, InDoubt)
    assert armed == [True]
    assert len(httpserver.log) <= 1


def test_a_redirect_is_not_followed_because_it_would_post_twice(httpserver):
    httpserver.expect_request("/2/tweets").respond_with_data("", status=307, headers={"Location": "/elsewhere"})
    result, _ = publish(httpserver)
    assert isinstance(result, InDoubt)
    assert [request.path for request, _ in httpserver.log] == ["/2/tweets"]


def test_the_probe_knows_whose_keys_they_are_and_reads_the_baseline(httpserver):
    httpserver.expect_request("/2/users/me").respond_with_json({"data": {"id": "42", "username": "Walker"}})
    repost = {
        "id": "2",
        "text": "RT @x: no",
        "created_at": "2026-11-08T11:00:00.000Z",
        "referenced_tweets": [{"type": "retweeted", "id": "9"}],
    }
    reply = {
        "id": "3",
        "text": "@kim Walk &amp; read. https://t.co/abc",
        "created_at": "2026-11-08T10:00:00.000Z",
        "referenced_tweets": [{"type": "replied_to", "id": "8"}],
    }
    httpserver.expect_request("/2/users/42/tweets").respond_with_json({"data": [repost, reply]})
    spent = []
    api = ApiPublisher(
        load_settings({"MODE": "shadow", "PUBLISHER": "x_api", "X_API_BASE_URL": httpserver.url_for("/"), **KEYS}),
        lambda *cost: spent.append(cost),
    )
    found = api.probe("default", "walker")
    assert found.state == "ok"
    assert found.baseline is not None
    seen_repost, seen_reply = found.baseline.posts
    assert seen_repost.repost
    assert (seen_reply.in_reply_to, fingerprint(seen_reply.text)) == ("8", POST.fingerprint)
    assert spent == [("default", "user_read", 1), ("default", "owned_read", 2)]


@pytest.mark.parametrize(
    ("status", "detail", "state"),
    [
        (401, "Unauthorized", "expired"),
        (403, "Your account has been suspended.", "suspended"),
        (403, "To protect our users this account is temporarily locked.", "locked"),
        (403, "client-not-enrolled", "challenge"),
        (429, "Too Many Requests", "unknown"),
        (503, "Service Unavailable", "unknown"),
    ],
)
def test_wrong_keys_and_revoked_tokens_are_a_session_state(httpserver, status, detail, state):
    httpserver.expect_request("/2/users/me").respond_with_data(**problem(status, detail))
    found = publisher(httpserver).probe("default", "walker")
    assert (found.state, found.detail) == (state, detail)


def test_keys_of_another_account_never_post(httpserver):
    httpserver.expect_request("/2/users/me").respond_with_json({"data": {"id": "42", "username": "stranger"}})
    found = publisher(httpserver).probe("default", "walker")
    assert found.state == "expired"
    assert "@stranger" in found.detail


def test_missing_keys_are_named_and_values_are_not():
    flags = {"MODE": "shadow", "PUBLISHER": "x_api", **KEYS}
    del flags["X_ACCESS_TOKEN_SECRET"]
    with pytest.raises(SettingsError, match="missing: X_ACCESS_TOKEN_SECRET") as caught:
        ApiPublisher(load_settings(flags))
    assert "value-of" not in str(caught.value)


def test_a_missing_library_is_one_sentence_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tweepy", None)
    with pytest.raises(SettingsError, match=r"needs the library tweepy.*xbot-dagster\[api-x\]"):
        ApiPublisher(load_settings({"MODE": "shadow", "PUBLISHER": "x_api", **KEYS}))


class StandIn:
    """A little of X behind the API: it keeps what was created and shows it on the timeline."""

    def __init__(self, httpserver: HTTPServer, handle: str, clock) -> None:
        self.posts: list[dict] = []
        self.handle, self.clock = handle, clock
        self.drop_answers = 0
        httpserver.expect_request("/2/users/me").respond_with_json({"data": {"id": "42", "username": handle}})
        httpserver.expect_request("/2/users/42/tweets").respond_with_handler(self.timeline)
        httpserver.expect_request("/2/tweets", method="POST").respond_with_handler(self.create)

    def create(self, request: Request) -> Response:
        now = self.clock.now()
        number = (int(now.timestamp() * 1000) - 1288834974657 << 22) + len(self.posts)
        post = {"id": str(number), "text": request.get_json()["text"], "created_at": now.isoformat()}
        self.posts.insert(0, post)
        if self.drop_answers:
            self.drop_answers -= 1
            return Response("upstream timed out", 504)
        return Response(json.dumps({"data": post}), 201, content_type="application/json")

    def timeline(self, request: Request) -> Response:
        return Response(json.dumps({"data": self.posts}), content_type="application/json")


@pytest.fixture
def live_desk(make_desk, httpserver):
    desk = make_desk(
        MODE="live", APP_ENV="production", REDIS_PREFIX="prod:", POSTING_DISABLED="false", LIVE_POSTS="true",
        PUBLISHER="x_api", X_API_BASE_URL=httpserver.url_for("/"), **KEYS,
    )  # fmt: skip
    desk.run("UPDATE accounts SET label_attested_by = 'operator', label_attested_at = xbot_now()")
    set_config(desk, "learning_config", post_fraction=1, post_interval_min=30)
    desk.publisher = ApiPublisher(desk.settings, seconds=1)
    return desk, StandIn(httpserver, desk.handle, desk.clock)


def test_live_posting_goes_through_the_whole_machine_and_its_price_is_booked(live_desk):
    desk, x = live_desk
    decision = desk.add("Read ten pages: https://example.com/why")
    assert len(desk.post().posted) == 1
    assert desk.status(decision) == "posted"
    assert desk.rows("SELECT simulated FROM posted_decisions")[0].simulated is False
    [row] = desk.rows("SELECT purpose, cost_usd FROM api_usage WHERE provider = 'x' AND decision_id IS NOT NULL")
    assert (row.purpose, row.cost_usd) == ("post_with_url", 0.2)
    assert len(x.posts) == 1


def test_a_timed_out_create_is_found_on_the_timeline_and_not_repeated(live_desk):
    desk, x = live_desk
    desk.add("The first one.")
    desk.post()
    desk.pass_time(hours=1)
    x.drop_answers = 1
    decision = desk.add("The second one.")
    assert desk.post().in_doubt == 1
    assert desk.reconcile().adopted == (decision,)
    assert [post["text"] for post in x.posts] == ["The second one.", "The first one."]


def test_revoked_keys_pause_posting_with_one_alert_and_keep_the_queue(live_desk, httpserver):
    desk, _ = live_desk
    httpserver.clear()
    httpserver.expect_request("/2/users/me").respond_with_data(**problem(401, "Unauthorized"))
    decision = desk.add()
    for _ in range(3):
        assert desk.post().posted == ()
        desk.pass_time(minutes=6)
    assert desk.status(decision) == "queued"
    assert [row.occurrences for row in desk.rows("SELECT occurrences FROM alerts WHERE rule = 'session'")] == [3]
    assert desk.rows("SELECT session_state FROM accounts")[0].session_state == "expired"


def test_what_reading_costs_is_booked_with_the_account(live_desk):
    """The publisher as a run gets it: who the keys belong to is one paid read, each own post on the timeline another."""
    desk, x = live_desk
    x.posts.append({"id": "2", "text": "Older.", "created_at": "2026-11-08T10:00:00.000Z"})
    database = SimpleNamespace(opened=SimpleNamespace(engine=desk.engine, clock=desk.clock))
    resource = X(desk.settings)
    try:
        assert resource.publisher_for(database)(SimpleNamespace()).probe("default", desk.handle).state == "ok"  # pyright: ignore[reportArgumentType]
    finally:
        resource.close()
    rows = desk.rows("SELECT purpose, account, cost_usd FROM api_usage WHERE provider = 'x' ORDER BY purpose")
    assert [tuple(row) for row in rows] == [("owned_read", "default", 0.001), ("user_read", "default", 0.01)]
