"""Every fenced command and query of README_OPERATIONS.md runs on a sandbox home, in the order of the document."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from xbot_dagster.embedded import services
from xbot_dagster.resources.opening import initialise, opened
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import alerts

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "README_OPERATIONS.md"
_BLOCK = re.compile(
    r"(?:<!-- not executed: (?P<reason>[^>]+) -->\n)?```(?P<kind>bash|sql)\n(?P<body>.*?)```", re.DOTALL
)
MOST_SKIPPED = 1


@dataclass(frozen=True)
class Step:
    """One command line, or one statement."""

    kind: str
    words: str


def blocks() -> list[tuple[str, str, str | None]]:
    return [(m["kind"], m["body"], m["reason"]) for m in _BLOCK.finditer(DOCUMENT.read_text())]


def steps() -> list[Step]:
    found = []
    for kind, body, reason in blocks():
        if reason is not None:
            continue
        if kind == "sql":
            bare = re.sub(r"--[^\n]*", "", body)
            found += [Step(kind, " ".join(s.split())) for s in bare.split(";") if s.strip()]
        else:
            found += [Step(kind, line.split("  #")[0].strip()) for line in body.splitlines() if line.strip()]
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = load_settings({"XBOT_HOME": str(tmp_path_factory.mktemp("documented") / "home")})
    initialise(settings, seed=7)
    yield settings
    services.detach(settings)


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    assert len(DOCUMENT.read_text().split("```")) == 2 * len(blocks()) + 1, "a fence is neither bash nor sql"
    skipped = [reason for _, _, reason in blocks() if reason is not None]
    assert all(len(reason) > 10 for reason in skipped)
    assert len(skipped) <= MOST_SKIPPED
    assert len(steps()) > 60


class Shell:
    """Runs documented lines: `xbot` as this checkout's, `curl` against a service that stands as long as it is asked."""

    def __init__(self, home: Settings, folder: Path, alert_urls: str) -> None:
        # Only what a shell needs travels: a flag of the developer's own shell must not steer a documented command.
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        flags = {"XBOT_HOME": str(home.home), "ADMIN_TOKEN": "correct-horse-battery-staple", "ALERT_URLS": alert_urls}
        self.home, self.folder, self.environment = home, folder, kept | flags
        self.service: subprocess.Popen[bytes] | None = None
        self.address = ""

    def run(self, line: str) -> str:
        """What went wrong, or ''."""
        if line.startswith("curl "):
            return self._curl(line)
        self.end_service()
        name, *words = shlex.split(line)
        assert name == "xbot", line
        if words[0] == "workers":
            return self._until_interrupted([sys.executable, "-c", "from xbot_dagster.cli import main; main()", *words])
        if words[0] == "restore":
            services.detach(self.home)  # a restore refuses while this process uses the deployment
        program = [sys.executable, "-c", "from xbot_dagster.cli import main; main()"]
        # Health and doctor answer 3 where something is missing: that is a finding about the home, not a broken command.
        allowed = (0, 3) if words[0] in ("health", "doctor") else (0,)
        return self._ended([*program, *words], allowed)

    def _curl(self, line: str) -> str:
        if self.service is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = str(probe.getsockname()[1])
            self.address = f"http://127.0.0.1:{port}"
            command = [sys.executable, "-m", "xbot_dagster.dashboard"]
            self.service = subprocess.Popen(command, env={**self.environment, "XBOT_API_PORT": port}, cwd=self.folder)
            ready = [
                "curl",
                "-sf",
                "--retry",
                "60",
                "--retry-delay",
                "1",
                "--retry-all-errors",
                f"{self.address}/readyz",
            ]
            subprocess.run(ready, check=True, capture_output=True)
        asked = line.replace("http://127.0.0.1:8000", self.address).replace("curl ", "curl --fail-with-body ", 1)
        return self._ended(["bash", "-c", asked], (0,))

    def _until_interrupted(self, command: list[str]) -> str:
        """A command that goes on until Ctrl-C: it comes so far as to say so, and ends well."""
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    process.send_signal(signal.SIGINT)
        return "" if process.returncode == 0 else f"{process.returncode}: {''.join(said)[-300:]}"

    def _ended(self, command: list[str], allowed: tuple[int, ...]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode in allowed:
            return ""
        return f"{done.returncode}: {(done.stderr.strip() or done.stdout.strip())[-300:]}"

    def end_service(self) -> None:
        """End the service, after the runs it has triggered."""
        if self.service is None:
            return
        triggered = psutil.Process(self.service.pid).children()
        self.service.terminate()
        self.service.wait(timeout=30)
        self.service = None
        psutil.wait_procs([run for run in triggered if run.is_running()], timeout=120)


def prepare(home: Settings) -> None:
    """What a deployment has that has run for a while: a version that serves, a dozen alerts, and posts of other people."""
    with opened(home) as found, found.engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO predictor_versions (account, kind, version, algorithm, as_of, n, payload, state, promoted_at, "
                "simulated) VALUES ('default', 'content', 1, 'ridge', xbot_now(), 5, '{}', 'champion', xbot_now(), true)"
            )
        )
        conn.execute(
            text(
                "INSERT INTO reply_targets (account, target_tweet_id, target_username, kind, target_text, state) VALUES "
                "('default', '1858191230021746688', 'somebody', 'mention', 'A question of last year.', 'dropped'), "
                "('default', '1858191230021746689', 'curious_reader', 'mention', 'Another question.', 'dropped')"
            )
        )
        for number in range(12):
            alerts.raise_alert(conn, "test", str(number), "warning", "A test.")


@pytest.mark.slow
def test_every_documented_step_runs(home: Settings, tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("")
    shell = Shell(home, tmp_path, f"json://127.0.0.1:{httpserver.port}/hook")
    prepare(home)
    failed = []
    try:
        for step in steps():
            if step.kind == "sql":
                with opened(home) as found, found.engine.begin() as conn:
                    conn.execute(text(step.words))
            elif wrong := shell.run(step.words):
                failed.append(f"{step.words} -> {wrong}")
    finally:
        shell.end_service()
    assert not failed, "\n".join(failed)
    assert any("xbot: a test" in request.get_data(as_text=True) for request, _ in httpserver.log)
