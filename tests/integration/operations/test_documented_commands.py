"""Every fenced command and query of README_OPERATIONS.md runs on a sandbox home, in the order of the document."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from xbot_dagster.embedded import services
from xbot_dagster.resources.opening import initialise, opened
from xbot_dagster.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "README_OPERATIONS.md"
_BLOCK = re.compile(
    r"(?:<!-- not executed: (?P<reason>[^>]+) -->\n)?```(?P<kind>bash|sql)\n(?P<body>.*?)```", re.DOTALL
)
MOST_SKIPPED = 5


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


@pytest.mark.slow
def test_every_documented_step_runs(home: Settings, tmp_path: Path) -> None:
    # Only what a shell needs travels: a flag of the developer's own shell must not steer a documented command.
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {"XBOT_HOME": str(home.home)}
    program = [sys.executable, "-c", "from xbot_dagster.cli import main; main()"]
    failed = []
    for step in steps():
        if step.kind == "sql":
            with opened(home) as found, found.engine.begin() as conn:
                conn.execute(text(step.words))
            continue
        name, *words = shlex.split(step.words)
        assert name == "xbot", step.words
        if words[0] == "restore":
            services.detach(home)  # a restore refuses while this process uses the deployment
        done = subprocess.run(
            [*program, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        # Health and doctor answer 3 where something is missing: that is a finding about the home, not a broken command.
        allowed = (0, 3) if words[0] in ("health", "doctor") else (0,)
        if done.returncode not in allowed:
            failed.append(f"{step.words} -> {done.returncode}: {done.stderr.strip()[-200:]}")
    assert not failed, "\n".join(failed)
