"""Incident 5: metrics null, zero or another post's (164 commits). Null is not zero; a read belongs to its own permalink."""

from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer

from tests.measuring_world import host, only, quick, reader  # noqa: F401
from tests.pages import OTHER_ID, OWN, PARENT_ID, POST_ID, STRANGER, ZERO, activity, article, asks_for, dialog, page
from xbot_dagster.x.browser.metrics import BrowserMetrics
from xbot_dagster.x.protocols import MetricRead, TweetRef

pytestmark = pytest.mark.browser
POST = TweetRef(POST_ID, OWN, "Sleep well", datetime(2026, 11, 8, 12, tzinfo=UTC))
STATUS, ANALYTICS = f"/{OWN}/status/{POST_ID}", f"/{OWN}/status/{POST_ID}/analytics"
GRAPHQL = "/i/api/graphql/abc123/TweetActivityQuery"
FIGURES = {"Impressions": 41600, "Engagements": 400, "ProfileVisits": 31, "LinkClicks": 12, "Follows": 5}
ZERO_VIEWS = "View post analytics"


def serve(httpserver: HTTPServer, analytics: str, status: str | None = None, call: str | None = None) -> None:
    httpserver.expect_request(ANALYTICS).respond_with_data(analytics, content_type="text/html; charset=utf-8")
    httpserver.expect_request(STATUS).respond_with_data(
        status or page(article(POST_ID)), content_type="text/html; charset=utf-8"
    )
    if call is not None:
        httpserver.expect_request(GRAPHQL).respond_with_data(call, content_type="application/json")


def read(reader: BrowserMetrics) -> MetricRead:  # noqa: F811
    return only(reader.read("default", [POST]))


def unknown(found: MetricRead) -> bool:
    counts = (
        found.impressions,
        found.likes,
        found.retweets,
        found.replies,
        found.bookmarks,
        found.follows,
        found.profile_visits,
    )
    return counts == (None,) * len(counts)


def test_the_call_is_read_and_the_label_for_what_everybody_sees(httpserver, reader) -> None:  # noqa: F811
    serve(httpserver, page(article(POST_ID), script=asks_for(POST_ID)), call=activity(POST_ID, **FIGURES))
    found = read(reader)
    assert (found.status, found.detail, found.approximate) == ("ok", "", ())
    assert (found.impressions, found.engagements, found.follows, found.profile_visits, found.link_clicks) == (
        41600,
        400,
        5,
        31,
        12,
    )
    assert (found.replies, found.retweets, found.likes, found.bookmarks) == (4, 6, 143, 9)


def test_a_reply_is_not_its_parent_nor_a_recommended_post(httpserver, reader) -> None:  # noqa: F811
    loud = "900 replies, 800 reposts, 20000 likes, 900000 views"
    around = article(PARENT_ID, STRANGER, label=loud) + article(POST_ID) + article(OTHER_ID, STRANGER, label=loud)
    serve(httpserver, page(around, script=asks_for(POST_ID)), page(around), activity(POST_ID, **FIGURES))
    assert read(reader).likes == 143


def test_a_page_with_strangers_only_gives_nothing(httpserver, reader, quick) -> None:  # noqa: F811
    strangers = page(article(PARENT_ID, STRANGER) + article(OTHER_ID, STRANGER))
    serve(httpserver, strangers, strangers)
    found = read(reader)
    assert found.status == "unavailable"
    assert unknown(found)


@pytest.mark.parametrize("about", [OTHER_ID, None])
def test_the_answer_about_another_post_is_not_ours(httpserver, reader, quick, about) -> None:  # noqa: F811
    """Asked for another post by the page itself, or answered for another one."""
    asked = POST_ID if about else OTHER_ID
    serve(httpserver, page(article(POST_ID), script=asks_for(asked)), call=activity(about, **FIGURES))
    found = read(reader)
    assert (found.follows, found.impressions, found.detail) == (None, 41589, "analytics_unavailable")


