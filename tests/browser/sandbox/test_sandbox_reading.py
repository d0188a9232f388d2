"""Reading the replica: timelines, status pages, labels and post analytics, with the traps the real site has."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.sandbox.conftest import Visit, id_of

pytestmark = pytest.mark.browser
TEXT = "A walk after lunch is like opening a window between two rooms."
ACTIVITY = "TweetActivityQuery"


def counts(visit: Visit, post_id: str) -> dict[str, Any]:
    return visit.client.recorded_metrics([post_id])["metrics"][post_id]


def test_our_newest_post_is_not_the_first_article_of_the_profile(visit: Visit) -> None:
    first = id_of(visit.send(TEXT))
    visit.forward(minutes=40)
    second = id_of(visit.send(TEXT + " Again."))
    visit.goto(f"/{visit.account}")
    articles = visit.page.locator('article[data-testid="tweet"]')
    expect(articles).to_have_count(5)
    expect(articles.nth(0).get_by_test_id("socialContext")).to_have_text("Pinned")
    expect(articles.nth(1)).to_contain_text("Ad")
    expect(articles.nth(1).locator("time")).to_have_count(0)
    expect(articles.nth(2).get_by_test_id("socialContext")).to_contain_text("reposted")
    expect(articles.nth(2).get_by_test_id("User-Name")).not_to_contain_text(visit.account)
    for number, post_id in ((3, second), (4, first)):
        expect(articles.nth(number).locator(f'a[href="/{visit.account}/status/{post_id}"] time')).to_have_count(1)
    expect(articles.nth(3).locator("time")).to_have_attribute("datetime", "2026-11-08T12:40:00.000Z")
    expect(articles.nth(3).get_by_test_id("tweetText")).to_have_text(TEXT + " Again.")


def test_replies_are_on_their_own_tab_under_their_parents(visit: Visit) -> None:
    target = visit.client.mention(visit.account, "how long did it take?", author="slow_mornings")["id"]
    reply = visit.client.recorded_post(visit.account, "About three weeks.", target)["id"]
    visit.goto(f"/{visit.account}")
    expect(visit.page.locator("article")).to_have_count(3)
    visit.goto(f"/{visit.account}/with_replies")
    expect(visit.page.locator(f'article a[href$="/status/{reply}"]').first).to_be_visible()
    links = visit.page.locator("article a:has(time)").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert links[-2:] == [f"/slow_mornings/status/{target}", f"/{visit.account}/status/{reply}"]


def test_scrolling_loads_older_posts(visit: Visit) -> None:
    for n in range(25):
        visit.client.recorded_post(visit.account, f"{TEXT} {n}")
        visit.forward(minutes=5)
    visit.goto(f"/{visit.account}")
    expect(visit.page.locator("article")).to_have_count(23)
    visit.page.mouse.wheel(0, 100_000)
    expect(visit.page.locator("article")).to_have_count(28)


def test_the_follower_count_is_the_one_of_the_account(visit: Visit) -> None:
    visit.goto(f"/{visit.account}")
    link = visit.page.locator(f'a[href="/{visit.account}/verified_followers"]')
    expect(link).to_have_text(re.compile(r"^1,2\d\d Followers$"))
    visit.client.create_account(f"{visit.account}B", followers=12_345)
    visit.goto(f"/{visit.account}B")
    expect(visit.page.locator('a[href$="/verified_followers"]')).to_have_text("12.3K Followers")


def test_the_group_label_has_raw_numbers_and_leaves_zeros_out(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.goto(f"/{visit.account}/status/{post_id}")
    group = visit.article(post_id).locator("[role=group]")
    expect(group).to_have_count(1)
    assert group.get_attribute("aria-label") is None  # nobody has seen it yet
    expect(group.get_by_test_id("reply")).to_have_attribute("aria-label", "0 Replies. Reply")
    visit.forward(days=1)
    visit.goto(f"/{visit.account}/status/{post_id}")
    true = counts(visit, post_id)
    shown = [
        (true["replies"], "reply", "replies"),
        (true["retweets"] + true["quotes"], "repost", "reposts"),
        (true["likes"], "like", "likes"),
        (true["bookmarks"], "bookmark", "bookmarks"),
        (true["impressions"], "view", "views"),
    ]
    label = ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in shown if n)
    expect(group).to_have_attribute("aria-label", label)
    likes = f"{true['likes']} {'Like' if true['likes'] == 1 else 'Likes'}. Like"
    expect(group.get_by_test_id("like")).to_have_attribute("aria-label", likes)
    expect(group.locator('a[href$="/analytics"]')).to_have_attribute(
        "aria-label", f"{true['impressions']} views. View post analytics"
    )


def test_a_replys_parent_comes_first_on_its_page(visit: Visit) -> None:
    parent = id_of(visit.send(TEXT))
    child = visit.client.recorded_post(visit.account, "And it costs nothing.", parent)["id"]
    visit.goto(f"/i/status/{child}")
    articles = visit.page.locator('article[data-testid="tweet"]')
    expect(articles).to_have_count(2)
    expect(articles.nth(0).locator(f'a[href$="/status/{parent}"]')).to_have_count(1)
    expect(articles.nth(1).locator(f'a[href$="/status/{child}"]')).to_have_count(1)
    expect(visit.page).to_have_url(f"{visit.handle.url}/{visit.account}/status/{child}")


def test_a_deleted_post_and_a_tombstone_look_different(visit: Visit) -> None:
    gone, hidden = id_of(visit.send(TEXT)), id_of(visit.send(TEXT + " Again."))
    visit.client.delete_post(gone)
    visit.client.delete_post(hidden, tombstone=True)
    visit.goto(f"/{visit.account}/status/{gone}")
    expect(visit.page.get_by_test_id("error-detail")).to_contain_text(
        "this page doesn\u2019t exist. Try searching for something else."
    )
    visit.goto(f"/{visit.account}/status/{hidden}")
    expect(visit.page.get_by_text("This post is unavailable.")).to_be_visible()
    visit.goto(f"/{visit.account}/status/not-a-number")
    expect(visit.page.get_by_test_id("error-detail")).to_be_visible()
    visit.goto("/nobody_here")
    expect(visit.page.get_by_test_id("error-detail")).to_contain_text("This account doesn\u2019t exist")


def analytics(visit: Visit, post_id: str) -> tuple[dict[str, str], dict[str, int]]:
    """(what the dialog shows at rest, what the query answered)."""
    with visit.page.expect_response(lambda r: ACTIVITY in r.url) as answer:
        visit.goto(f"/{visit.account}/status/{post_id}/analytics")
    grid = answer.value.json()["data"]["tweet_result_by_rest_id"]["result"]["organic_metrics_total"]["datapoints_grid"]
    dialog = visit.page.locator("[role=dialog]")
    impressions = (
        dialog.locator(".metric").filter(has_text="Impressions").get_by_test_id("app-text-transition-container")
    )
    expect(impressions).not_to_have_text("0")
    rows = dialog.locator(".metric").evaluate_all(
        "(rows) => rows.map((row) => [row.firstChild.textContent, row.lastChild.textContent])"
    )
    return dict(rows), {point["metric_type"]: point["metric_value"] for point in grid}


def test_analytics_show_what_the_query_says_and_follows_only_there(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.forward(days=1)
    shown, told = analytics(visit, post_id)
    true = counts(visit, post_id)
    assert list(shown) == ["Impressions", "Engagements", "Detail expands", "Profile visits"]
    assert shown["Impressions"] == f"{true['impressions']:,}"
    assert told == {
        "Impressions": true["impressions"],
        "Engagements": true["engagements"],
        "DetailExpands": true["detail_expands"],
        "ProfileVisits": true["profile_visits"],
        "Follows": true["follows"],
    }
    visit.page.get_by_role("heading", name="Post Analytics").wait_for()


def test_link_clicks_are_drawn_only_for_a_post_with_a_link(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT + " https://example.com/a/long/path/to/an/article"))
    visit.forward(days=1)
    shown, told = analytics(visit, post_id)
    assert "Link clicks" in shown
    assert "LinkClicks" in told
    link = visit.article(post_id).locator('[data-testid="tweetText"] a')
    expect(link).to_have_text("example.com/a/long/path/to\u2026")
    expect(link).to_have_attribute("href", re.compile(r"^https://t\.co/"))


def test_numbers_are_drawn_as_zero_before_they_roll_to_their_value(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.forward(days=1)
    visit.page.add_init_script("""
        window.seen = [];
        new MutationObserver(() => {
          for (const row of document.querySelectorAll('.metric')) window.seen.push(row.lastChild.textContent);
        }).observe(document, {childList: true, subtree: true, characterData: true});
    """)
    shown, _ = analytics(visit, post_id)
    seen = visit.page.evaluate("window.seen")
    assert seen[0] == "0"
    assert seen[-4:] == list(shown.values())


def test_large_numbers_lose_their_digits(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.forward(days=1)

    def enlarge(route: Any) -> None:
        answer = route.fetch().json()
        grid = answer["data"]["tweet_result_by_rest_id"]["result"]["organic_metrics_total"]["datapoints_grid"]
        for point in grid:
            point["metric_value"] = {"Impressions": 123_456, "Engagements": 99_999}.get(point["metric_type"], 1_234_567)
        route.fulfill(body=json.dumps(answer), content_type="application/json")

    visit.page.route(f"**/{ACTIVITY}*", enlarge)
    shown, _ = analytics(visit, post_id)
    assert list(shown.values()) == ["123K", "99,999", "1M", "1M"]


def test_a_fresh_post_has_no_analytics_yet(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.goto(f"/{visit.account}/status/{post_id}/analytics")
    expect(visit.page.get_by_text("Nothing to see here - yet")).to_be_visible()


def test_analytics_of_others_are_a_sheet_with_views(visit: Visit) -> None:
    target = visit.client.mention(visit.account, "how long did it take?", author="slow_mornings")["id"]
    visit.goto(f"/slow_mornings/status/{target}/analytics")
    expect(visit.page.get_by_text("Times this post was seen.")).to_be_visible()
    visit.page.get_by_role("button", name="Dismiss").click()
    expect(visit.page.locator("[role=dialog]")).to_have_count(0)


def test_mentions_and_quotes_are_listed_newest_first(visit: Visit) -> None:
    ours = id_of(visit.send(TEXT))
    old = visit.client.mention(visit.account, "how long did it take?", minutes_ago=30)["id"]
    new = visit.client.mention(
        visit.account, "This is the kind of small I can manage.", kind="quote", about_post=int(ours)
    )["id"]
    visit.goto("/notifications/mentions")
    articles = visit.page.locator('article[data-testid="tweet"]')
    expect(articles).to_have_count(2)
    expect(articles.nth(0).locator(f'a[href$="/status/{new}"] time')).to_have_count(1)
    expect(articles.nth(0)).to_contain_text(TEXT)  # the quoted post of ours
    expect(articles.nth(1).locator(f'a[href$="/status/{old}"] time')).to_have_count(1)
    expect(articles.nth(1).get_by_test_id("tweetText")).to_have_text(f"@{visit.account} how long did it take?")


def test_emoji_are_pictures_with_their_character_as_alternative_text(visit: Visit) -> None:
    post_id = id_of(visit.send("Sun \u2600\ufe0f and tea \U0001f375."))
    visit.goto(f"/i/status/{post_id}")
    text = visit.article(post_id).get_by_test_id("tweetText")
    expect(text.locator("img")).to_have_count(2)
    assert text.locator("img").evaluate_all("(all) => all.map((img) => img.alt)") == ["\u2600\ufe0f", "\U0001f375"]
    assert text.inner_text().split() == ["Sun", "and", "tea", "."]


@pytest.mark.parametrize(
    ("lang", "words"),
    [("de", "Mal angezeigt"), ("ja", "件の表示"), ("fr", "vues"), ("pt", "visualizações"), ("es", "reproducciones")],
)
def test_another_language_keeps_plain_integers_in_its_labels(visit: Visit, lang: str, words: str) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.forward(days=1)
    visit.client.set_fault("locale", lang=lang)
    visit.goto(f"/i/status/{post_id}")
    group = visit.article(post_id).locator("[role=group]")
    views = counts(visit, post_id)["impressions"]
    expect(group).to_have_attribute("aria-label", re.compile(rf"\b{views} ?{words}$"))
    assert visit.page.locator("html").get_attribute("lang") == lang
