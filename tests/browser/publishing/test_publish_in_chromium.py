"""The way of a post through real Chromium onto the replica's own ledger, with everything a page can do wrong on the way."""

import zipfile

import pytest

from tests.publishing_world import browser_publisher
from xbot_dagster.x.protocols import InDoubt, OutgoingPost

pytestmark = pytest.mark.browser
OLD = "An older note about sleep."


def with_a_past(desk):
    decision = desk.add(OLD)
    desk.post()
    assert desk.status(decision) == "posted"
    desk.pass_time(hours=2)


def test_a_due_decision_becomes_a_post(browser_desk):
    words = "Two cups of water before coffee.\n\nA small habit, tried for a month 🙂 #habits & more: https://example.com/a?b=c"
    decision = browser_desk.add(words)
    report = browser_desk.post()
    assert report.reasons == {"default": "1 submitted, nothing else due"}
    assert browser_desk.status(decision) == "posted"
    assert browser_desk.live() == [words]
    [row] = browser_desk.rows("SELECT * FROM posted_decisions")
    assert row.tweet_id == report.posted[0] == browser_desk.ledger()["posts"][0]["id"]
    assert (row.via, row.next_pass, (row.next_due_at - row.posted_at).total_seconds()) == ("response", 1, 3600)


def test_a_thread_and_a_reply_hang_under_their_posts(browser_desk):
    mention = browser_desk.world.client.mention(browser_desk.handle, "How do you begin?", minutes_ago=20)
    reply = browser_desk.add("With two minutes.", kind="reply", target=mention["id"], minutes_ago=1)
    thread = browser_desk.add(kind="thread", parts=["One: a walk.", "Two: a note."], minutes_ago=2)
    browser_desk.post()
    assert {browser_desk.status(d) for d in (reply, thread)} == {"posted"}
    posts = {post["text"]: post for post in browser_desk.ledger()["posts"]}
    assert posts["Two: a note."]["in_reply_to"] == posts["One: a walk."]["id"]
    assert posts["With two minutes."]["in_reply_to"] == mention["id"]


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("accept_drop_response", {}),
        ("accept_slow", {"seconds": 6}),
        ("crash_after_click", {}),
        ("empty_result", {"accepted": True}),
    ],
)
def test_a_live_post_without_an_answer_is_adopted_not_repeated(browser_desk, fault, params):
    desk = browser_desk
    with_a_past(desk)
    desk.world.client.set_fault("duplicate_check", enabled=False)
    desk.world.client.set_fault(fault, **params)
    decision = desk.add()
    report = desk.post()
    assert (report.in_doubt, report.posted, desk.status(decision)) == (1, (), "in_doubt")
    assert desk.reconcile().adopted == (decision,)
    assert (desk.status(decision), desk.ledger()["count"], desk.ledger()["duplicates"]) == ("posted", 2, 0)


@pytest.mark.parametrize("fault", ["drop_request", "crash_after_click"])
def test_a_submit_that_never_arrived_goes_out_again_after_proof(browser_desk, fault):
    desk = browser_desk
    with_a_past(desk)
    desk.world.client.set_fault(fault, **({"accepted": False} if fault == "crash_after_click" else {}))
    decision = desk.add()
    desk.post()
    desk.settle()
    assert desk.attempts(decision) == ["not_live"]
    desk.post()
    assert desk.status(decision) == "posted"
    assert (desk.ledger()["count"], desk.ledger()["duplicates"]) == (2, 0)


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("overlay", {"kind": "got_it"}),
        ("overlay", {"kind": "consent_mask"}),
        ("overlay", {"kind": "confirmation"}),
        ("stale_toast", {}),
        ("late_hydration", {"ms": 1500}),
        ("shell_only", {}),
    ],
)
@pytest.mark.parametrize("where", ["profile", "composer"])
def test_what_stands_in_the_way_of_a_page_is_cleared_or_waited_out(browser_desk, where, fault, params):
    """A post is written on the profile of the probe, a reply on a page of its own: the second one a batch loads."""
    desk = browser_desk
    if where == "profile":
        decision = desk.add()
    else:
        mention = desk.world.client.mention(desk.handle, "And on rainy days?", minutes_ago=20)
        decision = desk.add("An umbrella.", kind="reply", target=mention["id"])
    desk.world.client.set_fault(fault, count=1, skip=0 if where == "profile" else 1, **params)
    desk.post()
    assert desk.status(decision) == "posted"
    assert desk.ledger()["count"] == 1
    assert desk.world.client.faults()[0]["fired"] == 1, "nothing was disturbed"


def test_a_stale_toast_is_not_taken_for_the_answer(browser_desk):
    desk = browser_desk
    with_a_past(desk)
    desk.world.client.set_fault("stale_toast", count=1)
    desk.world.client.set_fault("drop_request")
    decision = desk.add()
    desk.post()
    assert desk.status(decision) == "in_doubt"


