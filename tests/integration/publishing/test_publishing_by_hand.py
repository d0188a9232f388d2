"""What a person does by hand: settle a doubt, and look at a scheduling cycle without letting it happen."""

import pytest

from tests.publishing_world import set_config
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.stages import schedule_check, settling


@pytest.fixture
def doubtful(desk):
    """(desk, a decision in doubt whose post is live, its tweet id)."""
    desk.add("An older note about sleep.")
    desk.post()
    desk.pass_time(hours=1)
    desk.world.client.set_fault("accept_drop_response")
    decision = desk.add("In doubt, and live.")
    desk.post()
    return desk, decision, desk.ledger()["posts"][-1]["id"]


def test_a_person_adopts_what_they_found(doubtful):
    desk, decision, tweet_id = doubtful
    settling.adopt(desk.engine, desk.clock, desk.settings, decision, tweet_id)
    assert desk.status(decision) == "posted"
    assert desk.rows("SELECT 1 FROM audit_log WHERE event_type = 'DOUBT_SETTLED'")
    with pytest.raises(NotFound):
        settling.adopt(desk.engine, desk.clock, desk.settings, decision, tweet_id)


def test_a_person_sends_back_what_is_not_there(doubtful):
    desk, decision, _ = doubtful
    settling.not_live(desk.engine, decision)
    assert (desk.status(decision), desk.attempts(decision)) == ("queued", ["not_live"])


def test_a_made_up_id_and_another_decisions_id_are_refused(doubtful):
    desk, decision, _ = doubtful
    with pytest.raises(UsageError, match="not the id of a post"):
        settling.adopt(desk.engine, desk.clock, desk.settings, decision, "1762603200000")
    with pytest.raises(Conflict, match="already belongs"):
        settling.adopt(desk.engine, desk.clock, desk.settings, decision, desk.ledger()["posts"][0]["id"])
    with pytest.raises(NotFound):
        settling.not_live(desk.engine, "no-such-decision")


def test_what_needed_a_person_can_still_be_adopted_and_then_counts_in_the_ledger(desk):
    desk.add("An older note about sleep.")
    desk.post()
    desk.pass_time(hours=1)
    desk.world.client.set_fault("drop_request", count=2)
    decision = desk.add("Posted by hand in the end.")
    for _ in range(2):
        desk.post()
        desk.settle()
    assert desk.status(decision) == "needs_human"
    by_hand = desk.world.client.recorded_post(desk.handle, "Posted by hand in the end.")["id"]
    settling.adopt(desk.engine, desk.clock, desk.settings, decision, by_hand)
    assert desk.status(decision) == "posted"
    assert ("needs_human", decision) not in desk.alerts()
    assert desk.rows("SELECT count(*) AS n FROM post_slots WHERE released_at IS NULL")[0].n == 2


def test_the_scheduling_cycle_names_every_check_and_changes_nothing(desk, caplog):
    caplog.set_level("INFO", "xbot")
    decision = desk.add("What would be posted.")
    before = desk.rows("SELECT status, updated_at FROM content_metadata")
    report = schedule_check.run(desk.engine, desk.settings)
    names = [check.check for check in report.checks]
    assert names == ["publication", "switches", "circuit", "session", "queue", "rate ledger", "post_fraction"]
    assert all(check.passed for check in report.checks)
    assert report.would_post == ("What would be posted.",)
    assert "[POSTING_ORCHESTRATOR] 🌓 SHADOW MODE - Would post: What would be posted." in [
        record.getMessage() for record in caplog.records
    ]
    assert desk.rows("SELECT status, updated_at FROM content_metadata") == before
    assert desk.rows("SELECT 1 FROM posting_attempts") == desk.rows("SELECT 1 FROM post_slots") == []
    assert (desk.submits(), desk.status(decision)) == (0, "queued")


def test_the_check_that_fails_is_the_one_that_is_wrong(desk):
    set_config(desk, "controls", stop_posting=True)
    desk.run("UPDATE accounts SET circuit_state = 'open', circuit_reason = 'ghost post 1'")
    failed = {
        check.check: check.detail for check in schedule_check.run(desk.engine, desk.settings).checks if not check.passed
    }
    assert failed["switches"] == "stop_posting=true"
    assert failed["circuit"] == "ghost post 1"
    assert failed["queue"] == "0 due"
    assert "rate ledger" in failed, "an open circuit holds the slot"


def test_an_empty_queue_says_what_it_waits_for_and_does_not_blame_the_ledger(desk):
    desk.add(approval_required=True)
    later = desk.add(minutes_ago=-90)
    at = desk.rows("SELECT scheduled_at FROM content_metadata WHERE decision_id = :d", d=later)[0].scheduled_at
    checks = {check.check: check for check in schedule_check.run(desk.engine, desk.settings).checks}
    assert checks["queue"].detail == f"0 due, 1 awaiting approval, next at {at:%Y-%m-%d %H:%M} UTC"
    assert (checks["queue"].passed, checks["rate ledger"].passed) == (False, True)
