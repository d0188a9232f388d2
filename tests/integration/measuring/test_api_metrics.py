"""Metrics over the official API against a local stand-in that answers with the documented shapes."""

import json
from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from xbot_dagster.settings import load_settings
from xbot_dagster.x.api_metrics import ApiMetrics
from xbot_dagster.x.protocols import TweetRef

KEYS = {name: f"value-of-{name}" for name in ("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_TOKEN_SECRET")}
IDS = ["2119399533573050368", "2119399533573050369", "2119399533573050370"]
MOMENT = datetime(2026, 11, 8, 12, tzinfo=UTC)
POSTS = [TweetRef(i, "walker", "words", MOMENT) for i in IDS]
ME = {"data": {"id": "42", "username": "Walker", "public_metrics": {"followers_count": 1234, "post_count": 9}}}


def row(tweet_id: str, private: bool = True, repost: str = "retweet_count") -> dict:
    found: dict = {
        "id": tweet_id,
        "created_at": "2026-11-08T12:00:00.000Z",
        "public_metrics": {
            repost: 4,
            "reply_count": 2,
            "like_count": 30,
            "quote_count": 1,
            "bookmark_count": 5,
            "impression_count": 2000,
        },
    }
    if private:
        found["non_public_metrics"] = {
            "impression_count": 2010,
            "url_link_clicks": 7,
            "user_profile_clicks": 11,
            "engagements": 60,
        }
    return found


def analytics(tweet_id: str) -> dict:
    return {
        "id": tweet_id,
        "timestamped_metrics": [{"metrics": {"follows": 3, "impressions": 2010, "url_clicks": 7}, "timestamp": "x"}],
    }


@pytest.fixture
def spent() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def source(httpserver: HTTPServer, spent):
    flags = {"MODE": "shadow", "PUBLISHER": "x_api", "X_API_BASE_URL": httpserver.url_for("/")}
    found = ApiMetrics(
        load_settings({**flags, **KEYS}), lambda account, purpose, count: spent.append((purpose, count)), seconds=1
    )
    httpserver.expect_request("/2/users/me").respond_with_json(ME)
    yield found
    found.close()


def by_id(source: ApiMetrics, posts=POSTS) -> dict:
    return {read.tweet_id: read for read in source.read("default", posts)}


def test_counts_of_timeline_and_analytics_come_together(httpserver, source, spent) -> None:
    httpserver.expect_request("/2/users/42/tweets").respond_with_json({"data": [row(i) for i in IDS], "meta": {}})
    httpserver.expect_request("/2/tweets/analytics").respond_with_json({"data": [analytics(i) for i in IDS]})
    read = by_id(source)[IDS[0]]
    assert (read.status, read.source, read.detail) == ("ok", "x_api", "")
    assert (read.impressions, read.engagements, read.likes, read.retweets, read.replies) == (2010, 60, 30, 5, 2)
    assert (read.quotes, read.bookmarks, read.profile_visits, read.link_clicks, read.follows) == (1, 5, 11, 7, 3)
    assert dict(spent) == {"user_read": 1, "owned_read": 3, "analytics_read": 3}


def test_the_new_name_of_reposts_is_understood(httpserver, source) -> None:
    httpserver.expect_request("/2/users/42/tweets").respond_with_json(
        {"data": [row(i, repost="repost_count") for i in IDS]}
    )
    httpserver.expect_request("/2/tweets/analytics").respond_with_json({"data": []})
    assert by_id(source)[IDS[1]].retweets == 5


def test_reposts_without_their_quotes_are_unknown(httpserver, source) -> None:
    rows = [row(i) for i in IDS]
    del rows[0]["public_metrics"]["quote_count"]
    httpserver.expect_request("/2/users/42/tweets").respond_with_json({"data": rows})
    httpserver.expect_request("/2/tweets/analytics").respond_with_json({"data": []})
    reads = by_id(source)
    assert [(reads[i].retweets, reads[i].quotes, reads[i].likes) for i in IDS[:2]] == [(None, None, 30), (5, 1, 30)]


def test_without_analytics_access_follows_stay_unknown_and_it_is_asked_once(httpserver, source) -> None:
    httpserver.expect_request("/2/users/42/tweets").respond_with_json({"data": [row(i) for i in IDS]})
    httpserver.expect_request("/2/tweets/analytics").respond_with_data('{"title": "Forbidden"}', 403)
    for _ in range(2):
        read = by_id(source)[IDS[0]]
    assert (read.status, read.follows, read.profile_visits, read.detail) == ("ok", None, 11, "analytics_unavailable")
    assert sum(request.path == "/2/tweets/analytics" for request, _ in httpserver.log) == 1
    assert (source.private, source.analytics) == (True, False)


