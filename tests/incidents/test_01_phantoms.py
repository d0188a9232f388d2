"""Incident 1: posts that were live but marked failed, or marked posted and absent.

The real posting process (Chromium and all) is killed with SIGKILL at every named moment of a publication; the database goes
away at every one; each time a fresh start must end with exactly what the replica's own ledger shows.
"""

import uuid
from contextlib import suppress

import psutil
import pytest
from sqlalchemy.exc import OperationalError

from xbot_dagster.domain.publishing.retries import LEASE
from xbot_dagster.domain.publishing.states import HOOKS

TEXT = "A walk after dinner, killed on the way."


def past(desk) -> None:
    decision = desk.add("An older note about sleep.")
    desk.post()
    assert desk.status(decision) == "posted"
    desk.pass_time(hours=2)


def recover(desk) -> None:
    """Fresh processes, minute after minute, until nothing is open."""
    desk.pass_time(minutes=LEASE.total_seconds() / 60 + 1)
    for _ in range(30):
        desk.reconcile()
        desk.post()
        if desk.rows("SELECT 1 FROM content_metadata WHERE status NOT IN ('posted', 'needs_human')") == []:
            return
        desk.pass_time(minutes=1)


@pytest.mark.browser
@pytest.mark.parametrize("moment", HOOKS)
def test_killed_at_every_moment_it_is_live_once_and_known_to_be(desk, moment):
    past(desk)
    decision = desk.add(TEXT)
    assert desk.process(browser=True, die_at=moment) == -9
    recover(desk)
    assert desk.status(decision) == "posted"
    [post] = [post for post in desk.ledger()["posts"] if post["text"] == TEXT]
    [row] = desk.rows("SELECT tweet_id FROM posted_decisions WHERE decision_id = :d", d=decision)
    assert row.tweet_id == post["id"]
    assert desk.ledger()["duplicates"] == 0


@pytest.mark.browser
def test_a_killed_poster_leaves_no_browser_behind(desk):
    desk.add(TEXT)
    mark = uuid.uuid4().hex
    assert desk.process(browser=True, die_at="clicked", mark=mark) == -9
    _, alive = psutil.wait_procs(started_with(mark), timeout=20)
    assert alive == []
    assert started_with(mark) == []


def started_with(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PUBLISHING_TEST_MARK") == mark:
                found.append(process)
    return found


@pytest.mark.parametrize("moment", [moment for moment in HOOKS if moment not in ("clicked", "resolved")])
def test_with_the_database_gone_at_every_moment_nothing_is_lost_or_doubled(desk, moment):
    past(desk)
    decision = desk.add(TEXT)

    def lose(reached: str) -> None:
        if reached == moment:
            raise OperationalError("connection lost", None, Exception("the database system is shutting down"))

    with pytest.raises(OperationalError):
        desk.post(hooks=lose)
    recover(desk)
    assert desk.status(decision) == "posted"
    assert desk.live().count(TEXT) == 1
