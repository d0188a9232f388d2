"""The home and its services: shared by processes, surviving a crash, ended by the last user; bad input in one sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from xbot_dagster.embedded import postgres, services, valkey
from xbot_dagster.embedded.home import Home, started_at
from xbot_dagster.errors import HomeError
from xbot_dagster.settings import load_settings

HOLD = """
import sys, json
from xbot_dagster.embedded import services
from xbot_dagster.settings import load_settings
found = services.attach(load_settings({"XBOT_HOME": sys.argv[1]}))
print(json.dumps([found.database_url, found.redis_url]), flush=True)
sys.stdin.readline()
"""


class Holder:
    """Another process that uses the home until it is told to end."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.database_url, self.redis_url = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0

    def crash(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    if home.path.exists():
        with home.locked():
            services.stop_all(home)


def test_processes_share_the_services_and_the_last_one_ends_them(home: Home) -> None:
    first, second = Holder(home.path), Holder(home.path)
    assert (first.database_url, first.redis_url) == (second.database_url, second.redis_url)
    assert set(home.users()) == {first.process.pid, second.process.pid}
    database, cache = postgres.pid(home.postgres), valkey.pid(home.valkey)
    assert database is not None
    assert cache is not None
    first.end()
    assert started_at(database) is not None
    second.end()
    assert started_at(database) is None
    assert started_at(cache) is None


def test_services_survive_a_crash_and_end_with_the_next_last_user(home: Home) -> None:
    crashed = Holder(home.path)
    with psycopg.connect(crashed.database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS n")
    database = postgres.pid(home.postgres)
    assert database is not None
    crashed.crash()
    assert started_at(database) is not None
    following = Holder(home.path)
    assert postgres.pid(home.postgres) == database
    with psycopg.connect(following.database_url) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (1,)
    following.end()
    assert started_at(database) is None


def test_a_killed_database_starts_again_with_its_data(home: Home) -> None:
    first = Holder(home.path)
    with psycopg.connect(first.database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 2 AS n")
    server = psutil.Process(postgres.pid(home.postgres) or 0)
    for process in [server, *server.children(recursive=True)]:
        process.kill()
    psutil.wait_procs([server], timeout=10)
    first.crash()
    time.sleep(0.2)
    second = Holder(home.path)
    with psycopg.connect(second.database_url) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (2,)
    second.end()


def test_the_number_of_a_server_that_is_gone_is_nobody(home: Home) -> None:
    """After a crash of the machine its number may be somebody else's, who must not be ended in its place."""
    home.prepare()
    home.postgres.mkdir()
    (home.postgres / "postmaster.pid").write_text(f"{os.getpid()}\n{home.postgres}\n")
    assert postgres.pid(home.postgres) is None
    postgres.stop(home.postgres)


FIRST_STARTS = """
set -e
cp -a /etc {folder}/etc
mount --bind {folder}/etc /etc
sed -i '/^pgserver:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow
printf '#!/bin/sh\nsleep 0.5\nexec %s "$@"\n' "$(command -v useradd)" > {folder}/useradd
chmod +x {folder}/useradd
export PATH={folder}:$PATH
for number in 1 2 3 4 5; do
  mkdir {folder}/$number
  {python} -c "
from pathlib import Path
from xbot_dagster.embedded import postgres
data = Path('{folder}/$number/postgres')
postgres.start(data)
postgres.stop(data)" &
  started="$started $!"
done
for process in $started; do wait $process; done
"""


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None,
    reason="only root's server runs as somebody else, and only a mount namespace of its own lets a test remove that user",
)
def test_first_starts_at_the_same_moment_create_one_user(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    script = FIRST_STARTS.format(folder=tmp_path, python=sys.executable)
    done = subprocess.run(["unshare", "--mount", "bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    users = (tmp_path / "etc" / "passwd").read_text().splitlines()
    assert len([user for user in users if user.startswith("pgserver:")]) == 1


def test_a_reused_pid_is_not_a_user(home: Home) -> None:
    home.prepare()
    (home.path / "users.json").write_text(json.dumps({"1": 12345.0, "not a pid": 1.0}))
    assert home.users() == {}
    (home.path / "users.json").write_text(json.dumps({"1": 12345.0}))
    assert home.users() == {}


def test_an_unwritable_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match=r"cannot be written: Not a directory\. Set XBOT_HOME"):
        services.attach(load_settings({"XBOT_HOME": str(tmp_path / "file" / "home")}))


def test_a_half_created_database_directory_is_named_and_kept(home: Home) -> None:
    home.prepare()
    home.postgres.mkdir()
    (home.postgres / "PG_VERSION").write_text("18\n")
    with pytest.raises(HomeError, match=r"half-created.*Remove"):
        postgres.start(home.postgres)
    assert (home.postgres / "PG_VERSION").exists()


@pytest.mark.skipif(
    os.getuid() != 0, reason="only root's copies change owner, and only root's server runs as somebody else"
)
def test_a_copy_that_lost_its_owner_is_named_with_the_way_back(home: Home, tmp_path: Path) -> None:
    home.prepare()
    postgres.start(home.postgres)
    postgres.stop(home.postgres)
    copy = tmp_path / "copy"
    shutil.copytree(home.postgres, copy)
    with pytest.raises(HomeError, match="copied without their owner") as refused:
        postgres.start(copy)
    assert refused.value.hint.startswith("Run: chown -R ")
    subprocess.run(refused.value.hint.removeprefix("Run: ").split(), check=True)
    postgres.start(copy)
    postgres.stop(copy)


def test_a_home_whose_path_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"too long.*shorter"):
        Home(tmp_path / ("x" * 220)).prepare()


def test_a_valkey_that_hangs_is_replaced_under_its_address(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.prepare()
    before = valkey.start(home.valkey)
    number = valkey.pid(home.valkey)
    assert number is not None
    psutil.Process(number).suspend()
    monkeypatch.setattr(valkey, "_ANSWER_SECONDS", 0.5)
    assert valkey.start(home.valkey) == before
    assert valkey.pid(home.valkey) != number
    assert started_at(number) is None, "two servers on one directory would overwrite each other's file"


def test_a_valkey_that_was_killed_comes_back_under_its_address(home: Home) -> None:
    """Workers wait for the broker they know."""
    home.prepare()
    before = valkey.start(home.valkey)
    number = valkey.pid(home.valkey)
    assert number is not None
    psutil.Process(number).kill()
    psutil.wait_procs([psutil.Process(number)] if psutil.pid_exists(number) else [], timeout=10)
    assert valkey.start(home.valkey) == before
    assert valkey.pid(home.valkey) != number
