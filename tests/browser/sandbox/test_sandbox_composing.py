"""Posting on the replica with a real Chromium: the editor, the two composers, threads, replies, toasts."""

import pytest
from playwright.sync_api import expect

from tests.browser.sandbox.conftest import Visit, id_of, is_create

pytestmark = pytest.mark.browser
TEXT = "Pick one wake-up time and keep it for two weeks, Saturdays included."


def test_a_post_goes_from_the_dialog_to_the_ledger_and_the_timeline(visit: Visit) -> None:
    answer = visit.send(TEXT)
    [post] = visit.live()
    assert id_of(answer) == post["id"]
    assert answer["data"]["create_tweet"]["tweet_results"]["result"]["legacy"]["full_text"] == post["text"] == TEXT
    expect(visit.toast()).to_contain_text("Your post was sent.")
    expect(visit.toast().get_by_role("link")).to_have_attribute("href", f"/{visit.account}/status/{post['id']}")
    expect(visit.page.locator("[role=dialog]")).to_have_count(0)
    assert visit.page.url.endswith("/home")


def test_the_toast_goes_after_a_while_and_there_is_only_one(visit: Visit) -> None:
    visit.send(TEXT)
    expect(visit.toast()).to_have_count(1)
    expect(visit.toast()).to_have_count(0, timeout=8000)


def test_the_page_holds_two_editors_and_two_buttons(visit: Visit) -> None:
    composer = visit.compose()
    expect(visit.page.get_by_test_id("tweetTextarea_0")).to_have_count(2)
    expect(composer.editor()).to_have_count(1)
    expect(visit.page.get_by_test_id("tweetButtonInline")).to_have_count(1)
    expect(composer.button).to_have_count(1)
    expect(composer.editor()).to_have_attribute("contenteditable", "true")
    expect(composer.editor()).to_have_attribute("role", "textbox")
    expect(composer.box.get_by_role("textbox", name="Post text")).to_have_count(1)


def test_setting_the_text_by_script_does_not_enable_the_button(visit: Visit) -> None:
    composer = visit.compose()
    expect(composer.button).to_be_disabled()
    expect(composer.button).to_have_attribute("aria-disabled", "true")
    composer.editor().evaluate(
        "(e) => { e.innerText = 'by script'; e.dispatchEvent(new InputEvent('input', {bubbles: true})); }"
    )
    expect(composer.button).to_be_disabled()
    composer.editor().fill(TEXT)
    expect(composer.button).to_be_enabled()
    composer.editor().fill("")
    expect(composer.button).to_be_disabled()


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * 280, True),
        ("x" * 281, False),
        ("\u65e5" * 140, True),
        ("\u65e5" * 141, False),
        ("y" * 256 + " https://example.com/" + "z" * 80, True),
        ("y" * 257 + " https://example.com/" + "z" * 80, False),
        ("x" * 278 + "\U0001f468\u200d\U0001f469\u200d\U0001f467", True),
        ("   ", False),
    ],
)
def test_the_button_follows_the_weighted_length(visit: Visit, text: str, fits: bool) -> None:
    composer = visit.compose()
    composer.editor().fill(text)
    expect(composer.button).to_be_enabled() if fits else expect(composer.button).to_be_disabled()


@pytest.mark.parametrize("typed", ["fill", "insert_text", "type"])
def test_lines_arrive_as_they_were_typed(visit: Visit, typed: str) -> None:
    text = "A list:\n\n\u2610 one\n\u2610 two\n\nDone \u2600\ufe0f"
    composer = visit.compose()
    if typed == "fill":
        composer.editor().fill(text)
    else:
        composer.editor().click()
        visit.page.keyboard.insert_text(text) if typed == "insert_text" else visit.page.keyboard.type(text)
    with visit.page.expect_response(is_create):
        composer.button.click()
    [post] = visit.live()
    assert post["text"] == text


def test_the_inline_composer_of_home_posts_too(visit: Visit) -> None:
    visit.goto("/home")
    visit.page.get_by_test_id("tweetTextarea_0").fill(TEXT)
    with visit.page.expect_response(is_create):
        visit.page.get_by_test_id("tweetButtonInline").click()
    assert [post["text"] for post in visit.live()] == [TEXT]