def test_counts_left_out_of_the_label_are_zero_when_the_buttons_are_there(httpserver, reader) -> None:  # noqa: F811
    own = article(POST_ID, label="3 likes", buttons={**ZERO, "like": "3 Likes. Like"}, views=ZERO_VIEWS)
    serve(httpserver, page(own, script=asks_for(POST_ID)), call=activity(POST_ID, Impressions=12, Engagements=3))
    found = read(reader)
    assert (found.likes, found.replies, found.retweets, found.bookmarks, found.impressions) == (3, 0, 0, 0, 12)
    assert (found.follows, found.profile_visits) == (None, None)


def test_without_the_group_nothing_is_zero(httpserver, reader) -> None:  # noqa: F811
    bare = page(article(POST_ID, group=False), script=asks_for(POST_ID))
    serve(httpserver, bare, bare, activity(POST_ID, Impressions=12))
    found = read(reader)
    assert (found.impressions, found.likes, found.replies, found.retweets, found.bookmarks) == (
        12,
        None,
        None,
        None,
        None,
    )


def test_a_missing_button_leaves_what_it_would_count_unknown(httpserver, reader) -> None:  # noqa: F811
    buttons = {"reply": "Reply", "retweet": "Repost", "like": "Like"}
    own = page(article(POST_ID, label="3 likes", buttons=buttons, views=None), script=asks_for(POST_ID))
    serve(httpserver, own, own, activity(POST_ID, Impressions=12))
    found = read(reader)
    assert (found.likes, found.replies, found.bookmarks) == (3, None, None)


def test_rounded_numbers_are_marked_and_not_taken_for_zero(httpserver, reader) -> None:  # noqa: F811
    """A site that drops its labels still draws 1.2K on the buttons."""
    buttons = {"reply": "Reply", "retweet": "Repost", "like": "Like", "bookmark": "Bookmark"}
    own = page(article(POST_ID, label=None, buttons=buttons, views=ZERO_VIEWS, drawn="1.2K"), script=asks_for(POST_ID))
    serve(httpserver, own, own, activity(POST_ID, Impressions=99_000))
    found = read(reader)
    assert (found.likes, found.replies, found.impressions) == (1200, 1200, 99_000)
    assert found.approximate == ("bookmarks", "likes", "replies", "retweets")


def test_a_dialog_that_counts_up_from_zero_is_read_when_it_stands_still(httpserver, reader) -> None:  # noqa: F811
    """No call to listen to: the rows are drawn as 0 and grow for a while."""
    rows = dialog({"Impressions": "0", "Engagements": "0", "Profile visits": "0", "Link clicks": "0"})
    grow = """
      const cells = [...document.querySelectorAll('[role=dialog] [data-testid=app-text-transition-container]')];
      const values = ['123K', '12,345', '31', '7']; let step = 0;
      const timer = setInterval(() => { step += 1;
        cells.forEach((cell, i) => { cell.textContent = step < 12 ? String(step * 10) : values[i]; });
        if (step === 12) clearInterval(timer); }, 100);"""
    serve(httpserver, page(article(POST_ID) + rows, script=grow))
    found = read(reader)
    assert (found.impressions, found.engagements, found.profile_visits, found.link_clicks) == (123_000, 12_345, 31, 7)
    assert found.approximate == ("impressions",)
    assert (found.follows, found.likes) == (None, 143)


def test_zeros_of_a_young_post_are_not_ready_yet(httpserver, reader) -> None:  # noqa: F811
    young = page(
        article(POST_ID, label=None, buttons=ZERO, views=ZERO_VIEWS)
        + '<div role="dialog"><span>Nothing to see here - yet</span></div>',
        script=asks_for(POST_ID),
    )
    serve(httpserver, young, call=activity(POST_ID, Impressions=0, Engagements=0, Follows=0))
    found = read(reader)
    assert found.status == "not_ready"
    assert unknown(found)


