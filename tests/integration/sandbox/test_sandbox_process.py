"""The world as a process: found again, shared, killed, restarted, and never in the way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from xbot_dagster.errors import UserError
from xbot_dagster.sandbox.process import READY_FILE, WorldHandle, find_world, start_world, stop_world

ENOUGH_MIB = 120


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "sandbox"
    running = find_world(tmp_path / "sandbox")
    if running:
        stop_world(running)


def kill(handle: WorldHandle) -> None:
    os.kill(handle.pid, signal.SIGKILL)
    os.waitpid(handle.pid, 0)


def test_a_second_start_finds_the_same_world(home: Path) -> None:
    first = start_world(home, seed=1)
    assert start_world(home, seed=2) == first == find_world(home)
    assert first.client.health()["seed"] == 1
    stop_world(first)
    assert find_world(home) is None
    assert not psutil.pid_exists(first.pid)


def test_what_was_accepted_survives_kill_9(home: Path) -> None:
    world = start_world(home, seed=1)
    world.client.create_account("quiet")
    state = world.client.storage_state("quiet")
    world.client.set_fault("reject_226", count=3)
    world.client.set_fault("reject_226", count=1)
    before = []
    world.client.clear_faults()
    for n in range(5):
        before.append(world.client.recorded_post("quiet", f"Note {n}")["id"])
    followers = world.client.recorded_followers("quiet")
    kill(world)
    again = start_world(home, seed=99)
    assert again.pid != world.pid
    assert again.client.health()["seed"] == 1
    assert [post["id"] for post in again.client.ledger()["posts"]] == before
    assert again.client.storage_state("quiet") == state
    assert again.client.recorded_followers("quiet") >= followers
    assert int(again.client.recorded_post("quiet", "Note 5")["id"]) > int(before[-1])


def test_a_fault_keeps_its_count_over_a_restart(home: Path) -> None:
    world = start_world(home, seed=1)
    world.client.create_account("quiet")
    world.client.set_fault("empty_result", count=2)
    assert world.client.recorded_post("quiet", "One")["id"] is None
    kill(world)
    again = start_world(home, seed=1)
    ids = [again.client.recorded_post("quiet", text)["id"] for text in ("Two", "Three")]
    assert [post_id is None for post_id in ids] == [True, False]


def test_two_worlds_with_one_seed_agree(tmp_path: Path) -> None:
    clock = tmp_path / "clock.json"
    told = []
    for name in ("a", "b"):
        clock.write_text('{"now": "2026-11-08T12:00:00+00:00"}')
        world = start_world(tmp_path / name, seed=5, clock_file=clock)
        try:
            world.client.create_account("quiet", timezone="Europe/Berlin")
            ids = [world.client.recorded_post("quiet", f"Note {n} on walking")["id"] for n in range(8)]
            clock.write_text('{"now": "2026-11-10T12:00:00+00:00"}')
            metrics = world.client.recorded_metrics(ids)
            told.append(
                (
                    ids,
                    metrics,
                    world.client.recorded_followers("quiet"),
                    world.client.recorded_mentions("quiet"),
                    world.client.counterfactual("quiet"),
                )
            )
        finally:
            stop_world(world)
    assert told[0] == told[1]


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} is already in use"):
            start_world(home, seed=1, port=port)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(UserError, match="cannot write in"):
        start_world(blocked / "home", seed=1)


def test_a_stale_ready_file_is_not_believed(home: Path) -> None:
    home.mkdir()
    (home / READY_FILE).write_text(json.dumps({"pid": os.getpid(), "port": 1}))
    assert find_world(home) is None
    (home / READY_FILE).write_text("{half")
    assert find_world(home) is None
    assert find_world(home.parent / "nowhere") is None


def test_stopping_an_old_handle_leaves_the_new_world_alone(home: Path) -> None:
    old = start_world(home, seed=1)
    kill(old)
    new = start_world(home, seed=1)
    stop_world(old)
    assert find_world(home) == new


def test_the_process_prints_nothing_and_stays_small(home: Path) -> None:
    command = [sys.executable, "-m", "xbot_dagster.sandbox.world", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while find_world(home) is None:
            assert process.poll() is None
            time.sleep(0.05)
        world = find_world(home)
        assert world is not None
        world.client.create_account("quiet")
        for n in range(100):
            world.client.recorded_post("quiet", f"Note {n} on walking after lunch")
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == (b"", b"", 0)
    assert not (home / READY_FILE).exists()
    assert memory < ENOUGH_MIB


def test_the_clock_file_rules_and_a_broken_one_is_survived(home: Path, tmp_path: Path) -> None:
    clock = tmp_path / "clock.json"
    world = start_world(home, seed=1, clock_file=clock)
    assert world.client.clock()["simulated"] is False
    clock.write_text('{"now": "2026-11-08T13:05:00+02:00"}')
    assert world.client.clock() == {"now": "2026-11-08T11:05:00.000Z", "simulated": True}
    clock.write_text('{"now": "2026-11-')
    assert world.client.clock()["now"] == "2026-11-08T11:05:00.000Z"
    clock.write_text('{"now": "2026-11-09T00:00:00"}')  # no offset: nobody knows when that is
    assert world.client.clock()["now"] == "2026-11-08T11:05:00.000Z"
    assert "clock file not understood" in (home / "logs" / "sandbox.log").read_text()


def test_an_unreachable_world_is_one_clear_sentence(home: Path) -> None:
    world = start_world(home, seed=1)
    stop_world(world)
    with pytest.raises(UserError, match="gave no answer to GET /_sandbox/health"):
        world.client.health()
