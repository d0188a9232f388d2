"""Incident 8: browser exhaustion (213 commits). One owner, a deadline on everything, contexts recycled: after many operations
with hangs and crashes there are as many processes and descriptors as before, and no more memory."""

import gc
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.publishing_world import browser_publisher
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.x.browser.session import BrowserHost
from xbot_dagster.x.protocols import OutgoingPost

pytestmark = pytest.mark.browser
MEBIBYTE = 2**20


def measure(others: set[int]) -> tuple[int, int, float]:
    """(processes of the browser, descriptors of ours, MiB that the browser itself has taken).

    Pages that its processes share count once. Its program's files do not count: how much of them is whose depends on how
    many other browsers run on the machine. `others` are children that were there before: other tests' services and browsers.
    """
    gc.collect()
    own = psutil.Process()
    family = [child for child in own.children(recursive=True) if child.pid not in others]
    memory = 0
    for process in family:
        try:
            memory += sum(part.pss for part in process.memory_maps() if not Path(part.path).is_file())
        except psutil.Error:
            continue
    return len(family), own.num_fds(), memory / MEBIBYTE


def soak(make_desk, operations: int, warm_up: int) -> tuple[tuple[int, int, float], tuple[int, int, float]]:
    desk = make_desk()
    others = {child.pid for child in psutil.Process().children(recursive=True)}
    host = BrowserHost(find_browser(), pages_per_context=20)
    publisher = browser_publisher(desk, host)
    publisher._submit_ms = 1_000
    desk.world.client.set_fault("drop_request", probability=0.05, seed=1, mode="hang")
    desk.world.client.set_fault("crash_after_click", probability=0.05, seed=2)
    desk.world.client.set_fault("accept_drop_response", probability=0.05, seed=3)
    desk.world.client.set_fault("overlay", probability=0.05, seed=4)
    start = end = (0, 0, 0.0)
    try:
        for number in range(operations):
            if number % 3 == 0:
                words = f"Operation {number} of the soak."
                publisher.publish(OutgoingPost("default", desk.handle, str(uuid.uuid4()), 0, words, "f"), lambda: None)
            elif number % 3 == 1:
                publisher.timeline("default", desk.handle, datetime.now(UTC))
            else:
                publisher.probe("default", desk.handle)
            if number == warm_up:
                publisher.timeline("default", desk.handle, datetime.now(UTC))
                start = measure(others)
        publisher.timeline("default", desk.handle, datetime.now(UTC))
        end = measure(others)
    finally:
        publisher.close()
    return start, end


def check(start: tuple[int, int, float], end: tuple[int, int, float]) -> None:
    assert end[0] <= start[0] + 2
    assert end[1] <= start[1] + 4
    assert end[2] <= 768
    assert end[2] <= start[2] * 1.35 + 60


def test_after_sixty_operations_nothing_has_grown(make_desk):
    check(*soak(make_desk, 60, 20))


@pytest.mark.slow
def test_after_five_hundred_operations_nothing_has_grown(make_desk):
    check(*soak(make_desk, 500, 60))


def test_a_browser_that_dies_is_replaced(make_desk):
    desk = make_desk()
    host = BrowserHost(find_browser())
    publisher = browser_publisher(desk, host)
    try:
        assert publisher.probe("default", desk.handle).state == "ok"
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # an earlier test's child may have ended by now
                if "chrom" in child.name() and "--type=" not in " ".join(child.cmdline()):
                    child.kill()
        psutil.wait_procs(psutil.Process().children(), timeout=1)
        first = publisher.probe("default", desk.handle)
        assert first.state in ("ok", "unknown")
        assert publisher.probe("default", desk.handle).state == "ok"
    finally:
        publisher.close()


def test_a_closed_host_leaves_no_process(make_desk):
    desk = make_desk()
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    publisher = browser_publisher(desk, BrowserHost(find_browser()))
    assert publisher.probe("default", desk.handle).state == "ok"
    publisher.close()
    _, alive = psutil.wait_procs(
        [process for process in psutil.Process().children(recursive=True) if process.pid not in before], timeout=10
    )
    assert alive == []
