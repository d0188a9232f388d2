"""The state machine against the replica's own ledger, without a browser: what may be live is never submitted again."""

import pytest

from tests.publishing_world import Desk, set_config


def old_post(desk: Desk) -> None:
    """Give the account a past, so that a look at its timeline can convince."""
    decision = desk.add("An older note about sleep.")
    desk.post()
    assert desk.status(decision) == "posted"
    desk.pass_time(hours=2)


def test_a_post_is_on_the_ledger_and_in_every_table_at_once(desk):
    decision = desk.add("Write tomorrow's first task down tonight.")
    report = desk.post()
    [tweet_id] = report.posted
    assert [row["id"] for row in desk.ledger()["posts"]] == [tweet_id]
    [posted] = desk.rows("SELECT * FROM posted_decisions")
    [part] = desk.rows("SELECT * FROM decision_parts")
    [attempt] = desk.rows("SELECT * FROM posting_attempts")
    [slot] = desk.rows("SELECT * FROM post_slots")
    assert {posted.tweet_id, part.tweet_id, attempt.tweet_id} == {tweet_id}
    assert (attempt.state, attempt.via, attempt.post_key) == ("posted", "response", f"{decision}:0:1")
    assert attempt.evidence["propensity"] == 1
    assert slot.released_at is None
    assert posted.simulated is True
    assert desk.post().posted == ()


@pytest.mark.parametrize("fault", ["accept_drop_response", "accept_slow"])
def test_a_live_post_without_an_answer_is_adopted_not_repeated(desk, fault):
    old_post(desk)
    desk.world.client.set_fault(fault)
    decision = desk.add()
    report = desk.post()
    assert (report.in_doubt, desk.status(decision)) == (1, "in_doubt")
    assert desk.post().posted == ()
    assert desk.reconcile().adopted == (decision,)
    assert desk.status(decision) == "posted"
    assert desk.rows("SELECT via FROM posted_decisions WHERE decision_id = :d", d=decision)[0].via == "reconcile"
    assert (desk.ledger()["count"], desk.ledger()["duplicates"], desk.submits()) == (2, 0, 2)


def test_a_request_that_was_lost_goes_out_again_but_only_after_ten_minutes_and_three_looks(desk):
    old_post(desk)
    desk.world.client.set_fault("drop_request")
    decision = desk.add()
    armed = desk.clock.now()
    desk.post()
    desk.settle()
    assert desk.status(decision) == "queued"
    assert (desk.clock.now() - armed).total_seconds() >= 600
    assert desk.attempts(decision) == ["not_live"]
    assert desk.post().posted
    assert desk.status(decision) == "posted"
    assert desk.attempts(decision) == ["not_live", "posted"]
    assert desk.live().count(desk.live()[-1]) == 1


def test_a_second_lost_request_goes_to_a_person(desk):
    old_post(desk)
    desk.world.client.set_fault("drop_request", count=2)
    decision = desk.add()
    for _ in range(2):
        desk.post()
        desk.settle()
    assert desk.status(decision) == "needs_human"
    assert ("needs_human", decision) in desk.alerts()
    desk.pass_time(hours=5)
    assert desk.post().found == 0
    assert desk.submits() == 3


def test_a_post_that_reaches_the_timeline_late_is_waited_for(desk):
    old_post(desk)
    desk.world.client.set_fault("timeline_lag", seconds=400, count=1)
    desk.world.client.set_fault("accept_drop_response")
    decision = desk.add()
    desk.post()
    desk.settle()
    assert desk.status(decision) == "posted"
    assert desk.submits() == 2


def test_already_said_is_a_doubt_and_the_timeline_knows_the_answer(desk):
    old_post(desk)
    desk.world.client.set_fault("reject_187")
    decision = desk.add()
    desk.post()
    assert desk.status(decision) == "in_doubt"
    [row] = desk.rows("SELECT error_code FROM posting_attempts WHERE decision_id = :d", d=decision)
    assert row.error_code == 187


@pytest.mark.parametrize("code", [226, 326, 64])
def test_a_refusal_of_the_account_opens_its_circuit(desk, code):
    desk.world.client.set_fault(f"reject_{code}")
    refused, waiting = desk.add(minutes_ago=2), desk.add()
    report = desk.post()
    assert (report.rejected, desk.status(refused), desk.status(waiting)) == (1, "rejected", "queued")
    assert ("circuit_open", "default") in desk.alerts()
    desk.pass_time(hours=3)
    assert desk.post().reasons["default"].startswith("circuit open: X answered")
    assert desk.submits() == 1


