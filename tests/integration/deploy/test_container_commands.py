"""The commands of the containers, taken from compose.yaml and run here until their own health checks say they are healthy."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.deploy_files import ROOT, copied, instructions, ours
from xbot_dagster.embedded import postgres

HEALTHY_SECONDS = 180
END_SECONDS = 60


@dataclass
class Container:
    """A place like the image's WORKDIR, its environment and its ports."""

    folder: Path
    environment: dict[str, str]
    ports: dict[str, str] = field(default_factory=dict)

    def words(self, command: list[str]) -> list[str]:
        """A command of compose.yaml with this machine's free ports, its program found beside this Python."""
        program, *rest = [self.with_ports(word) for word in command]
        found = shutil.which(program, path=self.environment["PATH"])
        assert found is not None, f"{program} is not in the image"
        return [found, *rest]

    def check(self, test: list[str]) -> list[str]:
        """A health check as a command."""
        kind, *rest = test
        return self.words(rest if kind == "CMD" else ["sh", "-c", rest[0].replace("$$", "$")])

    def with_ports(self, word: str) -> str:
        for inside, here in self.ports.items():
            word = re.sub(rf"\b{inside}\b", here, word)
        return word


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def container(socket_dir: str, cache_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Two empty databases and a folder as the Dockerfile lays it; nothing of this shell's flags."""
    base = tmp_path_factory.mktemp("container")
    databases = [f"deploy_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    for name in databases:
        postgres.ensure_database(socket_dir, name)
    application, dagster = (postgres.url(socket_dir, name) for name in databases)
    addresses = {
        "DATABASE_URL": application,
        "DAGSTER_DATABASE_URL": dagster,
        "DAGSTER_PG_URL": re.sub(r"^\w+(\+\w+)?:", "postgresql+psycopg2:", dagster),
        "REDIS_URL": cache_url,
        "MODE": "shadow",
        "XBOT_LAUNCHER": "celery",
    }
    # compose.yaml sets exactly these; a flag added there must be thought of here.
    assert set(ours()["init"]["environment"]) == set(addresses)
    workdir = [rest for name, rest in instructions() if name == "WORKDIR"][-1]
    folder = base / "workdir"
    folder.mkdir()
    for sources, target in copied():
        if target.startswith(f"{workdir}/"):
            shutil.copy(ROOT / sources[0], folder / Path(target).name)
    kept = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG")}
    environment = kept | addresses | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XBOT_HOME": str(base / "home"), "DAGSTER_HOME": str(folder), "HOSTNAME": socket.gethostname(),
        "X_HANDLE": "xbot_demo", "ADMIN_TOKEN": "correct-horse-battery-staple", "APP_ENV": "staging",
        "REDIS_PREFIX": "stg:", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    yield Container(folder, environment, {"3000": free_port(), "8000": free_port()})
    with psycopg.connect(postgres.url(socket_dir, "postgres"), autocommit=True) as conn:
        for name in databases:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def run(container: Container, command: list[str], seconds: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=container.folder, env=container.environment, capture_output=True, text=True, timeout=seconds, check=False
    )  # fmt: skip


@pytest.fixture(scope="module")
def initialised(container: Container) -> Container:
    """After the one-off container, whose success the others wait for."""
    done = run(container, container.words(ours()["init"]["command"]))
    assert done.returncode == 0, done.stderr
    assert "family real, APP_ENV staging" in done.stdout
    return container


def test_the_one_off_sets_up_an_empty_database_and_may_run_again(initialised: Container) -> None:
    again = run(initialised, initialised.words(ours()["init"]["command"]))
    assert again.returncode == 0, again.stderr
    assert "0 migration(s)" in again.stdout


def test_the_api_refuses_the_containers_address_without_a_token(initialised: Container) -> None:
    open_to_all = {**initialised.environment, "XBOT_HOST": "0.0.0.0"}
    del open_to_all["ADMIN_TOKEN"]
    api = Container(initialised.folder, open_to_all, initialised.ports)
    done = run(api, api.words(ours()["api"]["command"]), 60)
    assert done.returncode == 2
    assert "Set ADMIN_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ours() if name != "init"])
def test_it_becomes_healthy_by_its_own_check_and_ends_when_told(initialised: Container, name: str) -> None:
    service = ours()[name]
    own = {
        k: initialised.with_ports(str(v)) for k, v in service["environment"].items() if k not in initialised.environment
    }
    container = Container(initialised.folder, initialised.environment | own, initialised.ports)
    log = initialised.folder / f"{name}.log"
    with open(log, "wb") as sink:
        process = subprocess.Popen(
            container.words(service["command"]), cwd=container.folder, env=container.environment,
            stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + HEALTHY_SECONDS
        check = container.check(service["healthcheck"]["test"])
        while run(container, check, 60).returncode != 0:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"never healthy: {log.read_text()[-2000:]}"
            time.sleep(1)
        process.send_signal(signal.SIGTERM)
        # 143 and -15 say "ended by TERM": what an engine expects as much as 0.
        assert process.wait(timeout=END_SECONDS) in (0, 143, -signal.SIGTERM), log.read_text()[-2000:]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
