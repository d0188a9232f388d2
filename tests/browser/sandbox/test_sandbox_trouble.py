"""Everything that can go wrong at the real site, by name: walls, lost answers, crashes, covers, stale and lagging pages."""

import re

import pytest
from playwright.sync_api import Error, TimeoutError, expect

from tests.browser.sandbox.conftest import Visit, id_of, is_create

pytestmark = pytest.mark.browser
TEXT = "Write the title last, when you know what the note says."
GENERIC = "Something went wrong. Try sending your post again in a minute."


def click_send(visit: Visit, text: str = TEXT) -> None:
    composer = visit.compose()
    composer.editor().fill(text)
    composer.button.click()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (186, "The text of your post exceeds the maximum allowed limit."),
        (187, "Whoops! You already said that."),
        (226, GENERIC),
        (344, "You are over the daily limit for sending posts."),
        (433, GENERIC),
        (64, "Your account is suspended and is not permitted to send posts."),
        (88, "Sorry, you are rate limited. Please wait a few moments then try again."),
    ],
)
def test_a_refusal_is_said_in_the_words_of_the_site(visit: Visit, code: int, said: str) -> None:
    visit.client.set_fault(f"reject_{code}")
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with visit.page.expect_response(is_create) as answer:
        composer.button.click()
    assert answer.value.status == (429 if code == 88 else 200)
    assert answer.value.json()["errors"][0]["code"] == code
    assert answer.value.headers.get("x-rate-limit-remaining") == ("0" if code == 88 else None)
    expect(visit.toast()).to_contain_text(said)
    expect(composer.button).to_be_enabled()
    assert visit.live() == []


def test_code_326_leads_to_the_locked_page(visit: Visit) -> None:
    visit.client.set_fault("reject_326")
    click_send(visit)
    expect(visit.page).to_have_url(f"{visit.handle.url}/account/access")
    expect(visit.page.get_by_text("Your account has been locked.")).to_be_visible()


@pytest.mark.parametrize(("fault", "live"), [("accept_drop_response", 1), ("drop_request", 0)])
def test_a_lost_answer_looks_the_same_whether_the_post_is_live_or_not(visit: Visit, fault: str, live: int) -> None:
    visit.client.set_fault(fault)
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with visit.page.expect_event("requestfailed", lambda request: "CreateTweet" in request.url):
        composer.button.click()
    expect(visit.toast()).to_contain_text(GENERIC)
    assert len(visit.live()) == live
    assert visit.client.submits(visit.account)["count"] == 1  # the browser's own second try is swallowed as well


def test_a_slow_answer_comes_after_the_post_is_live(visit: Visit) -> None:
    visit.client.set_fault("accept_slow", seconds=1.5)
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with pytest.raises(TimeoutError), visit.page.expect_response(is_create, timeout=500):
        composer.button.click()
    assert len(visit.live()) == 1
    expect(visit.toast()).to_contain_text("Your post was sent.")


def test_a_hanging_answer_never_comes(visit: Visit) -> None:
    visit.client.set_fault("accept_drop_response", mode="hang")
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with pytest.raises(TimeoutError), visit.page.expect_response(is_create, timeout=800):
        composer.button.click()
    assert len(visit.live()) == 1
    expect(visit.toast()).to_have_count(0)


def test_an_empty_result_is_praised_although_nothing_is_live(visit: Visit) -> None:
    visit.client.set_fault("empty_result")
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with visit.page.expect_response(is_create) as answer:
        composer.button.click()
    assert answer.value.json() == {"data": {"create_tweet": {"tweet_results": {}}}}
    expect(visit.toast()).to_contain_text("Your post was sent.")
    expect(visit.toast().get_by_role("link")).to_have_count(0)
    assert visit.live() == []


@pytest.mark.parametrize("accepted", [True, False])
def test_the_page_can_crash_after_the_click(visit: Visit, accepted: bool) -> None:
    visit.client.set_fault("crash_after_click", accepted=accepted)
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with visit.page.expect_event("crash"):
        composer.button.click()
    assert len(visit.live()) == int(accepted)
    with pytest.raises(Error, match="crashed"):
        visit.page.evaluate("1")


