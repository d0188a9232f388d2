"""What people do on the dashboard, in real Chromium: every click ends in the rows it should, and pictures are kept."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from tests import operations_world
from tests.browser.dashboard.conftest import TOKEN, Served
from xbot_dagster.clock import SystemClock
from xbot_dagster.store import config, deployment

pytestmark = pytest.mark.browser
NAP = "1. A nap in the afternoon is a plan, and it is the cheapest hour of the whole day."
LONG = "Ten minutes of daylight before nine. " * 9


def draft(served: Served, words: str, status: str = "awaiting_approval", **columns) -> str:
    """A draft of this test alone."""
    now = SystemClock().now()
    with served.engine.begin() as conn:
        made = operations_world.decision(
            conn, now, status=status, scheduled_at=now + timedelta(hours=5), text=words, arm="story", **columns
        )
        operations_world.gates(conn, made, now)
    return made


def status(served: Served, decision_id: str) -> str:
    return served.value("SELECT status FROM content_metadata WHERE decision_id = :id", id=decision_id)


def test_signing_in_and_out(served: Served, chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{served.address}/learning")
    assert page.url.endswith("/login")
    page.get_by_label("Admin token").fill("not-the-token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("That is not the admin token.")
    page.get_by_label("Your name").fill("Ada <b>")
    page.get_by_label("Admin token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".main h1")).to_have_text("Today")
    cookie = next(c for c in context.cookies() if c["name"] == "xbot_session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert TOKEN not in page.content()
    page.get_by_role("button", name="Sign out Ada b").click()
    expect(page.get_by_role("heading", name="Sign in to xbot")).to_be_visible()
    context.add_cookies([cookie])
    page.goto(served.address)
    assert page.url.endswith("/login"), "a cookie lives on after signing out"
    context.close()


def test_approve(desk, served: Served) -> None:
    waiting = draft(served, "Would you trade an hour of scrolling for a walk?")
    desk.open("/queue", "Queue & calendar")
    desk.picture("queue")
    desk.row(waiting, "approve").click()
    desk.said("Approved.")
    expect(desk.row(waiting, "cancel")).to_be_visible()
    assert status(served, waiting) == "queued"
    by = served.value("SELECT approved_by FROM content_metadata WHERE decision_id = :id", id=waiting)
    assert by == "dashboard:Ada"


def test_approve_what_somebody_changed_meanwhile_is_a_conflict(desk, served: Served) -> None:
    waiting = draft(served, "A text that Grace is about to change under your eyes.")
    desk.open("/queue", "Queue & calendar")
    button = desk.row(waiting, "approve")
    stale = button.get_attribute("data-seen")
    served.api("POST", f"/api/decisions/{waiting}/reschedule", {"at": "2099-01-01T10:00:00Z"})
    expect(desk.row(waiting, "approve")).not_to_have_attribute("data-seen", stale)  # it refreshes by itself
    desk.row(waiting, "approve").evaluate("(e, seen) => { e.dataset.seen = seen; e.click(); }", stale)
    desk.said("changed")
    assert status(served, waiting) == "awaiting_approval"


def test_edit_counts_previews_and_is_judged_again(desk, served: Served) -> None:
    waiting = draft(served, "Short walks, often. That is the whole secret of it.")
    desk.open("/queue", "Queue & calendar")
    desk.row(waiting, "edit").click()
    field = desk.dialog().get_by_label("Text")
    field.fill(LONG)
    expect(desk.dialog().locator(".count-chars.bad")).to_contain_text("/ 280")
    desk.picture("edit-too-long")
    desk.dialog().get_by_role("button", name="Save and approve").click()
    desk.said("refuses this text")
    field.fill("Walk after lunch, even if it is only round the block <b>twice</b>.")
    expect(desk.dialog().locator(".preview")).to_contain_text("<b>twice</b>")
    desk.dialog().get_by_role("button", name="Save and approve").click()
    desk.said("the gates passed it")
    assert status(served, waiting) == "queued"
    assert "<b>twice</b>" in served.value("SELECT text FROM content_metadata WHERE decision_id = :id", id=waiting)


def test_a_thread_is_edited_part_by_part(desk, served: Served) -> None:
    parts = [
        "Four notes on rest, written down during the slowest week of a long and rather busy year.",
        "1. A nap in the afternoon is not a defeat: it is the cheapest hour of the whole day.",
        "2. Neither is an early evening with a book, a cup of tea and the phone in another room.",
    ]
    thread = draft(served, "", parts=parts)
    desk.open("/queue", "Queue & calendar")
    desk.row(thread, "edit").click()
    expect(desk.dialog().locator(".preview")).to_have_count(3)
    desk.dialog().get_by_label("Part 2").fill(NAP)
    desk.picture("edit-thread")
    desk.dialog().get_by_role("button", name="Save and approve").click()
    desk.said("the gates passed it")
    part = served.value("SELECT text FROM decision_parts WHERE decision_id = :id AND part = 1", id=thread)
    assert part == NAP


def test_the_second_of_two_editors_gets_a_conflict_and_keeps_the_text(sit_down, served: Served) -> None:
    waiting = draft(served, "Two people are going to edit this one at the same time.")
    ada, grace = sit_down("Ada"), sit_down("Grace")
    for one, words in ((ada, "Ada's version: sleep first, then plan."), (grace, "Grace's version: plan, then sleep.")):
        one.open("/queue", "Queue & calendar")
        one.row(waiting, "edit").click()
        one.dialog().get_by_label("Text").fill(words)
    ada.dialog().get_by_role("button", name="Save and approve").click()
    ada.said("the gates passed it")
    grace.dialog().get_by_role("button", name="Save and approve").click()
    grace.said("changed")
    expect(grace.dialog().get_by_label("Text")).to_have_value("Grace's version: plan, then sleep.")
    kept = served.value("SELECT text FROM content_metadata WHERE decision_id = :id", id=waiting)
    assert kept == "Ada's version: sleep first, then plan."


def test_reject_needs_a_reason(desk, served: Served) -> None:
    waiting = draft(served, "This one claims far too much for its own good.")
    desk.open("/queue", "Queue & calendar")
    desk.row(waiting, "reject").click()
    desk.dialog().get_by_role("button", name="Reject").click()
    desk.said("needs a reason")
    desk.dialog().get_by_label("Reason").fill("claims too much")
    desk.dialog().get_by_role("button", name="Reject").click()
    desk.said("Rejected.")
    reason = served.value("SELECT status_reason FROM content_metadata WHERE decision_id = :id", id=waiting)
    assert reason == "rejected by dashboard:Ada: claims too much"


def test_reschedule_in_the_accounts_zone(desk, served: Served) -> None:
    waiting = draft(served, "A note that would rather go out next summer.", status="queued")
    desk.open("/queue", "Queue & calendar")
    desk.row(waiting, "move").click()
    field = desk.dialog().get_by_label("Time in Europe/Berlin")
    field.fill("2020-07-01T18:30")
    desk.dialog().get_by_role("button", name="Move").click()
    desk.said("lie in the future")
    field.fill("2099-07-01T18:30")
    desk.dialog().get_by_role("button", name="Move").click()
    desk.said("Moved.")
    at = served.value("SELECT scheduled_at FROM content_metadata WHERE decision_id = :id", id=waiting)
    assert at.isoformat() == "2099-07-01T16:30:00+00:00"


def test_many_at_once(desk, served: Served) -> None:
    ids = [draft(served, f"Batch note number {n}: drink a glass of water first.") for n in range(4)]
    desk.open("/queue", "Queue & calendar")
    desk.page.get_by_role("button", name="Approve ticked").click()
    desk.said("Tick the drafts first.")
    for each in ids[:2]:
        desk.page.locator(f'[data-pick="{each}"]').check()
    desk.page.get_by_role("button", name="Approve ticked").click()
    desk.said("2 approved.")
    expect(desk.row(ids[0], "cancel")).to_be_visible()
    for each in ids[2:]:
        desk.page.locator(f'[data-pick="{each}"]').check()
    desk.page.get_by_role("button", name="Reject ticked").click()
    desk.dialog().get_by_label("Reason").fill("one batch is enough")
    desk.dialog().get_by_role("button", name="Reject").click()
    desk.said("2 rejected.")
    assert [status(served, each) for each in ids] == ["queued", "queued", "cancelled", "cancelled"]


def test_cancel_a_queued_post(desk, served: Served) -> None:
    queued = draft(served, "This post is going to be taken back.", status="queued")
    desk.open("/queue", "Queue & calendar")
    desk.row(queued, "cancel").click()
    desk.dialog().get_by_label("Reason").fill("out of date")
    desk.dialog().get_by_role("button", name="Cancel the post").click()
    desk.said("Cancelled.")
    assert status(served, queued) == "cancelled"


def test_stop_and_resume_from_any_page(desk, served: Served) -> None:
    desk.open("/growth", "Growth")
    desk.page.get_by_role("button", name="Stop …").click()
    desk.picture("stop")
    desk.page.keyboard.press("Escape")
    expect(desk.dialog()).to_have_count(0)
    desk.page.get_by_role("button", name="Stop …").click()
    desk.dialog().get_by_role("button", name="Stop posting").click()
    desk.said("Stopped: posting.")
    expect(desk.page.locator(".top")).to_contain_text("Posting stopped")
    stopped = "SELECT config_value ->> 'stop_posting' FROM bot_config WHERE config_key = 'controls' AND account = ''"
    assert served.value(stopped) == "true"
    desk.page.get_by_role("button", name="Resume …").click()
    desk.dialog().get_by_role("button", name="Resume everything").click()
    desk.said("Resumed")
    expect(desk.page.locator(".top")).not_to_contain_text("Posting stopped")
    assert served.value(stopped) == "false"


def test_promote_and_roll_back_with_confirmation(desk, served: Served) -> None:
    champion = "SELECT version FROM predictor_versions WHERE kind = 'timing' AND state = 'champion'"
    desk.open("/learning", "Learning")
    button = desk.page.locator('button[data-action="promote"][data-of="timing"][data-version="3"]')
    button.click()
    desk.dialog().get_by_role("button", name="Back").click()
    assert served.value(champion) == 2
    button.click()
    desk.picture("promote")
    desk.dialog().get_by_role("button", name="Promote").click()
    desk.said("v3 serves now.")
    assert served.value(champion) == 3
    desk.page.locator('button[data-action="rollback"][data-of="timing"]').click()
    desk.dialog().get_by_role("button", name="Roll back").click()
    desk.said("v2 serves now.")
    assert served.value(champion) == 2


def test_a_version_nobody_can_read_is_refused_with_a_sentence(desk, served: Served) -> None:
    desk.open("/learning", "Learning")
    desk.page.locator('button[data-action="promote"][data-of="content"][data-version="3"]').click()
    desk.dialog().get_by_role("button", name="Promote").click()
    expect(desk.page.locator(".q-notification.bg-negative")).to_be_visible()
    assert served.value("SELECT version FROM predictor_versions WHERE kind = 'content' AND state = 'champion'") == 2


def test_change_the_configuration(desk, served: Served) -> None:
    desk.open("/settings", "Settings")
    button = desk.row("learning_config.max_hashtags", "change")
    button.click()
    field = desk.dialog().get_by_label("New value (JSON)")
    field.fill("lots")
    desk.dialog().get_by_role("button", name="Change").click()
    desk.said("is not a JSON value")
    field.fill("500")
    desk.dialog().get_by_role("button", name="Change").click()
    expect(desk.page.locator(".q-notification.bg-negative").nth(1)).to_be_visible()
    field.fill("1")
    desk.dialog().get_by_role("button", name="Change").click()
    desk.said("Changed.")
    expect(desk.page.get_by_role("region", name="History").locator("tbody tr").first).to_contain_text("dashboard:Ada")
    expect(desk.page.get_by_role("region", name="History").locator("tbody tr").first).to_contain_text("3 → 1")
    desk.picture("settings")
    assert (
        served.value("SELECT config_value ->> 'max_hashtags' FROM bot_config WHERE config_key = 'learning_config'")
        == "1"
    )


@pytest.fixture
def second_account(served: Served) -> Iterator[str]:
    with served.engine.begin() as conn:
        deployment.add_account(conn, "second", "xbot_second", "Asia/Tokyo")
    yield "second"
    with served.engine.begin() as conn:
        conn.execute(text("DELETE FROM bot_config WHERE account = 'second'"))
        conn.execute(text("DELETE FROM accounts WHERE account = 'second'"))


def test_an_account_gets_a_value_of_its_own_and_gives_it_up(desk, served: Served, second_account: str) -> None:
    name = "learning_config.post_interval_min"
    history = desk.page.get_by_role("region", name="History").locator("tbody tr").first

    def seen(account: str) -> float:
        with served.engine.begin() as conn:
            return config.read_config(conn, served.settings, account).post_interval_min

    desk.open("/settings", "Settings")
    desk.page.get_by_label("Account").select_option(second_account)
    expect(desk.page.get_by_role("columnheader", name="Only @xbot_second")).to_be_visible()
    desk.page.wait_for_function("() => window.socket?.connected")
    row = desk.page.locator("tr", has_text=name)
    expect(row).to_contain_text("as all accounts")
    desk.row(name, "change-own").click()
    expect(desk.dialog()).to_contain_text("for @xbot_second only")
    desk.dialog().get_by_label("New value (JSON)").fill("5")
    desk.dialog().get_by_role("button", name="Change").click()
    expect(desk.page.locator(".q-notification.bg-negative")).to_contain_text("15 to 180")
    desk.dialog().get_by_label("New value (JSON)").fill("90")
    desk.dialog().get_by_role("button", name="Change").click()
    desk.said("Changed.")
    expect(row).to_contain_text("differs")
    expect(history).to_contain_text("@xbot_second")
    expect(history).to_contain_text("post_interval_min: as all accounts → 90")
    assert (seen(second_account), seen("default"), seen("")) == (90, 30, 30)
    desk.picture("settings-own")
    desk.row(name, "unset").click()
    expect(desk.dialog()).to_contain_text("Now: 90; then the value for all accounts: 30.")
    desk.dialog().get_by_role("button", name="Use the value for all accounts").click()
    desk.said("@xbot_second follows all accounts.")
    expect(row).to_contain_text("as all accounts")
    expect(history).to_contain_text("post_interval_min: 90 → as all accounts")
    expect(history).to_contain_text("dashboard:Ada")
    assert seen(second_account) == 30


def test_acknowledge_an_alert(desk, served: Served) -> None:
    from xbot_dagster.store import alerts

    with served.engine.begin() as conn:
        alerts.raise_alert(conn, "test", "x", "warning", "Look at this.", "Run: xbot doctor")
    desk.open("/alerts", "Alerts & ticks")
    item = desk.page.locator("li", has_text="Look at this.")
    expect(item.locator("code")).to_have_text("xbot doctor")
    item.get_by_role("button", name="Acknowledge").click()
    desk.said("Acknowledged.")
    expect(item).to_contain_text("acknowledged by dashboard:Ada")


def test_script_in_a_text_is_shown_and_never_run(desk, served: Served) -> None:
    evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script> it\'s "quoted" & {{ 7*7 }}'
    made = draft(served, evil, topic="<b>topic</b>", status_reason="<i>why</i>")
    for path, title in (("/", "Today"), ("/queue", "Queue & calendar"), (f"/post/{made}", "Post")):
        desk.open(path, title)
        expect(desk.page.get_by_text("<script>window.pwned=1</script>").first).to_be_visible()
    desk.open("/queue", "Queue & calendar")
    desk.row(made, "edit").click()
    expect(desk.dialog().locator(".preview")).to_contain_text("{{ 7*7 }}")
    assert desk.page.evaluate("window.pwned") is None


def test_a_page_shows_what_happens_without_being_asked(desk, served: Served) -> None:
    desk.open("/queue", "Queue & calendar")
    made = draft(served, "This draft appears while somebody is looking at the queue.")
    expect(desk.row(made, "approve")).to_be_visible()
    with served.engine.begin() as conn:
        conn.execute(text("UPDATE content_metadata SET status = 'cancelled' WHERE decision_id = :id"), {"id": made})
    expect(desk.row(made, "approve")).to_have_count(0)


def test_the_calendar_turns_by_weeks(desk, served: Served) -> None:
    desk.open("/queue", "Queue & calendar")
    desk.page.get_by_role("link", name="← Earlier").click()
    calendar = desk.page.get_by_role("region", name="Calendar of the week")
    expect(calendar.locator(".slot").first).to_contain_text("posted")
    assert calendar.locator(".slot").count() > 20
    desk.open("/queue?week=nonsense", "Queue & calendar")


def test_an_unknown_account_and_an_unknown_post_say_so(desk) -> None:
    desk.page.goto(f"{desk.served.address}/growth?account=nobody")
    expect(desk.page.locator("body")).to_contain_text("There is no account 'nobody'.")
    desk.page.goto(f"{desk.served.address}/post/7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11")
    expect(desk.page.locator("body")).to_contain_text("no decision")


def test_the_exports_are_files(desk) -> None:
    desk.open("/growth", "Growth")
    with desk.page.expect_download() as download:
        desk.page.get_by_role("link", name="Export CSV").click()
    content = download.value.path().read_text()
    assert content.splitlines()[0].startswith("decision_id")
    assert json.dumps(len(content.splitlines())) != "1"