def test_a_refusal_of_the_text_ends_the_decision_only(desk):
    desk.world.client.set_fault("reject_186")
    refused, next_one = desk.add(minutes_ago=2), desk.add()
    report = desk.post()
    assert (desk.status(refused), desk.status(next_one)) == ("rejected", "posted")
    assert len(report.posted) == 1
    # What was refused is provably not live: its slot and its text are free again.
    assert desk.rows("SELECT count(*) AS n FROM post_slots WHERE released_at IS NULL")[0].n == 1


@pytest.mark.parametrize(("fault", "minutes"), [("reject_344", 180), ("reject_88", 15)])
def test_later_means_back_to_the_queue_until_then(desk, fault, minutes):
    desk.world.client.set_fault(fault)
    decision = desk.add()
    report = desk.post()
    assert (report.deferred, desk.status(decision), desk.attempts(decision)) == (1, "queued", ["deferred"])
    desk.pass_time(minutes=minutes - 1)
    assert desk.post().posted == ()
    desk.pass_time(minutes=2)
    assert len(desk.post().posted) == 1


def test_an_answer_without_a_post_is_a_doubt(desk):
    old_post(desk)
    desk.world.client.set_fault("empty_result", accepted=True)
    decision = desk.add()
    desk.post()
    assert desk.status(decision) == "in_doubt"
    desk.settle()
    assert desk.status(decision) == "posted"
    assert desk.ledger()["duplicates"] == 0


def test_an_id_from_another_time_is_not_believed(desk):
    from xbot_dagster.x.protocols import Posted

    old_post(desk)
    honest = desk.the_publisher

    class Confused:
        name, real = "recorded", True
        probe, timeline, close = honest.probe, honest.timeline, honest.close

        def publish(self, post, arm):
            honest.publish(post, arm)
            return Posted("1212092628029698048", "response")

    desk.publisher = Confused()
    decision = desk.add()
    assert desk.post().in_doubt == 1
    desk.publisher = honest
    assert desk.reconcile().adopted == (decision,)
    assert desk.rows("SELECT 1 FROM posted_decisions WHERE tweet_id = '1212092628029698048'") == []


def test_the_same_words_are_never_submitted_twice(desk):
    first, second = desk.add("Breathe out longer than in.", minutes_ago=3), desk.add("Breathe  out longer\nthan in.")
    desk.post()
    desk.pass_time(hours=2)
    report = desk.post()
    assert (desk.status(first), desk.status(second), report.rejected) == ("posted", "rejected", 1)
    [row] = desk.rows("SELECT status_reason FROM content_metadata WHERE decision_id = :d", d=second)
    assert first in row.status_reason
    assert desk.submits() == 1


def test_stop_takes_effect_between_two_items_of_one_tick(desk):
    first, second = desk.add(minutes_ago=3), desk.add(kind="reply", target=_mention(desk))

    def stop_after_first(moment: str) -> None:
        if moment == "resolved":
            set_config(desk, "controls", stop_posting=True)

    report = desk.post(hooks=stop_after_first)
    assert (len(report.posted), report.reasons["default"]) == (1, "stop_posting=true")
    assert {desk.status(first), desk.status(second)} == {"posted", "queued"}


def test_stop_between_claim_and_submit_gives_the_slot_back(desk):
    decision = desk.add()

    def stop(moment: str) -> None:
        if moment == "before_arm":
            set_config(desk, "controls", stop_posting=True)

    desk.post(hooks=stop)
    assert (desk.status(decision), desk.attempts(decision), desk.submits()) == ("queued", ["not_sent"], 0)
    assert desk.rows("SELECT 1 FROM post_slots WHERE released_at IS NULL") == []
    set_config(desk, "controls", stop_posting=False)
    assert len(desk.post().posted) == 1


def test_a_decision_can_be_taken_back_until_it_is_armed(desk):
    from xbot_dagster.store import posting

    taken_back: list[bool] = []

    def cancel_at(moment: str, decision: str):
        def hook(reached: str) -> None:
            if reached == moment:
                with desk.engine.begin() as conn:
                    taken_back.append(posting.cancel(conn, decision, "changed my mind"))

        return hook

    early = desk.add()
    desk.post(hooks=cancel_at("claimed", early))
    assert (taken_back, desk.status(early)) == ([True], "cancelled")
    late = desk.add()
    desk.post(hooks=cancel_at("armed", late))
    assert (taken_back, desk.status(late)) == ([True, False], "posted")
    assert desk.submits() == 1


def _mention(desk: Desk) -> str:
    return desk.world.client.mention(desk.handle, "How long should a walk be?", minutes_ago=20)["id"]
