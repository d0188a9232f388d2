"""The files under deploy/ as tests read them: parsed, never copied, so that a test runs what a container would run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
VALUES = DEPLOY / "kubernetes" / "values.yaml"
MANIFESTS = DEPLOY / "kubernetes" / "xbot.yaml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCUMENT = ROOT / "docs" / "deploy.md"


def services() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml, merge keys applied."""
    return yaml.safe_load(COMPOSE.read_text())["services"]


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if service["image"].startswith("xbot:")}


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFESTS.read_text()))


def containers() -> dict[str, dict[str, Any]]:
    """The containers of the Kubernetes manifests by name."""
    found = {}
    for manifest in manifests():
        for container in manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            found[container["name"]] = container
    return found


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of every line of the Dockerfile, continuations joined."""
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def copied() -> list[tuple[list[str], str]]:
    """(sources in the build context, target) of each COPY that does not copy between stages."""
    found = []
    for name, rest in instructions():
        words = [word for word in shlex.split(rest) if not word.startswith("--")]
        if name == "COPY" and "--from" not in rest:
            found.append((words[:-1], words[-1]))
    return found


def tool(name: str, *arguments: str) -> str:
    """Run a linter of this environment; what it complained about, or ''."""
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    assert path is not None, f"{name} is not installed: make setup"
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
