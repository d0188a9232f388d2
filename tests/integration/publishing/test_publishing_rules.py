"""Who may post when: flags, rollout, ledger, quiet hours, fairness, threads, replies, expiry, dead letters."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.publishing_world import Desk, set_config
from xbot_dagster.errors import ConfigError, DatabaseError
from xbot_dagster.store import posting
from xbot_dagster.x.protocols import NotSent, Probe, Publisher


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "xbot"]


class Unwilling:
    """A publisher whose page is never ready: nothing is ever submitted."""

    name, real = "recorded", True

    def __init__(self, honest: Publisher, words: str = "") -> None:
        self.probe, self.timeline, self.close = honest.probe, honest.timeline, honest.close
        self.honest, self.words, self.tries = honest, words, 0

    def publish(self, post, arm):
        if self.words in post.text:
            self.tries += 1
            return NotSent("the composer did not open")
        return self.honest.publish(post, arm)


def test_disabled_keeps_the_queue_and_says_so_once_per_decision(make_desk, caplog):
    caplog.set_level("INFO", "xbot")
    desk = make_desk(POSTING_DISABLED="true")
    decision = desk.add()
    report = desk.post()
    assert report.reasons == {"default": "POSTING_DISABLED=true"}
    assert desk.status(decision) == "queued"
    assert lines(caplog) == [
        "[POSTING_ORCHESTRATOR] 📋 Found 1 decisions in queue",
        f"[POSTING_ORCHESTRATOR] ⏭️ Skipped posting decision_id={decision}: POSTING_DISABLED=true",
    ]


def test_the_line_of_a_success_is_the_seeds_line(desk, caplog):
    caplog.set_level("INFO", "xbot")
    decision = desk.add()
    [tweet_id] = desk.post().posted
    assert f"[POSTING_ORCHESTRATOR] ✅ Posted successfully tweet_id={tweet_id} decision_id={decision}" in lines(caplog)


def test_tries_before_the_submit_are_repeated_three_times_and_cost_no_slot(desk, caplog):
    caplog.set_level("INFO", "xbot")
    unwilling = desk.publisher = Unwilling(desk.publisher)
    decision, before = desk.add(), desk.clock.now()
    report = desk.post()
    assert (report.not_sent, unwilling.tries, desk.status(decision)) == (1, 4, "queued")
    assert (desk.clock.now() - before).total_seconds() == 1 + 2 + 4
    retries = [line for line in lines(caplog) if line.startswith("[POST_RETRY]")]
    assert retries == [f"[POST_RETRY] ⚠️ Retry {n}/3 after the composer did not open" for n in (1, 2, 3)]
    assert desk.rows("SELECT 1 FROM post_slots WHERE released_at IS NULL") == []


def test_a_page_that_did_not_load_is_probed_again_and_a_session_that_is_not_in_order_is_not(desk, caplog):
    caplog.set_level("INFO", "xbot")
    honest, looks = desk.publisher, []

    def probe(answers: list[Probe]):
        def look(account: str, handle: str) -> Probe:
            looks.append(account)
            return answers.pop(0) if answers else honest.probe(account, handle)

        return look

    broken = Probe("unknown", None, None, "the profile did not load", transient=True)
    publisher = Unwilling(honest, "no text holds these words")
    publisher.probe = probe([broken, broken])
    desk.publisher, decision = publisher, desk.add()
    desk.post()
    assert (desk.status(decision), len(looks), desk.alerts()) == ("posted", 3, [])
    retries = [line for line in lines(caplog) if line.startswith("[POST_RETRY]")]
    assert retries == [f"[POST_RETRY] ⚠️ Retry {n}/3 after the profile did not load" for n in (1, 2)]
    looks.clear()
    desk.pass_time(hours=1)
    desk.add()
    publisher.probe = probe([Probe("unknown", None, None, "the site is limiting reads")])
    assert desk.post().reasons["default"] == "session unknown: the site is limiting reads"
    assert len(looks) == 1


def test_a_decision_that_never_gets_to_its_submit_is_given_up_with_an_alert(desk):
    set_config(desk, "learning_config", quiet_hours=[])
    desk.publisher = Unwilling(desk.publisher)
    decision = desk.add()
    for _ in range(6):
        desk.post()
        desk.pass_time(hours=3)
    assert desk.status(decision) == "rejected"
    assert ("dead_letter", decision) in desk.alerts()


def test_post_fraction_sends_some_out_and_shadows_the_rest_for_good(desk, caplog):
    caplog.set_level("INFO", "xbot")
    set_config(desk, "learning_config", post_fraction=0.5)
    decisions = [desk.add(minutes_ago=30 - n) for n in range(12)]
    for _ in range(12):
        desk.post()
        desk.pass_time(minutes=31)
    found = {status: [d for d in decisions if desk.status(d) == status] for status in ("posted", "shadowed")}
    assert len(found["posted"]) + len(found["shadowed"]) == 12
    assert found["posted"]
    assert found["shadowed"]
    assert desk.ledger()["count"] == len(found["posted"])
    shadow = found["shadowed"][0]
    [row] = desk.rows("SELECT publisher, state, evidence FROM posting_attempts WHERE decision_id = :d", d=shadow)
    assert (row.publisher, row.state, row.evidence["propensity"]) == ("shadow", "not_sent", 0.5)
    assert row.evidence["would_post"]
    assert any(line.startswith("[POSTING_ORCHESTRATOR] 🌓 SHADOW MODE - Would post: ") for line in lines(caplog))


def test_two_an_hour_and_half_an_hour_apart(desk):
    for n in range(6):
        desk.add(minutes_ago=10 - n)
    times: list[datetime] = []
    for _ in range(200):
        if desk.post().posted:
            times.append(desk.clock.now())
        desk.pass_time(minutes=1)
    assert [(b - a).total_seconds() / 60 for a, b in pairwise(times)] == [30] * (len(times) - 1)
    assert len(times) == 6


def test_the_stricter_interval_counts_and_a_change_takes_effect_at_once(desk):
    set_config(desk, "learning_config", post_interval_min=90)
    desk.add(minutes_ago=5)
    desk.add()
    desk.post()
    desk.pass_time(minutes=31)
    assert desk.post().reasons["default"] == "less than 90 min since the last post"
    with desk.engine.connect() as conn:
        assert not posting.posting_due(conn)
        assert posting.next_posting_time(conn) == desk.clock.now() + timedelta(minutes=59)
    set_config(desk, "learning_config", post_interval_min=30)
    with desk.engine.connect() as conn:
        assert posting.posting_due(conn)
    assert len(desk.post().posted) == 1


def test_quiet_hours_are_the_accounts_own(make_desk):
    from xbot_dagster.x.recorded import RecordedPublisher

    desk = make_desk(zone="Asia/Tokyo")
    desk.publisher = RecordedPublisher(desk.world.url, seconds=2)
    set_config(desk, "learning_config", quiet_hours=[21, 22])
    desk.add()
    assert desk.post().reasons["default"] == "quiet hour 21 in Asia/Tokyo"
    with desk.engine.connect() as conn:
        assert posting.next_posting_time(conn) == desk.clock.now() + timedelta(hours=2)
    desk.pass_time(hours=2)
    assert len(desk.post().posted) == 1


def test_replies_are_limited_by_the_day_and_not_by_the_hour(make_desk):
    from xbot_dagster.x.recorded import RecordedPublisher

    desk = make_desk(REPLY_MAX_PER_DAY="3")
    desk.publisher = RecordedPublisher(desk.world.url, seconds=2)
    set_config(desk, "learning_config", quiet_hours=[])
    post = desk.add(minutes_ago=0)
    for n in range(4):
        mention = desk.world.client.mention(desk.handle, f"Question {n}?", minutes_ago=20 - n)
        desk.add(kind="reply", target=mention["id"], minutes_ago=10 - n)
    report = desk.post()
    assert len(report.posted) == 4
    assert desk.status(post) == "posted"
    assert desk.post().reasons["default"] == "REPLY_MAX_PER_DAY=3 reached"
    replies = [row for row in desk.ledger()["posts"] if row["in_reply_to"]]
    assert len(replies) == 3
    desk.pass_time(hours=24)
    assert len(desk.post().posted) == 1


def test_types_take_turns(desk):
    for n in range(20):
        desk.add(minutes_ago=100 - n)
    mention = desk.world.client.mention(desk.handle, "And evenings?", minutes_ago=20)
    reply = desk.add(kind="reply", target=mention["id"], minutes_ago=1)
    with desk.engine.connect() as conn:
        batch = posting.due(conn, "default", "synthetic")
    assert len(batch) == 5
    assert batch[1].decision_id == reply


def test_a_thread_is_published_in_order_under_its_head(desk):
    parts = [f"Part {n}: a walk has {n} good reasons." for n in range(1, 5)]
    decision = desk.add(kind="thread", parts=parts, minutes_ago=5)
    single = desk.add()
    first = desk.post()
    assert len(first.posted) == 2
    assert desk.status(decision) == "queued"
    [row] = desk.rows("SELECT tweet_id, parts, next_pass FROM posted_decisions")
    assert (row.tweet_id, row.parts, row.next_pass) == (first.posted[0], 2, 1)
    desk.pass_time(minutes=59)
    assert desk.post().posted == ()
    desk.pass_time(minutes=1)
    assert len(desk.post().posted) == 2
    assert desk.status(decision) == "posted"
    posts = desk.ledger()["posts"]
    assert [post["text"] for post in posts] == parts
    assert [post["in_reply_to"] for post in posts] == [None, *(post["id"] for post in posts[:3])]
    desk.pass_time(hours=1)
    desk.post()
    assert desk.status(single) == "posted"


def test_a_thread_that_breaks_goes_to_a_person_and_its_head_stays(desk):
    decision = desk.add(kind="thread", parts=["First: begin small.", "Second: stay small."])
    desk.world.client.set_fault("reject_186", skip=1)
    desk.post()
    assert desk.status(decision) == "needs_human"
    assert ("needs_human", decision) in desk.alerts()
    assert desk.live() == ["First: begin small."]
    assert desk.rows("SELECT parts FROM posted_decisions")[0].parts == 1


def test_a_reply_to_a_deleted_post_ends_with_the_servers_words(desk):
    mention = desk.world.client.mention(desk.handle, "Deleted soon", minutes_ago=20)
    desk.world.client.delete_post(mention["id"])
    decision = desk.add(kind="reply", target=mention["id"])
    desk.post()
    assert desk.status(decision) == "rejected"
    [row] = desk.rows("SELECT status_reason FROM content_metadata")
    assert "deleted" in row.status_reason


def test_what_is_too_old_expires_and_a_thread_under_way_does_not(desk):
    old = desk.add(expires_at=desk.clock.now() - timedelta(seconds=1), minutes_ago=60)
    thread = desk.add(
        kind="thread",
        parts=[f"{n}. A step a day." for n in "abc"],
        expires_at=desk.clock.now() + timedelta(minutes=5),
    )
    report = desk.post()
    assert (report.expired, desk.status(old)) == (1, "expired")
    desk.pass_time(hours=1)
    desk.post()
    assert desk.status(thread) == "posted"
    assert len(desk.live()) == 3


def test_unapproved_decisions_are_never_taken(desk):
    decision = desk.add(approval_required=True)
    assert desk.post().found == 0
    desk.run("UPDATE content_metadata SET approved_by = 'someone', approved_at = xbot_now()")
    desk.post()
    assert desk.status(decision) == "posted"


def test_the_real_family_takes_real_decisions_only_and_lets_nothing_out_without_its_flags(make_desk):
    flags = {"MODE": "live", "APP_ENV": "production", "REDIS_PREFIX": "prod:", "POSTING_DISABLED": "false"}
    desk = make_desk(PUBLISHER="x_api", **flags)
    synthetic = desk.add(generation_source="synthetic")
    real = desk.add()
    report = desk.post()
    assert (report.shadowed, desk.status(real), desk.status(synthetic)) == (1, "shadowed", "queued")
    [row] = desk.rows("SELECT status_reason FROM content_metadata WHERE decision_id = :d", d=real)
    assert row.status_reason == "LIVE_POSTS=false"


def test_live_posting_needs_the_attested_label(make_desk):
    flags = {"MODE": "live", "APP_ENV": "production", "REDIS_PREFIX": "prod:", "POSTING_DISABLED": "false"}
    desk = make_desk(PUBLISHER="x_api", LIVE_POSTS="true", **flags)
    decision = desk.add()
    assert "attested" in desk.post().reasons["default"]
    assert desk.status(decision) == "queued"


def test_a_database_of_another_environment_is_refused(desk):
    from xbot_dagster.settings import load_settings

    desk.add()
    other = load_settings({"MODE": "shadow", "XBOT_HOME": str(desk.settings.home)})
    with pytest.raises(DatabaseError, match="belongs to the sandbox family"):
        desk.post(settings=other)


@pytest.mark.parametrize("broken", [ConfigError("nonsense"), ValueError("nonsense"), KeyError("nonsense")])
def test_a_configuration_that_cannot_be_read_stops_posting_and_says_so(desk, broken):
    def controls(conn, settings, account):
        raise broken

    decision = desk.add()
    report = desk.post(controls=controls)
    assert "cannot be read" in report.reasons["default"]
    assert desk.status(decision) == "queued"
    assert ("guard_failed", "default") in desk.alerts()


def test_a_missing_stop_row_counts_as_stopped(desk):
    desk.run("DELETE FROM bot_config WHERE config_key = 'controls'")
    desk.add()
    assert desk.post().reasons["default"] == "stop_posting=true"


def test_a_row_that_cannot_be_published_makes_room_for_the_next_at_once(desk):
    poison = [desk.add("https://example.com/x", minutes_ago=200 - n) for n in range(30)]
    fresh = desk.add()
    desk.post()
    assert desk.status(fresh) == "posted"
    assert {desk.status(row) for row in poison} == {"rejected"}


def test_other_accounts_are_served_in_the_same_tick(desk):
    desk.run(
        "INSERT INTO accounts (account, handle, circuit_state, circuit_reason) VALUES ('second', 'other', 'open', 'test')"
    )
    desk.run("INSERT INTO accounts (account, handle) VALUES ('third', :h)", h=desk.handle[::-1])
    desk.world.client.create_account(desk.handle[::-1])
    mine = desk.add()
    desk.account = "second"
    blocked = desk.add()
    desk.account = "third"
    theirs = desk.add()
    report = desk.post()
    assert [desk.status(d) for d in (mine, blocked, theirs)] == ["posted", "queued", "posted"]
    assert report.reasons["second"] == "circuit open: test"
    assert set(report.reasons) == {"default", "second", "third"}


def test_a_clock_that_was_turned_back_holds_posting_and_forgets_nothing(desk: Desk):
    desk.add(minutes_ago=3)
    desk.add(minutes_ago=2)
    desk.post()
    desk.run("UPDATE post_slots SET at = at + interval '6 hours'")
    desk.pass_time(hours=2)
    assert desk.post().posted == ()
    desk.pass_time(hours=5)
    assert len(desk.post().posted) == 1
