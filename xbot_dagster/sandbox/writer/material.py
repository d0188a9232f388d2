"""The writer's hand-written material on disk."""

from functools import cache
from importlib import resources
from typing import Any


@cache
def load(path: str) -> dict[str, Any]:
    """One of the writer's YAML files, parsed once."""
    import yaml

    return yaml.load(
        resources.files("xbot_dagster.sandbox.writer").joinpath(path).read_text(encoding="utf-8"),
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )
