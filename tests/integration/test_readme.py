"""Every command of README.md: `make` targets exist, `xbot` commands run on a home that has just been rehearsed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xbot_dagster.embedded import services
from xbot_dagster.embedded.home import Home

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FENCED = [line for body in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in body.splitlines()]
INLINE = re.findall(r"`((?:\w+=\S+ )*(?:xbot|make) [^`]+)`", README)
# The fortnight, the server that runs until Ctrl-C, and the import of a file that is the reader's own: tested where they belong.
ELSEWHERE = ("xbot rehearse", "xbot import", "xbot dev", "xbot --help")


def commands() -> list[str]:
    return [*FENCED, *INLINE]


def test_each_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"demo", "test", "dev"} <= named <= targets


def test_each_link_of_the_readme_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_each_xbot_command_of_the_readme_runs(tmp_path: Path) -> None:
    base = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")} | {"PUBLISHER": "recorded"}
    home = tmp_path / "h"
    run = [line for line in commands() if "xbot" in line and not line.startswith(ELSEWHERE)]
    assert len(run) >= 8
    for line in run:
        words = shlex.split(line.removeprefix(".venv/bin/"))
        flags = dict(word.split("=", 1) for word in words if "=" in word.split("/")[0])
        words = [word for word in words if word.split("=")[0] not in flags]
        own = {"XBOT_HOME": str(tmp_path / "mine"), "PUBLISHER": ""} if flags else {"XBOT_HOME": str(home)}
        environment = {k: v for k, v in (base | flags | own).items() if v}
        assert words[0] == "xbot", line
        done = subprocess.run(
            [sys.executable, "-c", "from xbot_dagster.cli import main; main()", *words[1:]],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr}"
    for folder in (home, tmp_path / "mine"):
        with Home(folder).locked():
            services.stop_all(Home(folder))


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("xbot rehearse")])
def test_the_options_of_rehearse_in_the_readme_exist(line: str) -> None:
    offered = subprocess.run(
        [sys.executable, "-c", "from xbot_dagster.cli import main; main()", "rehearse", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"},
    ).stdout  # fmt: skip
    assert [word for word in shlex.split(line) if word.startswith("--") and word not in offered] == []
