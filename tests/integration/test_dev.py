"""`xbot dev`: says where to look once everything answers, and leaves no process behind after Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

# As a shell starts a background job: with interrupts ignored, which what it starts would inherit.
PROGRAM = ["sh", "-c", 'trap "" INT; exec "$0" -c "from xbot_dagster.cli import main; main()" dev', sys.executable]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url: str, query: str | None = None) -> str:
    body = json.dumps({"query": query}).encode() if query else None
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def running_under(folder: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if any(str(folder) in w for w in p.info["cmdline"] or ())]


def test_the_dashboard_alone_ends_what_it_started(tmp_path: Path) -> None:
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {
        "XBOT_HOME": str(tmp_path / "h"),
        "XBOT_API_PORT": str(port),
        "PUBLISHER": "recorded",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "xbot_dagster.dashboard"], env=environment, start_new_session=True
    )
    deadline = time.monotonic() + 90
    try:
        while True:
            try:
                fetch(f"http://127.0.0.1:{port}/readyz")
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert running_under(tmp_path)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert running_under(tmp_path) == []


def test_it_opens_everything_and_ends_everything(tmp_path: Path) -> None:
    dagster, api = free_port(), free_port()
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {
        "XBOT_HOME": str(tmp_path / "h"),
        "XBOT_DAGSTER_PORT": str(dagster),
        "XBOT_API_PORT": str(api),
        "PUBLISHER": "recorded",
    }
    process = subprocess.Popen(
        PROGRAM, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )  # fmt: skip
    family: list[int] = []
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        printed = "".join(said)
        assert f"http://127.0.0.1:{dagster}" in printed, printed
        assert f"http://127.0.0.1:{api}" in printed
        nodes = json.loads(fetch(f"http://127.0.0.1:{dagster}/graphql", "{ assetNodes { assetKey { path } } }"))
        names = {node["assetKey"]["path"][-1] for node in nodes["data"]["assetNodes"]}
        assert {"content_candidates", "queued_decisions", "posted_tweets", "pass2_outcomes", "bandit_arms"} <= names
        assert "totalOutcomes" in fetch(f"http://127.0.0.1:{api}/api/learning/status")
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        assert len(family) > 5
    finally:
        os.kill(process.pid, signal.SIGINT)
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)  # impatience leaves nothing behind
        rest, _ = process.communicate(timeout=90)
    assert process.returncode == 0, rest
    assert "nothing is left running" in rest
    assert [pid for pid in family if psutil.pid_exists(pid)] == []
    assert running_under(tmp_path) == []