def test_the_side_button_opens_the_dialog(visit: Visit) -> None:
    visit.goto("/home")
    visit.page.get_by_test_id("SideNav_NewTweet_Button").click()
    expect(visit.dialog().editor()).to_be_focused()
    assert visit.page.url.endswith("/compose/post")
    visit.page.get_by_test_id("app-bar-close").click()
    expect(visit.page.locator("[role=dialog]")).to_have_count(0)


def test_a_thread_is_one_request_a_part_and_hangs_together(visit: Visit) -> None:
    composer = visit.compose()
    composer.editor(0).fill("Part one.")
    expect(composer.button).to_have_text("Post")
    for number, text in ((1, "Part two."), (2, "Part three.")):
        composer.box.get_by_test_id("addButton").click()
        expect(composer.button).to_be_disabled()
        composer.editor(number).fill(text)
    expect(composer.button).to_have_text("Post all")
    requests: list[str] = []
    visit.page.on("request", lambda request: requests.append(request.url) if "CreateTweet" in request.url else None)
    composer.button.click()
    expect(visit.toast()).to_contain_text("Your posts were sent.")
    assert len(requests) == 3
    first, second, third = visit.live()
    assert [post["in_reply_to"] for post in (first, second, third)] == [None, first["id"], second["id"]]
    expect(visit.toast().get_by_role("link")).to_have_attribute("href", f"/{visit.account}/status/{first['id']}")


@pytest.mark.parametrize("way", ["address", "button", "inline"])
def test_a_reply_goes_under_its_target(visit: Visit, way: str) -> None:
    target = visit.client.mention(visit.account, "how long did it take?", author="slow_mornings")["id"]
    if way == "inline":
        visit.goto(f"/i/status/{target}")
        visit.page.get_by_test_id("tweetTextarea_0").fill("About three weeks.")
        send = visit.page.get_by_test_id("tweetButtonInline")
    else:
        if way == "button":
            visit.goto(f"/i/status/{target}")
            visit.page.locator("article").filter(has=visit.page.locator(f'a[href$="/status/{target}"]')).get_by_test_id(
                "reply"
            ).click()
        else:
            visit.goto(f"/compose/post?in_reply_to={target}")
        composer = visit.dialog()
        composer.editor().fill("About three weeks.")
        send = composer.button
    expect(send).to_have_text("Reply")
    with visit.page.expect_response(is_create):
        send.click()
    [reply] = visit.live()
    assert reply["in_reply_to"] == target


def test_a_reply_to_something_deleted_is_refused_with_its_own_words(visit: Visit) -> None:
    target = visit.client.mention(visit.account, "how long did it take?")["id"]
    composer = visit.compose(f"/compose/post?in_reply_to={target}")
    composer.editor().fill("About three weeks.")
    visit.client.delete_post(target)
    composer.button.click()
    expect(visit.toast()).to_contain_text("has been deleted or is not visible to you")
    assert visit.live() == []


def test_the_same_text_again_is_refused_and_stays_in_the_editor(visit: Visit) -> None:
    visit.send(TEXT)
    answer = visit.send(TEXT)
    assert answer["errors"][0]["code"] == 187
    assert answer["data"] == {}
    expect(visit.toast()).to_contain_text("Whoops! You already said that.")
    expect(visit.dialog().editor()).to_have_text(TEXT)
    assert len(visit.live()) == 1


def test_a_request_without_the_csrf_header_is_refused(visit: Visit) -> None:
    visit.goto("/home")
    status = visit.page.evaluate(
        "() => fetch('/i/api/graphql/x/CreateTweet', {method: 'POST', body: '{\"variables\": {\"tweet_text\": \"x\"}}'}).then((r) => r.status)"
    )
    assert status == 403
    visit.problems.clear()
    assert visit.live() == []


def test_an_account_with_long_posts_uses_the_note_operation(visit: Visit) -> None:
    visit.client.create_account(f"{visit.account}L", long_posts=True)
    context = visit.page.context.browser.new_context(storage_state=visit.client.storage_state(f"{visit.account}L"))  # type: ignore[union-attr,arg-type]
    page = context.new_page()
    page.goto(f"{visit.handle.url}/compose/post")
    box = page.locator("[role=dialog]")
    box.get_by_test_id("tweetTextarea_0").fill("long " * 100)
    with page.expect_response(lambda r: "CreateNoteTweet" in r.url) as answer:
        box.get_by_test_id("tweetButton").click()
    assert answer.value.json()["data"]["notetweet_create"]["tweet_results"]["result"]["rest_id"].isdecimal()
    context.close()
