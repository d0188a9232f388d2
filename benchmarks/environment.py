"""Finding and loading an environment file that lives outside the repository, and printing what was measured."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


def add_environment_option(parser: argparse.ArgumentParser, file_name: str) -> None:
    """`--environment PATH`, by default the file of that name in `../shared/tools` next to the repository."""
    default = REPOSITORY.parent / "shared" / "tools" / file_name
    parser.add_argument(
        "--environment", type=Path, default=default, help=f"path of {file_name} (default ../shared/tools/{file_name})"
    )


def load_environment(path: Path) -> ModuleType:
    """The module in that file; exits with one sentence when it is missing."""
    if not path.is_file():
        sys.exit(f"The environment file {path} is missing. Name it with --environment PATH.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        sys.exit(f"The environment file {path} is not a Python module. Name another with --environment PATH.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def print_result(result: Mapping[str, Any], as_json: bool) -> None:
    """One line of JSON, or `name  value` lines for a person."""
    if as_json:
        print(json.dumps(result))
        return
    width = max(map(len, result))
    for name, value in result.items():
        print(f"{name:<{width}}  {json.dumps(value) if isinstance(value, (dict, list)) else value}")
