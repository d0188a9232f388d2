"""The whole way of a post through real Chromium onto the replica's own ledger."""

import pytest

pytestmark = pytest.mark.browser


def test_a_due_decision_becomes_a_post(browser_desk):
    decision = browser_desk.add("Two cups of water before coffee.\n\nA small habit, tried for a month.")
    report = browser_desk.post()
    assert report.reasons == {"default": "1 submitted, nothing else due"}
    assert len(report.posted) == 1
    assert browser_desk.status(decision) == "posted"
    assert browser_desk.live() == ["Two cups of water before coffee.\n\nA small habit, tried for a month."]
    [row] = browser_desk.rows("SELECT * FROM posted_decisions")
    assert row.tweet_id == report.posted[0] == browser_desk.ledger()["posts"][0]["id"]
    assert (row.via, row.next_pass, (row.next_due_at - row.posted_at).total_seconds()) == ("response", 1, 3600)
