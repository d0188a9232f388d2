"""Incident 18: broken threads and replies. A thread resumes at its first unposted part, under the last posted one."""

from contextlib import suppress

import pytest

PARTS = ["One: a walk has no entrance fee.", "Two: nor a closing time.", "Three: begin at the door."]


class Crash(Exception):
    """The process died here."""


@pytest.mark.parametrize("crash", range(1, 6))
@pytest.mark.parametrize("moment", ["claimed", "armed", "submitted"])
def test_a_crash_between_parts_never_loses_doubles_or_flattens_a_thread(make_desk, moment, crash):
    from xbot_dagster.x.recorded import RecordedPublisher

    desk = make_desk(MAX_POSTS_PER_HOUR="10")
    desk.publisher = RecordedPublisher(desk.world.url, seconds=2)
    desk.add("An older note.")
    desk.post()
    desk.pass_time(hours=2)
    desk.world.client.set_fault("duplicate_check", enabled=False)
    decision = desk.add(kind="thread", parts=PARTS)
    seen = 0

    def die(reached: str) -> None:
        nonlocal seen
        seen += reached == moment
        if reached == moment and seen == crash:
            raise Crash

    for _ in range(60):
        with suppress(Crash):
            desk.post(hooks=die)
        if desk.status(decision) == "posted":
            break
        desk.pass_time(minutes=3)
        desk.reconcile()
    thread = desk.ledger()["posts"][1:]
    assert [post["text"] for post in thread] == PARTS
    assert [post["in_reply_to"] for post in thread] == [None, thread[0]["id"], thread[1]["id"]]
    assert desk.rows("SELECT parts FROM posted_decisions WHERE decision_id = :d", d=decision)[0].parts == 3


def test_a_thread_whose_head_was_deleted_goes_to_a_person(desk):
    decision = desk.add(kind="thread", parts=PARTS)
    desk.post()
    head = desk.ledger()["posts"][1]["id"]
    desk.world.client.delete_post(head)
    desk.pass_time(hours=1)
    desk.post()
    assert desk.status(decision) == "needs_human"
    assert desk.ledger()["count"] == 2
