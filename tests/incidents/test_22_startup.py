"""Incident 22: start-up that crash-loops. With a dependency down everything starts degraded and says so."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from xbot_dagster.resources.cache import Cache
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.opening import opened
from xbot_dagster.sensors.due_posts import due_posts
from xbot_dagster.settings import load_settings

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://nobody:pw-secret@127.0.0.1:9/xbot"


def command(tmp_path: Path, *words: str, **flags: str) -> subprocess.CompletedProcess[str]:
    environment = (
        {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        | {"XBOT_HOME": str(tmp_path / "home")}
        | flags
    )
    return subprocess.run(
        [sys.executable, "-c", "from xbot_dagster.cli import main; main()", *words],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False,
    )  # fmt: skip


def test_definitions_load_with_the_database_down(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": NOWHERE,
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "XBOT_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", "import xbot_dagster.definitions"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("sensor", [due_posts])
def test_a_sensor_skips_with_the_reason(sensor: dg.SensorDefinition, tmp_path: Path, cache_url: str) -> None:
    settings = load_settings(
        {
            "DATABASE_URL": NOWHERE,
            "DAGSTER_DATABASE_URL": NOWHERE,
            "REDIS_URL": cache_url,
            "XBOT_HOME": str(tmp_path / "home"),
        }
    )

    def down() -> object:
        with opened(settings) as found:
            return found

    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(
            instance,
            resources={"database": Database(down, "", "test")},  # pyright: ignore[reportArgumentType]
        ) as context,
    ):
        result = sensor.evaluate_tick(context)
    assert not result.run_requests
    assert result.skip_message is not None
    assert "degraded: The database at 127.0.0.1" in result.skip_message
    assert "pw-secret" not in result.skip_message


def test_a_command_says_it_in_one_sentence(tmp_path: Path, cache_url: str) -> None:
    done = command(tmp_path, "status", DATABASE_URL=NOWHERE, DAGSTER_DATABASE_URL=NOWHERE, REDIS_URL=cache_url)
    assert done.returncode == 1
    assert done.stderr.startswith("xbot: The database at 127.0.0.1, database xbot cannot be reached")
    assert "Traceback" not in done.stderr
    assert "pw-secret" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://u@h/d", "names mysql, but only PostgreSQL is supported"),
        ("not a url", "DATABASE_URL is not a database address"),
    ],
)
def test_a_wrong_database_url_is_named(tmp_path: Path, cache_url: str, url: str, sentence: str) -> None:
    done = command(tmp_path, "status", DATABASE_URL=url, DAGSTER_DATABASE_URL=NOWHERE, REDIS_URL=cache_url)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_redis_down_is_a_miss_and_nothing_is_lost() -> None:
    cache = Cache("redis://127.0.0.1:9/0", "test:")
    assert cache.get("default", "predictor:content:current") is None
    assert cache.put("default", "x", "1") is False
    assert cache.reachable() is False


def test_a_missing_browser_is_named(tmp_path: Path) -> None:
    done = command(tmp_path, "browser", XBOT_BROWSER_PATH="/nowhere/chromium")
    assert done.returncode == 1
    assert "XBOT_BROWSER_PATH=/nowhere/chromium is not an executable file" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command(tmp_path, "status", XBOT_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert "cannot be written: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_occupied_port_is_named(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = command(tmp_path, "dev", XBOT_DAGSTER_PORT=port)
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 is in use" in done.stderr
    assert "Traceback" not in done.stderr
