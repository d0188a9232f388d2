"""Fixtures of the measuring tests: a reader on real Chromium, pages of our own over loopback, and the replica of X.

Folders that use them import them in their conftest.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from xbot_dagster.clock import SimulatedClock
from xbot_dagster.embedded.browser import find_browser
from xbot_dagster.sandbox.process import start_world, stop_world
from xbot_dagster.x.browser import reading
from xbot_dagster.x.browser.metrics import BrowserMetrics
from xbot_dagster.x.browser.session import BrowserHost
from xbot_dagster.x.protocols import MetricRead, TweetRef

NOON = datetime(2026, 11, 8, 12, tzinfo=UTC)
_handles = (f"reader{number}" for number in itertools.count(1))


@dataclass
class Replica:
    url: str
    client: Any
    clock: SimulatedClock


@pytest.fixture(scope="session")
def host() -> BrowserHost:
    return BrowserHost(find_browser(None))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that never show what is waited for end the wait sooner."""
    monkeypatch.setattr(reading, "PAGE_S", 2.5)


@pytest.fixture
def reader(httpserver: HTTPServer, host: BrowserHost) -> Iterator[BrowserMetrics]:
    """A reader whose site is the test's own pages."""
    found = BrowserMetrics(host, httpserver.url_for(""), lambda account: None)
    yield found
    found.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    home = tmp_path_factory.mktemp("metrics-replica")
    clock = SimulatedClock(home / "clock.json", NOON)
    handle = start_world(home / "world", seed=5, clock_file=clock.path)
    yield Replica(handle.url, handle.client, clock)
    stop_world(handle)


@pytest.fixture
def replica(world: Replica) -> Replica:
    """The replica without faults, on a day of its own."""
    world.client.clear_faults()
    world.clock.set((world.clock.now() + timedelta(days=2)).replace(hour=12, minute=0, second=0))
    return world


@pytest.fixture
def handle(replica: Replica) -> str:
    """An account that no other test has posted with."""
    name = next(_handles)
    replica.client.create_account(name)
    return name


@pytest.fixture
def metrics(replica: Replica, host: BrowserHost, handle: str) -> Iterator[BrowserMetrics]:
    found = BrowserMetrics(host, replica.url, lambda account: replica.client.storage_state(handle))
    yield found
    found.close()


@pytest.fixture
def publish(replica: Replica, handle: str) -> Callable[..., TweetRef]:
    """Put one post onto the replica without a browser; returns what the reader is asked about."""

    def post(words: str, reply_to: str | None = None) -> TweetRef:
        tweet_id = replica.client.recorded_post(handle, words, reply_to)["id"]
        return TweetRef(tweet_id, handle, words, replica.clock.now(), reply_to is not None)

    return post


def only(reads: Iterator[MetricRead]) -> MetricRead:
    [read] = list(reads)
    return read
