"""The Dockerfile: linted, not root, pinned, and copying only what exists and what .dockerignore lets in."""

import fnmatch
import shlex
from pathlib import Path

from tests.deploy_files import DOCKERFILE, ROOT, copied, instructions, tool


def test_the_linter_finds_nothing() -> None:
    assert tool("hadolint", "--failure-threshold", "style", str(DOCKERFILE)) == ""


def test_the_linter_would_say_so(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian:latest\nRUN cd /tmp && apt-get install chromium\n")
    assert "DL3007" in tool("hadolint", "--failure-threshold", "style", str(bad))


def test_it_does_not_run_as_root() -> None:
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users
    assert users[-1].isdigit(), "a number, which Kubernetes can compare with runAsNonRoot"
    assert int(users[-1]) > 0


def test_every_install_is_pinned_and_the_base_image_has_a_tag() -> None:
    installs = [
        part for name, rest in instructions() if name == "RUN" for part in rest.split("&&") if "pip install" in part
    ]
    assert installs
    assert all("--constraint constraints.txt" in part for part in installs)
    bases = [rest for name, rest in instructions() if name == "ARG" and rest.startswith("BASE=")]
    assert [":" in base and not base.endswith(":latest") for base in bases] == [True]


def test_what_it_copies_exists_and_is_let_into_the_context() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = {source for found, _ in copied() for source in found}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert sources == set(kept), "the context holds what is copied and nothing else"


def test_no_secret_can_get_into_the_context() -> None:
    dropped = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith(("!", "#"))]
    assert dropped[0] == "*"
    assert any(fnmatch.fnmatch("xbot_dagster/.env", pattern) for pattern in dropped[1:])


def test_it_builds_what_the_wheel_needs() -> None:
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], "pyproject.toml", "README.md", "LICENSE"}
    built_from = {source for found, target in copied() for source in found if target.startswith("./")}
    covered = {path for path in needed if any(path == source or path.startswith(f"{source}/") for source in built_from)}
    assert needed - covered == set()


def test_its_own_command_is_the_api() -> None:
    command = next(rest for name, rest in instructions() if name == "CMD")
    assert shlex.split(command.strip("[]").replace(",", " ")) == ["python", "-m", "xbot_dagster.dashboard"]