def test_a_session_can_end_between_loading_and_clicking(visit: Visit) -> None:
    visit.client.set_fault("session_expiry_after_load")
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with visit.page.expect_response(is_create) as answer:
        composer.button.click()
    assert answer.value.status == 401
    assert visit.live() == []
    visit.goto("/home")
    assert "/i/flow/login" in visit.page.url
    visit.context.clear_cookies()
    visit.context.add_cookies(visit.client.storage_state(visit.account)["cookies"])  # the operator signs in again
    visit.send(TEXT)
    assert len(visit.live()) == 1


@pytest.mark.parametrize("path", ["/home", "/compose/post", "/{me}", "/notifications/mentions", "/i/status/1", "/"])
def test_without_a_session_every_page_leads_to_the_login(visit: Visit, path: str) -> None:
    visit.context.clear_cookies()
    visit.goto(path.format(me=visit.account))
    assert "/i/flow/login" in visit.page.url
    expect(visit.page.get_by_test_id("loginButton")).to_be_visible()


def test_a_session_needs_both_cookies(visit: Visit) -> None:
    visit.context.clear_cookies(name="ct0")
    visit.goto("/home")
    assert "/i/flow/login" in visit.page.url


def test_the_signed_in_account_is_named_by_the_page(visit: Visit) -> None:
    visit.goto("/home")
    expect(visit.page.get_by_test_id("AppTabBar_Profile_Link")).to_have_attribute("href", f"/{visit.account}")
    expect(visit.page.get_by_test_id("SideNav_AccountSwitcher_Button")).to_contain_text(f"@{visit.account}")


def test_a_locked_account_sees_only_the_lock(visit: Visit) -> None:
    visit.client.set_fault("locked", handle=visit.account)
    visit.goto("/compose/post")
    expect(visit.page).to_have_url(f"{visit.handle.url}/account/access")
    visit.client.clear_faults("locked")
    visit.goto("/home")
    expect(visit.page).to_have_url(f"{visit.handle.url}/home")


def test_a_suspended_account_is_told_so_and_cannot_post(visit: Visit) -> None:
    visit.client.set_fault("suspended", handle=visit.account)
    visit.goto("/home")
    expect(visit.page.get_by_role("alert")).to_contain_text("Your account is suspended")
    visit.goto(f"/{visit.account}")
    expect(visit.page.get_by_text("Account suspended", exact=True)).to_be_visible()
    click_send(visit)
    expect(visit.toast()).to_contain_text("is not permitted to send posts")
    assert visit.live() == []


def test_a_consent_wall_stands_before_every_page_until_it_is_taken_away(visit: Visit) -> None:
    visit.client.set_fault("consent")
    for path in ("/home", f"/{visit.account}"):
        visit.goto(path)
        expect(visit.page.get_by_test_id("twc-cc-mask")).to_be_visible()
    visit.client.clear_faults("consent")
    visit.goto("/home")
    visit.page.get_by_test_id("primaryColumn").wait_for()
    expect(visit.page.get_by_test_id("twc-cc-mask")).to_have_count(0)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("got_it", '[data-testid="sheetDialog"] button'),
        ("confirmation", '[data-testid="confirmationSheetCancel"]'),
        ("consent_mask", '[data-testid="BottomBar"] button:last-of-type'),
    ],
)
def test_a_cover_takes_the_click_until_it_is_closed(visit: Visit, kind: str, remedy: str) -> None:
    visit.client.set_fault("overlay", kind=kind)
    composer = visit.compose()
    composer.editor().fill(TEXT)
    with pytest.raises(TimeoutError):
        composer.button.click(timeout=700)
    assert visit.live() == []
    visit.page.locator(remedy).click()
    with visit.page.expect_response(is_create):
        composer.button.click()
    assert len(visit.live()) == 1


