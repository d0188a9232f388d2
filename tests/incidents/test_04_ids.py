"""Incident 4: null, fake and wrong ids; a stranger's 20,000 likes credited to our own post."""

import pytest
from sqlalchemy.exc import IntegrityError

pytestmark = pytest.mark.browser


def in_doubt(desk, **decision) -> str:
    desk.add("An older note about sleep.", minutes_ago=50)
    desk.post()
    desk.pass_time(hours=2)
    desk.world.client.set_fault("accept_drop_response")
    decision_id = desk.add(**decision)
    desk.post()
    assert desk.status(decision_id) == "in_doubt"
    return decision_id


def adopted_text(desk, decision_id: str) -> str:
    assert desk.reconcile().adopted == (decision_id,)
    [row] = desk.rows("SELECT tweet_id FROM posted_decisions WHERE decision_id = :d", d=decision_id)
    return {post["id"]: post["text"] for post in desk.ledger()["posts"]}[row.tweet_id]


def test_between_a_pinned_post_an_advertisement_and_a_repost_our_own_post_is_found(browser_desk):
    decision = in_doubt(browser_desk, body="Ours, and nobody else's.")
    assert adopted_text(browser_desk, decision) == "Ours, and nobody else's."


def test_of_a_reply_the_parent_is_never_taken(browser_desk):
    mention = browser_desk.world.client.mention(browser_desk.handle, "A question", minutes_ago=20)
    decision = in_doubt(browser_desk, body="An answer.", kind="reply", target=mention["id"])
    assert adopted_text(browser_desk, decision) == "An answer."


def test_a_post_that_is_indexed_late_is_waited_for(browser_desk):
    desk = browser_desk
    desk.add("An older note about sleep.")
    desk.post()
    desk.pass_time(hours=2)
    desk.world.client.set_fault("timeline_lag", seconds=90, count=1)
    desk.world.client.set_fault("accept_drop_response")
    decision = desk.add("Late, but there.")
    desk.post()
    assert desk.reconcile().waiting == 1
    desk.settle()
    assert desk.status(decision) == "posted"
    assert desk.submits() == 2


@pytest.mark.parametrize("fake", ["1762603200000", "undefined", "posted-1", "", "12120926280296980481x"])
def test_the_database_takes_no_made_up_id(desk, fake):
    decision = desk.add()
    with pytest.raises(IntegrityError):
        desk.run("UPDATE content_metadata SET tweet_id = :fake WHERE decision_id = :d", fake=fake, d=decision)
