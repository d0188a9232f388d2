"""What a person may get wrong about a rehearsal: one sentence, an exit code, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from xbot_dagster.embedded import services
from xbot_dagster.embedded.home import Home
from xbot_dagster.errors import UsageError
from xbot_dagster.rehearsal import driver
from xbot_dagster.settings import load_settings


def command(home: Path, *words: str, **flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from xbot_dagster.cli import main; main()", "rehearse", *words],
        capture_output=True, text=True, env=environment(home, **flags), cwd=home.parent, timeout=300, check=False,
    )  # fmt: skip


def environment(home: Path, **flags: str) -> dict[str, str]:
    return (
        {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        | {"XBOT_HOME": str(home), "PUBLISHER": "recorded"}
        | flags
    )


@pytest.mark.parametrize(
    ("words", "flags", "sentence", "code"),
    [
        ((), {"MODE": "shadow", "PUBLISHER": "shadow"}, "A rehearsal needs the sandbox, but MODE=shadow.", 2),
        (("--until", "yesterday"), {}, "--until yesterday is not a time.", 2),
        (("--days", "0"), {}, "Invalid value for '--days'", 2),
        (("--days", "1", "--sources", "nowhere.yaml"), {}, "nowhere.yaml does not exist.", 1),
        (("--days", "1", "--sources", "broken.yaml"), {}, "broken.yaml", 1),
        (("--days", "1", "--sources", "empty.yaml"), {}, "must hold a list named 'sources'", 1),
    ],
)
def test_each_mistake_is_one_sentence(
    tmp_path: Path, words: tuple[str, ...], flags: dict[str, str], sentence: str, code: int
) -> None:
    (tmp_path / "broken.yaml").write_text("sources:\n  - {name: a, kind: [\n")
    (tmp_path / "empty.yaml").write_text("topics: []\n")
    done = command(tmp_path / "home", *words, **flags)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_another_seed_on_a_rehearsed_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rehearsal.json").write_text(
        '{"seed": 7, "days": 1, "start": "2026-11-07T12:00:00+00:00", "until": "2026-11-08T12:00:00+00:00", '
        '"reached": "2026-11-08T12:00:00+00:00", "finished": true, "seconds": 1.0, "peak_rss_mb": 1.0}'
    )
    settings = load_settings({"XBOT_HOME": str(tmp_path)})
    with pytest.raises(UsageError, match="--seed 7"):
        driver.plan_rehearsal(settings, days=1, seed=8, until=None, sources=None)
    assert driver.plan_rehearsal(settings, days=1, seed=7, until=None, sources=None) is None


def test_fresh_refuses_a_real_home_and_a_database_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only empties a sandbox home"):
        driver.forget(load_settings({"XBOT_HOME": str(tmp_path), "MODE": "shadow"}))
    with pytest.raises(UsageError, match="does not empty a database of your own"):
        driver.forget(load_settings({"XBOT_HOME": str(tmp_path), "DATABASE_URL": "postgresql://h/d"}))


def test_fresh_leaves_nothing_of_the_old_world(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    old = [
        home.sessions / "default.json",
        home.sandbox / "world.db",
        home.path / "rehearsal.json",
        home.path / "clock.json",
    ]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    driver.forget(load_settings({"XBOT_HOME": str(home.path)}))
    assert [path for path in old if path.exists()] == []


def test_a_killed_rehearsal_goes_on_where_it_stopped(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ["rehearse", "--days", "1", "--until", "2026-11-08T12:00", "--seed", "7", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from xbot_dagster.cli import main; main()", *words],
        env=environment(home), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    clock = home / "clock.json"
    start = datetime(2026, 11, 7, 12, tzinfo=UTC)
    deadline = time.monotonic() + 240
    while not (clock.exists() and driver.SimulatedClock(clock).now() > start + timedelta(hours=4)):
        assert process.poll() is None, "the rehearsal ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = driver.SimulatedClock(clock).now()
    done = command(home, "--days", "1", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["start"].startswith("2026-11-07T12:00")
    assert summary["duplicates"] == 0
    assert summary["in_doubt"] == 0
    assert summary["posts_published"] >= 5
    assert reached > start
    with Home(home).locked():
        services.stop_all(Home(home))