def test_an_old_toast_may_still_be_there(visit: Visit) -> None:
    visit.client.set_fault("stale_toast")
    visit.goto("/compose/post")
    pinned = visit.client.account(visit.account)["pinned_id"]
    expect(visit.toast()).to_contain_text("Your post was sent.")
    expect(visit.toast().get_by_role("link")).to_have_attribute("href", f"/{visit.account}/status/{pinned}")
    assert visit.live() == []


def test_the_timeline_can_lag_behind_the_acceptance(visit: Visit) -> None:
    visit.client.set_fault("timeline_lag", seconds=60)
    post_id = id_of(visit.send(TEXT))
    mine = visit.page.locator(f'article a[href$="/status/{post_id}"]')
    visit.goto(f"/{visit.account}")
    expect(visit.page.locator("article")).to_have_count(3)
    expect(mine).to_have_count(0)
    visit.forward(seconds=61)
    visit.goto(f"/{visit.account}")
    expect(visit.page.locator("article")).to_have_count(4)


def test_reads_can_be_rate_limited_and_recover(visit: Visit) -> None:
    visit.client.set_fault(
        "read_429", count=1, skip=1
    )  # the first read of a profile is the account, the second its posts
    visit.goto(f"/{visit.account}")
    expect(visit.page.get_by_text("Sorry, you are rate limited.")).to_be_visible()
    visit.page.get_by_role("button", name="Retry").click()
    expect(visit.page.locator("article")).to_have_count(3)


def test_counts_can_fall_for_one_read(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.forward(days=1)
    views = visit.client.recorded_metrics([post_id])["metrics"][post_id]["impressions"]
    visit.client.set_fault("count_regression", factor=0.5)
    link = visit.article(post_id).locator('a[href$="/analytics"]')
    for expected in (int(views * 0.5), views):
        visit.goto(f"/i/status/{post_id}")
        expect(link).to_have_attribute("aria-label", f"{expected} views. View post analytics")


def test_analytics_can_be_unavailable_while_public_counts_stay(visit: Visit) -> None:
    post_id = id_of(visit.send(TEXT))
    visit.forward(days=1)
    visit.client.set_fault("analytics_unavailable")
    visit.goto(f"/{visit.account}/status/{post_id}/analytics")
    expect(visit.page.get_by_role("dialog").get_by_text("Please try again later.")).to_be_visible()
    expect(visit.article(post_id).locator("[role=group]")).to_have_attribute(
        "aria-label", ends_with_views(visit, post_id)
    )
    visit.client.clear_faults("analytics_unavailable")
    visit.page.get_by_role("button", name="Retry").click()
    expect(visit.page.get_by_role("dialog").get_by_text("Impressions")).to_be_visible()


def ends_with_views(visit: Visit, post_id: str) -> re.Pattern[str]:
    return re.compile(rf"{visit.client.recorded_metrics([post_id])['metrics'][post_id]['impressions']} views$")


def test_a_page_may_stay_an_empty_shell_for_a_while_or_for_good(visit: Visit) -> None:
    visit.client.set_fault("late_hydration", ms=2500)
    visit.goto("/compose/post")
    assert visit.page.locator("[data-testid]").count() == 0
    expect(visit.dialog().editor()).to_be_visible()
    visit.client.clear_faults()
    visit.client.set_fault("shell_only")
    visit.goto("/home")
    expect(visit.page.get_by_text("Something went wrong, but don\u2019t fret")).to_be_visible()
    expect(visit.page.locator("[data-testid]")).to_have_count(0)


def test_the_reply_composer_may_never_finish_loading(visit: Visit) -> None:
    target = visit.client.mention(visit.account, "how long did it take?")["id"]
    visit.client.set_fault("reply_composer_stuck")
    visit.goto(f"/compose/post?in_reply_to={target}")
    expect(visit.page.locator("[role=dialog] [role=progressbar]")).to_be_visible()
    expect(visit.page.locator("[role=dialog]").get_by_test_id("tweetTextarea_0")).to_have_count(0)
    composer = visit.compose(f"/compose/post?in_reply_to={target}")
    expect(composer.editor()).to_be_visible()
