"""Incident 16: built but not running; two copies of one function. Every part is reachable from what runs, and exists once."""

import ast
from collections import defaultdict
from pathlib import Path

import dagster as dg

from xbot_dagster.definitions import build_definitions
from xbot_dagster.settings import load_settings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "xbot_dagster"
ENTRANCES = (
    "xbot_dagster.definitions",
    "xbot_dagster.cli",
    "xbot_dagster.runner",
    "xbot_dagster.dashboard.__main__",
    "xbot_dagster.sandbox.world",
    "xbot_dagster.worker",
)


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports() -> dict[str, set[str]]:
    modules = {_module(path): path for path in PACKAGE.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        graph[name] = {m for m in found if m in modules}
    return graph


def _used_by_benchmarks() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "benchmarks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_is_reachable_from_something_that_runs() -> None:
    graph = _imports()
    seen: set[str] = set()
    waiting = [m for m in graph if m.startswith(ENTRANCES)] + sorted(_used_by_benchmarks() & graph.keys())
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        parents = {".".join(module.split(".")[:n]) for n in range(1, len(module.split(".")))}
        waiting += [m for m in (graph.get(module, set()) | (parents & graph.keys())) if m not in seen]
    assert sorted(set(graph) - seen) == []


def test_every_job_is_asked_for_by_a_sensor_or_schedule() -> None:
    definitions = build_definitions(load_settings({}))
    asked = {job.name for s in definitions.sensors or () if isinstance(s, dg.SensorDefinition) for job in s.jobs}
    asked |= {s.job_name for s in definitions.schedules or () if isinstance(s, dg.ScheduleDefinition)}
    assert {job.name for job in definitions.jobs or ()} == asked


def test_no_function_exists_twice() -> None:
    """The same body (eight lines or more) under any name in two places means two paths that will drift apart."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 8:
                body = (
                    node.body[1:]
                    if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)
                    else node.body
                )
                if len(body) < 2:
                    continue  # a protocol's method, or a call and nothing else
                places[ast.dump(ast.Module(body, []))].append(f"{path.relative_to(ROOT)}:{node.name}")
    assert [where for where in places.values() if len(where) > 1] == []