def test_without_private_access_public_counts_are_kept(httpserver, source) -> None:
    def timeline(request: Request) -> Response:
        if "non_public_metrics" in request.args["tweet.fields"]:
            return Response('{"title": "Forbidden"}', 403)
        return Response(json.dumps({"data": [row(i, private=False) for i in IDS]}), content_type="application/json")

    httpserver.expect_request("/2/users/42/tweets").respond_with_handler(timeline)
    httpserver.expect_request("/2/tweets/analytics").respond_with_data("{}", 403)
    read = by_id(source)[IDS[0]]
    assert (read.impressions, read.profile_visits, read.engagements, source.private) == (2000, None, None, False)


def test_pages_are_followed_until_all_are_found(httpserver, source) -> None:
    def timeline(request: Request) -> Response:
        second = request.args.get("pagination_token") == "next"
        assert request.args["since_id"] == str(int(IDS[0]) - 1)
        body = {
            "data": [row(IDS[0])] if second else [row(i) for i in IDS[1:]],
            "meta": {} if second else {"next_token": "next"},
        }
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request("/2/users/42/tweets").respond_with_handler(timeline)
    httpserver.expect_request("/2/tweets/analytics").respond_with_json({"data": []})
    assert {read.status for read in by_id(source).values()} == {"ok"}


def test_missing_posts_are_gone_or_locked_as_the_api_says(httpserver, source) -> None:
    httpserver.expect_request("/2/users/42/tweets").respond_with_json({"data": [row(IDS[0])]})
    errors = [
        {"resource_id": IDS[1], "title": "Not Found Error"},
        {"resource_id": IDS[2], "title": "Authorization Error"},
    ]
    httpserver.expect_request(
        "/2/tweets", query_string={"ids": f"{IDS[1]},{IDS[2]}", "tweet.fields": "created_at,public_metrics"}
    ).respond_with_json({"errors": errors})
    httpserver.expect_request("/2/tweets/analytics").respond_with_json({"data": []})
    assert [by_id(source)[i].status for i in IDS] == ["ok", "not_found", "locked"]


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (429, {"x-rate-limit-reset": "1794142800"}, "rate limited until 2026-11-08T"),
        (401, {}, "Unauthorized"),
        (402, {}, "CreditsDepleted"),
        (503, {}, "Over capacity"),
    ],
)
def test_when_the_api_refuses_every_post_is_an_error_with_the_reason(httpserver, source, status, headers, says) -> None:
    words = {401: "Unauthorized", 402: "CreditsDepleted", 503: "Over capacity"}.get(status, "Too Many Requests")
    httpserver.expect_request("/2/users/42/tweets").respond_with_data(
        json.dumps({"title": words, "detail": words}), status, headers
    )
    reads = by_id(source)
    assert {read.status for read in reads.values()} == {"error"}
    assert says in reads[IDS[0]].detail
    assert reads[IDS[0]].impressions is None


@pytest.mark.parametrize(
    "body", ["not json", "[]", '{"data": [{"id": "2119399533573050368", "public_metrics": {"like_count": "many"}}]}']
)
def test_nonsense_is_no_count(httpserver, source, body) -> None:
    httpserver.expect_request("/2/users/42/tweets").respond_with_data(body)
    httpserver.expect_request("/2/tweets/analytics").respond_with_json({"data": []})
    [read] = by_id(source, POSTS[:1]).values()
    assert read.status in ("error", "unavailable")
    assert read.likes is None


def test_keys_of_another_account_read_nothing(httpserver, source) -> None:
    reads = by_id(source, [TweetRef(IDS[0], "somebody", "x", MOMENT)])
    assert reads[IDS[0]].detail == "the keys belong to @Walker, not to @somebody"


def test_followers_are_exact(source, spent) -> None:
    read = source.followers("default", "walker")
    assert (read.followers, read.approximate, read.source) == (1234, False, "x_api")
    assert spent == [("user_read", 1)]


def test_mentions_know_who_spoke_and_how(httpserver, source) -> None:
    def mention(tweet_id: str, author: str, **extra) -> dict:
        return {"id": tweet_id, "author_id": author, "text": "a &amp; b", "created_at": "2026-11-08T12:00:00Z", **extra}

    body = {
        "data": [
            mention("1", "7"),
            mention("2", "7", in_reply_to_user_id="42"),
            mention("3", "7", referenced_tweets=[{"type": "quoted", "id": "9"}]),
            mention("4", "42"),
            mention("5", "gone"),
        ],
        "includes": {
            "users": [
                {"id": "7", "username": "friend", "public_metrics": {"followers_count": 8}},
                {"id": "42", "username": "walker"},
            ]
        },
    }
    httpserver.expect_request("/2/users/42/mentions").respond_with_json(body)
    found = source.mentions("default", "walker", MOMENT)
    assert [(m.tweet_id, m.kind, m.username, m.follower_count, m.text) for m in found] == [
        ("1", "mention", "friend", 8, "a & b"),
        ("2", "reply", "friend", 8, "a & b"),
        ("3", "quote", "friend", 8, "a & b"),
    ]