def test_analytics_that_fail_leave_the_public_counts(httpserver, reader) -> None:  # noqa: F811
    refused = '<div role="dialog"><div>Something went wrong</div><div>Please try again later.</div></div>'
    serve(httpserver, page(article(POST_ID) + refused))
    found = read(reader)
    assert (found.status, found.detail, found.likes, found.impressions, found.follows) == (
        "ok",
        "analytics_unavailable",
        143,
        41589,
        None,
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (
            '<div data-testid="error-detail"><span>Hmm...this page doesn\u2019t exist. Try searching for something else.</span></div>',
            "not_found",
        ),
        ("<article><span>This post is unavailable.</span></article>", "not_found"),
        ("<div><span>These posts are protected</span></div>", "locked"),
    ],
)
def test_gone_and_protected_posts_have_no_counts(httpserver, reader, body, status) -> None:  # noqa: F811
    serve(httpserver, page(body), page(body))
    found = read(reader)
    assert found.status == status
    assert unknown(found)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('<div data-testid="twc-cc-mask">Cookies?</div>', "consent"),
        ('<button data-testid="loginButton">Sign in</button>', "expired"),
        ("<div><span>Your account has been locked.</span></div>", "challenge"),
        (
            "<div role='alert'>Sorry, you are rate limited. Please wait a few moments then try again.</div>",
            "rate_limited",
        ),
    ],
)
def test_a_wall_is_an_error_of_the_session_and_says_nothing_about_the_post(httpserver, reader, body, detail) -> None:  # noqa: F811
    serve(httpserver, page(body), page(body))
    found = read(reader)
    assert found.status == "error"
    assert found.detail.startswith(detail)
    assert unknown(found)


def test_a_redirect_to_the_login_is_the_same_wall(httpserver, reader) -> None:  # noqa: F811
    httpserver.expect_request(ANALYTICS).respond_with_data("", 302, {"Location": "/i/flow/login"})
    httpserver.expect_request("/i/flow/login").respond_with_data(page("<h1>Sign in</h1>"), content_type="text/html")
    assert read(reader).detail.startswith("expired")


def test_our_own_words_about_errors_are_not_errors(httpserver, reader) -> None:  # noqa: F811
    own = article(POST_ID, words="Sorry, you are rate limited. Please wait a few moments then try again.")
    serve(httpserver, page(own, script=asks_for(POST_ID)), call=activity(POST_ID, **FIGURES))
    assert read(reader).status == "ok"


def test_in_another_language_only_positions_are_trusted(httpserver, reader) -> None:  # noqa: F811
    buttons = {
        "reply": "4 Antworten. Antworten",
        "retweet": "6 Reposts. Repost",
        "like": "143 \u201eGef\u00e4llt mir\u201c-Angaben. Gef\u00e4llt mir",
        "bookmark": "Lesezeichen",
    }
    own = article(
        POST_ID,
        label="4 Antworten, 6 Reposts, 143 Angaben",
        buttons=buttons,
        views="41589 Mal angezeigt. Analysen",
        drawn="1,2 Tsd.",
    )
    serve(httpserver, page(own, lang="de", script=asks_for(POST_ID)), call=activity(POST_ID, **FIGURES))
    found = read(reader)
    assert (found.replies, found.retweets, found.likes, found.bookmarks) == (4, 6, 143, None)
    assert (found.impressions, found.follows) == (41600, 5)


def test_in_another_language_drawn_numbers_are_not_guessed(httpserver, reader, quick) -> None:  # noqa: F811
    buttons = {"reply": "Antworten", "retweet": "Repost", "like": "Gef\u00e4llt mir", "bookmark": "Lesezeichen"}
    own = page(article(POST_ID, label="1.234 Mal", buttons=buttons, views="Analysen", drawn="1.234"), lang="de")
    serve(httpserver, own, own)
    found = read(reader)
    assert found.status == "unsupported_locale"
    assert unknown(found)
