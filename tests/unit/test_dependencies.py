"""Every library that the package imports is declared, pinned and named with its reason: none comes along by chance."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> dict[str, set[str]]:
    """Top-level module → the files that import it."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "xbot_dagster").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(str(file.relative_to(ROOT)))
    return {name: files for name, files in found.items() if name not in {*sys.stdlib_module_names, "xbot_dagster"}}


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    return {plain(re.split(r"[\[<>=!~; ]", each)[0]) for each in stated}


def test_what_is_imported_is_declared() -> None:
    owners, known = packages_distributions(), declared()
    strangers = {
        name: files
        for name, files in imported().items()
        if not {plain(owner) for owner in owners.get(name, [name])} & known
    }
    assert strangers == {}


def test_what_is_declared_is_pinned_and_has_its_reason() -> None:
    pinned = {
        plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    words = {plain(word) for word in re.findall(r"[A-Za-z0-9][\w.-]*", (ROOT / "docs" / "dependencies.md").read_text())}
    assert declared() - pinned == set()
    assert declared() - words == set()
