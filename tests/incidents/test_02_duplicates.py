"""Incident 2: one text live several times (94 commits). Two posters race; answers get lost; nothing is ever live twice."""

import json
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.publishing_world import Desk, set_config
from xbot_dagster.domain.publishing import retries
from xbot_dagster.stages import publish
from xbot_dagster.store import attempts, claims, doubts
from xbot_dagster.store.config import read_config
from xbot_dagster.store.engine import make_engine
from xbot_dagster.x.recorded import RecordedPublisher

LIMITS_OFF = {"MAX_POSTS_PER_HOUR": "50", "MIN_POST_INTERVAL_MINUTES": "0"}


def limits(desk: Desk):
    with desk.engine.begin() as conn:
        account = publish.deployment.account(conn, "default")
        return publish.limits_of(desk.settings, account, read_config(conn, desk.settings, "default"))


def test_posters_racing_over_one_queue_publish_everything_once(make_desk):
    desk = make_desk(**LIMITS_OFF)
    set_config(desk, "learning_config", post_interval_min=15, quiet_hours=[])
    desk.publisher = RecordedPublisher(desk.world.url, seconds=3)
    desk.world.client.set_fault("duplicate_check", enabled=False)
    decisions = [desk.add(minutes_ago=60 - n) for n in range(8)]
    barrier, trouble = threading.Barrier(3), []

    def poster() -> None:
        engine = make_engine(desk.engine.url, desk.clock)
        try:
            barrier.wait()
            for _ in range(4):
                publish.run(engine, desk.clock, desk.settings, lambda account: desk.the_publisher)
        except Exception as error:  # noqa: BLE001 (a thread's failure must reach the test)
            trouble.append(error)
        finally:
            engine.dispose()

    for _ in range(len(decisions)):
        racers = [threading.Thread(target=poster) for _ in range(3)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        barrier.reset()
        desk.pass_time(minutes=16)
    assert trouble == []
    assert {desk.status(decision) for decision in decisions} == {"posted"}
    assert (desk.ledger()["count"], desk.ledger()["duplicates"]) == (8, 0)
    assert desk.submits() == 8


def test_two_posting_processes_racing_over_one_queue_publish_everything_once(make_desk):
    desk = make_desk(**LIMITS_OFF)
    set_config(desk, "learning_config", post_interval_min=15, quiet_hours=[])
    desk.world.client.set_fault("duplicate_check", enabled=False)
    decisions = [desk.add(minutes_ago=60 - n) for n in range(6)]
    racers = [desk.worker(browser=False, **LIMITS_OFF) for _ in range(2)]
    told = []
    for _ in range(2 * len(decisions)):
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("{}\n")
            racer.stdin.flush()
        for racer in racers:
            assert racer.stdout is not None
            told.append(json.loads(racer.stdout.readline())["posted"])
        desk.pass_time(minutes=16)
    for racer in racers:
        racer.communicate(timeout=30)
    assert {desk.status(decision) for decision in decisions} == {"posted"}
    assert sum(map(len, told)) == desk.submits() == desk.ledger()["count"] == 6
    assert desk.ledger()["duplicates"] == 0


def test_lost_answers_and_lost_requests_never_double_a_post(make_desk):
    desk = make_desk(**LIMITS_OFF)
    set_config(desk, "learning_config", post_interval_min=15, quiet_hours=[])
    desk.publisher = RecordedPublisher(desk.world.url, seconds=1)
    desk.add("The first one, without a fault.")
    desk.post()
    desk.world.client.set_fault("duplicate_check", enabled=False)
    desk.world.client.set_fault("accept_drop_response", probability=0.3, seed=5)
    desk.world.client.set_fault("drop_request", probability=0.2, seed=6)
    desk.world.client.set_fault("empty_result", probability=0.2, seed=7, accepted=True)
    decisions = [desk.add(minutes_ago=60 - n) for n in range(12)]
    for _ in range(60):
        desk.pass_time(minutes=16)
        desk.post()
        desk.settle()
        if {desk.status(decision) for decision in decisions} <= {"posted", "needs_human"}:
            break
    by_status = [desk.status(decision) for decision in decisions]
    assert by_status.count("posted") + by_status.count("needs_human") == 12
    assert desk.ledger()["duplicates"] == 0
    assert desk.ledger()["count"] == by_status.count("posted") + 1


def test_a_worker_whose_lease_ran_out_cannot_arm(desk):
    desk.add()
    with desk.engine.begin() as conn:
        late = claims.claim(conn, "default", "synthetic", "recorded", limits(desk))
    assert isinstance(late, claims.Claim)
    desk.pass_time(minutes=retries.LEASE.total_seconds() / 60)
    with desk.engine.begin() as conn:
        assert doubts.recover_leases(conn).queued == (late.decision_id,)
    with pytest.raises(attempts.LostLease), desk.engine.begin() as conn:
        attempts.arm(conn, late, "f" * 64, None, {})
    desk.pass_time(minutes=5)
    assert len(desk.post().posted) == 1


def test_the_fence_of_a_later_claim_is_higher_and_the_earlier_claim_is_worth_nothing(desk):
    desk.add()
    with desk.engine.begin() as conn:
        first = claims.claim(conn, "default", "synthetic", "recorded", limits(desk))
    assert isinstance(first, claims.Claim)
    desk.pass_time(minutes=10)
    with desk.engine.begin() as conn:
        doubts.recover_leases(conn)
    desk.pass_time(minutes=10)
    with desk.engine.begin() as conn:
        second = claims.claim(conn, "default", "synthetic", "recorded", limits(desk))
    assert isinstance(second, claims.Claim)
    assert (second.fence > first.fence, second.attempt) == (True, 2)
    for late in (first, None):
        claim = late or claims.Claim(**{**second.__dict__, "fence": first.fence})
        with pytest.raises(attempts.LostLease), desk.engine.begin() as conn:
            attempts.arm(conn, claim, "f" * 64, None, {})


def test_a_late_answer_of_the_worker_that_submitted_is_taken(desk):
    decision = desk.add()
    held: list[claims.Claim] = []
    with desk.engine.begin() as conn:
        found = claims.claim(conn, "default", "synthetic", "recorded", limits(desk))
        assert isinstance(found, claims.Claim)
        held.append(found)
        attempts.arm(conn, found, "f" * 64, None, {})
    desk.pass_time(minutes=6)
    with desk.engine.begin() as conn:
        assert doubts.recover_leases(conn).in_doubt == (decision,)
    tweet_id = str(int((desk.clock.now().timestamp() - 300) * 1000 - 1288834974657) << 22)
    with desk.engine.begin() as conn:
        attempts.posted(conn, held[0], tweet_id, "response")
    assert desk.status(decision) == "posted"


def test_the_database_itself_refuses_a_second_open_submit_and_a_second_owner_of_an_id(desk):
    one, two = desk.add(), desk.add()
    insert = (
        "INSERT INTO posting_attempts (decision_id, part, attempt, account, state, publisher, fence, lease_until, post_key, "
        "fingerprint, armed_at, tweet_id, via) VALUES (:id, 0, 1, 'default', :state, 'recorded', 1, xbot_now(), :key, 'f', "
        "xbot_now(), :tweet, 'response')"
    )
    with desk.engine.begin() as conn:
        conn.execute(text(insert), {"id": one, "state": "armed", "key": "a", "tweet": None})
    with pytest.raises(IntegrityError), desk.engine.begin() as conn:
        conn.execute(text(insert), {"id": two, "state": "in_doubt", "key": "b", "tweet": None})
    desk.run("UPDATE posting_attempts SET state = 'posted', tweet_id = '1212092628029698048', via = 'response'")
    with pytest.raises(IntegrityError), desk.engine.begin() as conn:
        conn.execute(text(insert), {"id": two, "state": "posted", "key": "b", "tweet": "1212092628029698048"})