def test_a_reply_composer_that_hangs_is_left_for_the_posts_own_page(browser_desk):
    desk = browser_desk
    mention = desk.world.client.mention(desk.handle, "And in winter?", minutes_ago=20)
    desk.world.client.set_fault("reply_composer_stuck")
    decision = desk.add("Wool socks.", kind="reply", target=mention["id"])
    desk.post()
    assert desk.status(decision) == "posted"
    assert desk.ledger()["posts"][0]["in_reply_to"] == mention["id"]


def test_a_reply_to_a_deleted_post_is_never_submitted(browser_desk):
    desk = browser_desk
    mention = desk.world.client.mention(desk.handle, "Gone soon", minutes_ago=20)
    desk.world.client.delete_post(mention["id"])
    decision = desk.add("Too late.", kind="reply", target=mention["id"])
    desk.post()
    assert (desk.status(decision), desk.submits()) == ("rejected", 0)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("reject_226", "rejected", "looks like it might be automated"),
        ("reject_326", "rejected", "locked"),
        ("reject_186", "rejected", "shorter"),
        ("reject_187", "in_doubt", "duplicate"),
        ("reject_344", "queued", "daily limit"),
        ("reject_88", "queued", "Rate limit"),
        ("over_capacity", "in_doubt", "Over capacity"),
    ],
)
def test_every_answer_of_the_server_has_its_own_end(browser_desk, fault, status, reason):
    desk = browser_desk
    desk.world.client.set_fault(fault)
    decision = desk.add()
    desk.post()
    [row] = desk.rows("SELECT status, status_reason FROM content_metadata WHERE decision_id = :d", d=decision)
    assert row.status == status
    assert reason in row.status_reason
    assert desk.submits() == 1


def test_trouble_leaves_a_picture_and_a_trace_for_its_owner_only_and_no_cookie_in_them(browser_desk):
    desk = browser_desk
    desk.world.client.set_fault("empty_result")
    decision = desk.add()
    desk.post()
    [row] = desk.rows("SELECT evidence FROM posting_attempts WHERE decision_id = :d", d=decision)
    folder = desk.evidence / row.evidence["folder"]
    names = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert names == dict.fromkeys(("page.png", "page.html", "facts.json", "trace.zip"), 0o600)
    tokens = [cookie["value"].encode() for cookie in desk.world.client.storage_state(desk.handle)["cookies"]]
    with zipfile.ZipFile(folder / "trace.zip") as trace:
        written = [trace.read(name) for name in trace.namelist()]
    assert any(b"tweetButton" in content for content in written), "the steps are in the trace"
    written += [path.read_bytes() for path in folder.iterdir()]
    assert not [token for token in tokens for content in written if token in content]
    [call] = [call for call in row.evidence["calls"] if call["path"].endswith("/CreateTweet")]
    assert (call["method"], call["status"]) == ("POST", 200)


def test_a_session_on_a_page_is_struck_out_of_what_is_kept(browser_desk, host):
    """X itself writes no cookie into its pages; should one get there, it does not get into a file."""
    desk = browser_desk
    publisher = browser_publisher(desk, host)
    post = OutgoingPost("default", desk.handle, "1" * 8, 0, "What I meant.", "f")

    def leak() -> None:
        page = host.page("default")
        page.evaluate("document.body.append(document.cookie)")
        page.evaluate("(token) => token", "ct0=" + str(page.context.cookies()[-1]["value"]))

    desk.world.client.set_fault("empty_result")
    result = publisher.publish(post, leak)
    assert isinstance(result, InDoubt)
    folder = desk.evidence / "11111111-0"
    assert b"(struck out)" in (folder / "page.html").read_bytes()
    with zipfile.ZipFile(folder / "trace.zip") as trace:
        written = [trace.read(name) for name in trace.namelist()] + [(folder / "page.html").read_bytes()]
    assert any(b"(struck out)" in content for content in written[:-1])
    tokens = [cookie["value"].encode() for cookie in desk.world.client.storage_state(desk.handle)["cookies"]]
    assert not [token for token in tokens for content in written if token in content]


def test_neither_a_full_disk_nor_a_browser_that_is_gone_hides_the_answer(browser_desk, monkeypatch):
    desk = browser_desk

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xbot_dagster.x.browser.session.write_state", full)
    monkeypatch.setattr("xbot_dagster.x.browser.evidence._write", full)
    decision = desk.add()
    desk.post()
    assert desk.status(decision) == "posted"
    desk.pass_time(hours=1)
    desk.world.client.set_fault("reject_186")
    refused = desk.add()
    desk.post()
    assert desk.status(refused) == "rejected"


def test_the_words_in_the_editor_are_read_back_before_the_click(browser_desk, host, monkeypatch):
    from xbot_dagster.x.browser import publisher as module

    desk = browser_desk
    monkeypatch.setattr(module, "_write", lambda page, editor, before, text: ("something else", True))
    publisher = browser_publisher(desk, host)
    post = OutgoingPost("default", desk.handle, "0" * 8, 0, "What I meant.", "f")
    armed = []
    result = publisher.publish(post, lambda: armed.append(True))
    assert (type(result).__name__, armed, desk.submits()) == ("NotSent", [], 0)
