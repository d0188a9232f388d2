"""What the sensors ask: is something due, and when next? Answered by indexes, whatever the history."""

from datetime import timedelta

from tests.publishing_world import set_config
from xbot_dagster.store import posting


def ask(desk, question):
    with desk.engine.connect() as conn:
        return question(conn)


def test_an_empty_queue_waits_for_nothing(desk):
    assert not ask(desk, posting.posting_due)
    assert ask(desk, posting.next_posting_time) is None
    assert not ask(desk, posting.reconcile_due)
    assert ask(desk, posting.next_look_time) is None


def test_the_next_moment_is_when_the_next_decision_is_due(desk):
    desk.add(minutes_ago=-30)
    assert not ask(desk, posting.posting_due)
    assert ask(desk, posting.next_posting_time) == desk.clock.now() + timedelta(minutes=30)
    desk.pass_time(minutes=30)
    assert ask(desk, posting.posting_due)


def test_after_a_post_the_ledger_says_when_to_ask_again(desk):
    desk.add(minutes_ago=2)
    desk.add()
    desk.post()
    assert not ask(desk, posting.posting_due)
    assert ask(desk, posting.next_posting_time) == desk.clock.now() + timedelta(minutes=30)


def test_a_doubt_hands_over_to_the_reconciler(desk):
    desk.add(minutes_ago=5)
    desk.post()
    desk.pass_time(hours=1)
    desk.world.client.set_fault("drop_request")
    desk.add()
    desk.post()
    assert not ask(desk, posting.posting_due)
    assert ask(desk, posting.reconcile_due)
    desk.reconcile()
    assert not ask(desk, posting.reconcile_due)
    assert ask(desk, posting.next_look_time) == desk.clock.now() + timedelta(seconds=10)


def test_a_stuck_lease_and_an_expired_row_are_reasons_to_run(desk):
    desk.add(expires_at=desk.clock.now() + timedelta(minutes=1), minutes_ago=-600)
    assert not ask(desk, posting.posting_due)
    desk.pass_time(minutes=1)
    assert ask(desk, posting.posting_due)
    assert desk.post().expired == 1
    assert not ask(desk, posting.posting_due)


def test_a_changed_limit_wakes_the_queue(desk):
    desk.add(minutes_ago=2)
    desk.add()
    set_config(desk, "learning_config", post_interval_min=120)
    desk.post()
    desk.pass_time(minutes=61)
    assert not ask(desk, posting.posting_due)
    set_config(desk, "learning_config", post_interval_min=30)
    assert ask(desk, posting.posting_due)


def test_the_questions_read_indexes_and_not_the_history(desk):
    desk.run(
        "INSERT INTO content_metadata (decision_id, account, decision_type, text, generation_source, status, scheduled_at, "
        "simulated) SELECT gen_random_uuid(), 'default', 'single', 'Past ' || n, 'synthetic', 'posted', "
        "xbot_now() - n * interval '1 minute', true FROM generate_series(1, 20000) n"
    )
    desk.add()
    desk.run("ANALYZE")
    plan = desk.rows(
        "EXPLAIN SELECT 1 FROM content_metadata c JOIN accounts a USING (account) WHERE c.status = 'queued' "
        "AND c.scheduled_at <= xbot_now()"
    )
    assert not any("Seq Scan on content_metadata" in row[0] for row in plan)
    with desk.engine.connect() as conn:
        assert posting.due(conn, "default", "synthetic")
