"""Shadow reaches no network: every decision type goes the whole path while the interpreter watches for sockets and processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.publishing_world import set_config

_FORBIDDEN = (
    "socket.connect",
    "socket.sendto",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
)
_watching = False
_seen: list[str] = []


def _watch(event: str, arguments: tuple) -> None:
    if _watching and event in _FORBIDDEN:
        _seen.append(f"{event} {arguments!r}"[:200])


# An audit hook cannot be taken away again, so it is added once and only looks while it is told to.
sys.addaudithook(_watch)


@contextmanager
def no_network() -> Iterator[list[str]]:
    """Everything that tries to reach a network or start a process inside the block. The database is libpq on a Unix socket."""
    global _watching
    _seen.clear()
    _watching = True
    try:
        yield _seen
    finally:
        _watching = False


@pytest.fixture(params=["MODE=shadow", "LIVE_POSTS=false", "post_fraction=0", "PUBLISHER=shadow"])
def shadow_desk(request, make_desk):
    """A desk of each way in which a decision must not go out. Its real publisher would blow up when touched."""
    live = {"APP_ENV": "production", "REDIS_PREFIX": "prod:", "POSTING_DISABLED": "false"}
    flags = {
        "MODE=shadow": {"MODE": "shadow", "POSTING_DISABLED": "false"},
        "LIVE_POSTS=false": {"MODE": "live", "PUBLISHER": "x_api", **live},
        "post_fraction=0": {},
        "PUBLISHER=shadow": {"PUBLISHER": "shadow"},
    }[request.param]
    desk = make_desk(**flags)
    set_config(desk, "learning_config", post_fraction=0 if request.param == "post_fraction=0" else 1, quiet_hours=[])
    return desk, request.param


class Quiet:
    """A publisher of the live kind whose session is in order and which must never be asked to publish."""

    name, real = "recorded", True

    def probe(self, account, handle):
        from xbot_dagster.x.protocols import Probe

        return Probe("ok", handle)

    def publish(self, post, arm):
        raise AssertionError("a shadow decision reached a real publisher")

    def close(self) -> None:
        """Nothing is open."""


def test_every_decision_type_is_shadowed_without_a_network(shadow_desk, caplog):
    desk, reason = shadow_desk
    caplog.set_level("INFO", "xbot")
    desk.publisher = Quiet()
    decisions = [
        desk.add("A single."),
        desk.add(kind="thread", parts=["A thread.", "Its end."]),
        desk.add("A reply.", kind="reply", target="1212092628029698048"),
    ]
    with no_network() as seen:
        report = desk.post()
    assert seen == []
    assert (report.shadowed, report.posted) == (3, ())
    assert {desk.status(decision) for decision in decisions} == {"shadowed"}
    assert {row.status_reason for row in desk.rows("SELECT status_reason FROM content_metadata")} == {reason}
    lines = [r.getMessage() for r in caplog.records]
    for words in ("A single.", "A thread.", "A reply."):
        assert f"[POSTING_ORCHESTRATOR] 🌓 SHADOW MODE - Would post: {words}" in lines
    rows = desk.rows("SELECT evidence FROM posting_attempts")
    assert all(row.evidence["would_post"] and row.evidence["would_post_at"] for row in rows)
    assert desk.rows("SELECT 1 FROM live_fingerprints") == []
    assert desk.rows("SELECT 1 FROM post_slots WHERE released_at IS NULL") == []
    assert desk.post().found == 0
    assert desk.submits() == 0


def test_the_guard_itself_sees_a_socket():
    import socket

    with no_network() as seen, socket.socket() as reached, pytest.raises(OSError):
        reached.connect(("127.0.0.1", 9))
    assert seen
