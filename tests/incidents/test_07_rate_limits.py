"""Incident 7: rate limits wrong both ways (83 commits). Whatever happens, no rolling hour of X holds more than the limit, and
posting resumes when the window clears. Measured on the replica's own ledger."""

import random
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from tests.publishing_world import set_config
from xbot_dagster.x.recorded import RecordedPublisher


class Crash(Exception):
    """The process died here."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_interleaving_of_crashes_doubts_and_waits_keeps_the_hour(make_desk, seed):
    desk = make_desk()
    set_config(desk, "learning_config", quiet_hours=[], post_interval_min=15)
    desk.publisher = RecordedPublisher(desk.world.url, seconds=1)
    rng = random.Random(seed)
    desk.add("The first one.")
    desk.post()
    for name in ("accept_drop_response", "drop_request", "empty_result", "reject_88"):
        desk.world.client.set_fault(name, probability=0.08, seed=seed)
    for step in range(90):
        if rng.random() < 0.5:
            desk.add(minutes_ago=rng.randint(0, 30))
        if step % 30 == 0:
            desk.add(kind="thread", parts=[f"{step}.{n}: step by step." for n in range(3)])
        die_at = rng.choice(["claimed", "armed", "submitted", "resolved", None, None, None])

        def hook(moment: str, die_at=die_at) -> None:
            if moment == die_at:
                raise Crash

        with suppress(Crash):
            desk.post(hooks=hook)
        desk.reconcile()
        desk.pass_time(minutes=rng.choice([1, 2, 5, 11, 17]))
    desk.world.client.clear_faults()
    times = [datetime.fromisoformat(post["created_at"]) for post in desk.ledger()["posts"]]
    assert len(times) > 6
    for start in times:
        assert sum(start <= at < start + timedelta(hours=1) for at in times) <= 2
    assert desk.ledger()["duplicates"] == 0


def test_posting_resumes_when_the_window_clears(desk):
    for n in range(4):
        desk.add(minutes_ago=10 - n)
    desk.post()
    desk.pass_time(minutes=30)
    desk.post()
    desk.pass_time(minutes=29, seconds=59)
    assert desk.post().posted == ()
    desk.pass_time(seconds=1)
    assert len(desk.post().posted) == 1


def test_a_refused_submit_costs_nothing(desk):
    desk.world.client.set_fault("reject_186", count=4)
    for n in range(5):
        desk.add(minutes_ago=10 - n)
    assert len(desk.post().posted) == 1
