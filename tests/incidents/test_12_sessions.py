"""Incident 12: expired sessions, login and consent walls (178 commits): no submit, one alert, and it resumes after a refresh."""

import pytest

from xbot_dagster.store import posting

pytestmark = pytest.mark.browser


def wall(desk, name: str) -> None:
    if name == "expired":
        desk.world.client.end_session(desk.handle)
    elif name == "missing":
        (desk.sessions / "default.json").unlink()
    else:
        desk.world.client.set_fault(name)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("expired", "expired"),
        ("missing", "expired"),
        ("locked", "locked"),
        ("suspended", "suspended"),
        ("consent", "consent"),
    ],
)
def test_a_wall_pauses_posting_keeps_the_queue_and_is_told_once(browser_desk, name, state):
    desk = browser_desk
    decision = desk.add()
    wall(desk, name)
    for _ in range(3):
        report = desk.post()
        assert report.reasons["default"].startswith(f"session {state}")
        with desk.engine.connect() as conn:
            assert not posting.posting_due(conn)
        desk.pass_time(minutes=6)
        with desk.engine.connect() as conn:
            assert posting.posting_due(conn)
    assert (desk.submits(), desk.status(decision)) == (0, "queued")
    assert [rule for rule, _ in desk.alerts()] == ["session"]
    assert desk.rows("SELECT presubmit_failures FROM content_metadata")[0].presubmit_failures == 0
    desk.world.client.clear_faults()
    desk.sign_in()
    desk.post()
    assert desk.status(decision) == "posted"
    assert desk.alerts() == []


def test_a_session_that_ends_between_page_and_click_costs_nothing(browser_desk):
    desk = browser_desk
    decision = desk.add()
    desk.world.client.set_fault("session_expiry_after_load")
    report = desk.post()
    assert (report.deferred, desk.status(decision)) == (1, "queued")
    assert [rule for rule, _ in desk.alerts()] == ["session"]
    desk.sign_in()
    desk.pass_time(minutes=6)
    desk.post()
    assert desk.status(decision) == "posted"
    assert desk.ledger()["count"] == 1


def test_a_session_of_another_account_never_posts(browser_desk):
    desk = browser_desk
    desk.world.client.create_account("somebody_else")
    decision = desk.add()
    from xbot_dagster.x.browser.session import write_state

    write_state(desk.sessions / "default.json", desk.world.client.storage_state("somebody_else"))
    assert "belongs to @somebody_else" in desk.post().reasons["default"]
    assert (desk.submits(), desk.status(decision)) == (0, "queued")


def test_the_session_file_is_readable_by_its_owner_only(browser_desk):
    browser_desk.add()
    browser_desk.post()
    assert (browser_desk.sessions / "default.json").stat().st_mode & 0o777 == 0o600
