"""Incident 3: posts nobody ordered. One module can post, and an unknown post on our timeline stops everything."""

from xbot_dagster.store import standing


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
