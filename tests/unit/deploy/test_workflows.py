"""The GitHub workflows: valid by the published schema, bounded in time, with the secrets the document lists and no other."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from tests.deploy_files import DOCUMENT, ROOT, WORKFLOWS, tool
from xbot_dagster.cli.main import app

NAMED = [pytest.param(path, id=path.stem) for path in WORKFLOWS]


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return yaml.safe_load(path.read_text())["jobs"]


def test_there_are_three() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "promote", "staging"]


@pytest.mark.parametrize("path", NAMED)
def test_each_follows_the_published_schema(path: Path) -> None:
    assert tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)) == ""


@pytest.mark.parametrize("path", NAMED)
def test_each_job_ends_by_itself(path: Path) -> None:
    assert [name for name, job in jobs(path).items() if "uses" not in job and "timeout-minutes" not in job] == []


@pytest.mark.parametrize("path", NAMED)
def test_no_input_of_a_person_reaches_a_shell_unquoted(path: Path) -> None:
    scripts = [step["run"] for job in jobs(path).values() for step in job.get("steps", []) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


def test_ci_runs_the_script_that_runs_here() -> None:
    steps = [step.get("run") for step in jobs(ROOT / ".github/workflows/ci.yml")["ci"]["steps"]]
    assert "bash .ci/run" in steps
    assert (ROOT / ".ci/run").exists()


def test_staging_waits_for_ci_and_production_for_staging_and_a_person() -> None:
    staging, promote = jobs(ROOT / ".github/workflows/staging.yml"), jobs(ROOT / ".github/workflows/promote.yml")
    assert staging["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert staging["verify"]["needs"] == "ci"
    assert staging["verify"]["env"]["MODE"] == "shadow"
    assert promote["production"]["needs"] == "proven"
    assert promote["production"]["environment"] == "production"
    assert "LIVE_POSTS" not in promote["production"]["env"], "promoting switches nothing on"


def test_every_xbot_command_exists() -> None:
    lines = [
        line.strip()
        for path in WORKFLOWS
        for job in jobs(path).values()
        for step in job.get("steps", [])
        for line in step.get("run", "").splitlines()
        if line.strip().startswith("xbot ")
    ]
    assert len(lines) >= 7
    for line in lines:
        command: Any = get_command(app)
        for word in shlex.split(line)[1:]:
            if hasattr(command, "commands"):
                assert word in command.commands, line
                command = command.commands[word]


def test_the_document_lists_exactly_the_secrets_and_variables_that_are_used() -> None:
    text = "".join(path.read_text() for path in WORKFLOWS)
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert listed == set(re.findall(r"\b(?:secrets|vars)\.([A-Z_]+)", text))
