"""Dagster's default launcher against warm Celery workers, in one run on one machine: `python -m benchmarks.launchers --json`.

Each launcher is given runs of `evaluate_alerts`, the smallest shipped job, by the same process with no queue in between, so that
only the launcher differs. Latency: from the request to RUN_START, seconds, one run at a time. Throughput: runs a minute from the
first launch to the last end, of runs that were created before; the default launcher has as many processes at once as there are workers.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from dagster._core.events import DagsterEventType

from benchmarks.environment import print_result
from benchmarks.scaled_out import PATIENCE_SECONDS, Place, place, until

JOB = "evaluate_alerts"
Create = Callable[[], str]
Launch = Callable[[str], object]


def measure(runs: int, batch: int) -> dict[str, Any]:
    """All figures; `runs` for each latency, `batch` runs for each throughput."""
    with tempfile.TemporaryDirectory(prefix="launchers-") as folder:
        plain = _of_default(Path(folder) / "default", runs, batch)
        warm = _of_celery(Path(folder) / "celery", runs, batch)
    result: dict[str, Any] = {"cores": os.cpu_count(), "runs": runs, "batch": batch}
    for name, found in (("default", plain), ("celery", warm)):
        result |= {f"{name}_{key}": round(value, 3) for key, value in found.items()}
    result["latency_ratio"] = round(warm["latency_s"] / plain["latency_s"], 3)
    result["throughput_ratio_1"] = round(warm["runs_per_minute_1"] / plain["runs_per_minute_1"], 2)
    result["throughput_ratio_2"] = round(warm["runs_per_minute_2"] / plain["runs_per_minute_2"], 2)
    result["celery_2_vs_1"] = round(warm["runs_per_minute_2"] / warm["runs_per_minute_1"], 2)
    return result


def _of_default(home: Path, runs: int, batch: int) -> dict[str, float]:
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget

    with place(home, XBOT_LAUNCHER="default") as here:
        target = ModuleTarget("xbot_dagster.definitions", None, str(Path(__file__).parents[1]), "xbot")
        with WorkspaceProcessContext(here.instance, target, code_server_log_level="WARNING") as process:
            servers = [child for child in psutil.Process().children() if "grpc" in child.cmdline()]
            workspace = process.create_request_context()
            location = next(iter(workspace.code_locations))
            repository = next(iter(location.get_repositories().values()))

            remote = repository.get_full_job(JOB).get_remote_origin()

            def create() -> str:
                return here.create(JOB, remote_job_origin=remote)

            def launch(run: str) -> object:
                return here.instance.launch_run(run, workspace)

            found = _latency(here, create, launch, runs)
            for count in (1, 2):
                found[f"runs_per_minute_{count}"] = _in_turns(here, create, launch, batch, count)
        # A code server that is asked to end first looks its last runs up; where the database goes before it, it never ends.
        _, alive = psutil.wait_procs(servers, timeout=PATIENCE_SECONDS)
        assert servers, "no code server was found"
        assert not alive, alive
        return found


def _of_celery(home: Path, runs: int, batch: int) -> dict[str, float]:
    with place(home) as here:

        def create() -> str:
            return here.create(JOB)

        def launch(run: str) -> object:
            return here.instance.launch_run(run, None)  # pyright: ignore[reportArgumentType] (it needs no workspace)

        found: dict[str, float] = {}
        for count in (1, 2):
            with here.workers("--count", str(count)):
                for _ in range(2 * count):  # each child has loaded what it needs
                    here.finish(here.launch(JOB))
                if count == 1:
                    found |= _latency(here, create, launch, runs)
                found[f"runs_per_minute_{count}"] = _at_once(here, create, launch, batch)
        return found


def _latency(here: Place, create: Create, launch: Launch, runs: int) -> dict[str, float]:
    waits = []
    for _ in range(runs):
        asked = time.time()
        launch(run := create())
        _finished(here, run)
        waits.append(_started(here.instance, run) - asked)
    return {"latency_s": statistics.median(waits), "latency_max_s": max(waits)}


def _at_once(here: Place, create: Create, launch: Launch, batch: int) -> float:
    runs = [create() for _ in range(batch)]
    begun = time.monotonic()
    for run in runs:
        launch(run)
    for run in runs:
        _finished(here, run)
    return 60 * batch / (time.monotonic() - begun)


def _in_turns(here: Place, create: Create, launch: Launch, batch: int, count: int) -> float:
    """As many runs at a time as there would be workers: the default launcher itself has no bound."""
    runs = [create() for _ in range(batch)]
    begun = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda run: (launch(run), _finished(here, run)), runs))
    return 60 * batch / (time.monotonic() - begun)


def _finished(here: Place, run: str) -> None:
    until(lambda: here.status(run) in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE), run)
    assert here.status(run) == dg.DagsterRunStatus.SUCCESS, run


def _started(instance: dg.DagsterInstance, run: str) -> float:
    [event] = instance.all_logs(run, of_type=DagsterEventType.RUN_START)
    return event.timestamp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10, help="runs for each latency (default 10)")
    parser.add_argument("--batch", type=int, default=20, help="runs for each throughput (default 20)")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args()
    # A shell's background job ignores interrupts, and with it the code server, which could then not be ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print_result(measure(arguments.runs, arguments.batch), arguments.json)


if __name__ == "__main__":
    main()
