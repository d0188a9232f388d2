"""Incident 3: posts nobody ordered. One module can post, and an unknown post on our timeline stops everything."""

import pytest

from tests.publishing_world import Desk
from xbot_dagster.stages.reconcile import sweeps_due
from xbot_dagster.store import standing
from xbot_dagster.x.protocols import Probe


def test_an_unknown_post_stops_posting_and_names_itself(desk):
    desk.add()
    desk.post()
    desk.pass_time(hours=1)
    ghost = desk.world.client.ghost(desk.handle, "Buy my coins!")["id"]
    decision = desk.add()
    report = desk.post()
    assert report.reasons["default"] == f"ghost post {ghost}"
    assert (desk.status(decision), ("ghost_post", ghost) in desk.alerts()) == ("queued", True)
    desk.pass_time(hours=1)
    assert desk.post().reasons["default"] == f"circuit open: ghost post {ghost}"
    assert desk.ledger()["by_origin"] == {"recorded": 1, "ghost": 1}


def test_the_sweep_finds_it_without_anything_to_post(desk):
    ghost = desk.world.client.ghost(desk.handle, "Buy my coins!")["id"]
    assert desk.reconcile(sweep=True).ghosts == (ghost,)
    assert desk.rows("SELECT circuit_state FROM accounts")[0].circuit_state == "open"


def test_a_person_who_closes_the_circuit_accepts_the_post(desk):
    desk.world.client.ghost(desk.handle, "Written by hand on the phone.")
    desk.reconcile(sweep=True)
    with desk.engine.begin() as conn:
        assert standing.close_circuit(conn, "default")
    desk.add()
    assert len(desk.post().posted) == 1
    assert desk.reconcile(sweep=True).ghosts == ()


def test_our_own_posts_and_doubts_are_no_ghosts(desk):
    desk.add()
    desk.post()
    desk.pass_time(hours=1)
    desk.world.client.set_fault("accept_drop_response")
    desk.add()
    desk.post()
    assert desk.reconcile(sweep=True).ghosts == ()
    assert desk.rows("SELECT circuit_state FROM accounts")[0].circuit_state == "closed"


def test_what_was_there_before_us_is_no_ghost(desk):
    desk.world.client.ghost(desk.handle, "A post of last month.")
    desk.run("UPDATE accounts SET created_at = xbot_now() + interval '1 minute'")
    desk.pass_time(hours=1)
    assert desk.reconcile(sweep=True).ghosts == ()


def due(desk: Desk) -> list[str]:
    with desk.engine.connect() as conn:
        return sweeps_due(conn, desk.settings)


def test_a_timeline_nobody_has_looked_at_for_hours_is_looked_at(desk):
    """A night without a post to write is when a stolen password is used."""
    desk.add()
    desk.post()
    ghost = desk.world.client.ghost(desk.handle, "Buy my coins!")["id"]
    desk.pass_time(hours=5)
    assert (due(desk), desk.reconcile().ghosts) == ([], ())
    desk.pass_time(hours=1)
    assert due(desk) == ["default"]
    assert desk.reconcile().ghosts == (ghost,)
    assert due(desk) == [], "the circuit is open: it is known"


def test_a_look_without_a_find_is_not_repeated_at_once(desk):
    desk.pass_time(hours=6)
    assert due(desk) == ["default"]
    assert desk.reconcile().ghosts == ()
    assert due(desk) == []
    desk.pass_time(hours=6)
    assert due(desk) == ["default"]


@pytest.mark.parametrize("flags", [{"POSTING_DISABLED": "true"}, {"PUBLISHER": "shadow"}, {"MODE": "shadow"}])
def test_where_nothing_becomes_public_no_timeline_is_read(make_desk, flags):
    desk = make_desk(**flags)
    desk.pass_time(hours=7)
    assert due(desk) == []


def test_an_expired_session_is_known_before_a_post_is_due(desk):
    class Expired:
        name, real = "recorded", True

        def probe(self, account: str, handle: str) -> Probe:
            return Probe("expired", None, None, "nobody is signed in")

    desk.publisher = Expired()
    desk.pass_time(hours=7)
    assert desk.reconcile().unreadable == {"default": "session expired: nobody is signed in"}
    assert desk.alerts() == [("session", "default")]
