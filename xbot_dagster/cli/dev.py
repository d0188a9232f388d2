"""`xbot dev`: the Dagster UI, its daemon and our API and dashboard on this home; ends everything on Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import typer

from xbot_dagster.cli.runtime import console, deployment, end_as_by_ctrl_c, end_in_peace
from xbot_dagster.errors import HomeError, UsageError

_READY_SECONDS = 180
_STOP_SECONDS = 40
_HEALTH = """{
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}"""


@dataclass(frozen=True)
class Child:
    """A process of `xbot dev`, its address and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help="Open the Dagster UI, the dashboard and the API on this home. Example: xbot dev")(dev)


def dev() -> None:
    from xbot_dagster.resources.dagster_home import environment, workspace_file
    from xbot_dagster.resources.world import world

    end_as_by_ctrl_c()
    with deployment() as opened:
        settings = opened.settings
        for port, flag in (
            (settings.XBOT_DAGSTER_PORT, "XBOT_DAGSTER_PORT"),
            (settings.XBOT_API_PORT, "XBOT_API_PORT"),
        ):
            _require_free(settings.XBOT_HOST, port, flag)
        replica = world(opened).url if settings.family == "sandbox" else None
        variables = {**os.environ, **environment(settings, opened.services)}
        dagster_url = f"http://{settings.XBOT_HOST}:{settings.XBOT_DAGSTER_PORT}"
        api_url = f"http://{settings.XBOT_HOST}:{settings.XBOT_API_PORT}"
        logs = opened.services.home.logs
        children = []
        try:
            dagster = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace_file()), "-h", settings.XBOT_HOST]
            children.append(_start("dagster", [*dagster, "-p", str(settings.XBOT_DAGSTER_PORT)], variables, logs))
            children.append(_start("api", [sys.executable, "-m", "xbot_dagster.dashboard"], variables, logs))
            with console.status("Starting the Dagster UI, its daemon and the API …"):
                _wait_until_ready(children, dagster_url, api_url)
            console.print(
                f"Dagster UI   {dagster_url}\nDashboard    {api_url}\nAPI          {api_url}/api/openapi.json"
            )
            if replica is not None:
                console.print(f"Replica of X {replica}")
            if settings.XBOT_LAUNCHER == "celery":
                console.print("\nRuns wait for workers: start them in another terminal with: xbot workers")
            console.print("\nCtrl-C ends all of it.")
            _watch(children)
        except KeyboardInterrupt:
            pass
        finally:
            end_in_peace()
            with console.status("Ending …"):
                _stop(children)
        console.print("Ended; nothing is left running.")


def _start(name: str, command: list[str], variables: dict[str, str], logs: Path) -> Child:
    log = logs / f"{name}.log"
    with open(log, "ab") as sink:
        # A session of its own: the terminal's Ctrl-C reaches only us, and we end the children in order.
        process = subprocess.Popen(
            command, env=variables, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Child(name, process, log)


def _wait_until_ready(children: list[Child], dagster_url: str, api_url: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        _require_alive(children)
        waiting = _dagster_waits_for(dagster_url) or (None if _get(f"{api_url}/healthz") else "the API")
        if waiting is None:
            return
        if time.monotonic() > deadline:
            raise HomeError(
                f"After {_READY_SECONDS} s still waiting for {waiting}.",
                f"See the logs {children[0].log} and {children[1].log}.",
            )
        time.sleep(0.5)


def _dagster_waits_for(url: str) -> str | None:
    """What is not ready yet, None when the UI answers, the code location is loaded and every required daemon is healthy."""
    if not _get(f"{url}/server_info"):
        return "the Dagster UI"
    answer = _get(f"{url}/graphql", {"query": _HEALTH})
    if not answer or "data" not in answer:
        return "Dagster's GraphQL"
    entries = answer["data"]["workspaceOrError"].get("locationEntries", [])
    for entry in entries:
        loaded = entry["locationOrLoadError"] or {"__typename": "loading"}
        if loaded["__typename"] == "PythonError":
            raise HomeError(f"Dagster cannot load the definitions: {loaded['message'].strip().splitlines()[-1]}", "")
        if loaded["__typename"] != "RepositoryLocation":
            return "the code location"
    statuses = answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    ill = [s["daemonType"] for s in statuses if s["required"] and not s["healthy"]]
    return f"Dagster's daemon ({', '.join(ill)})" if ill else None


def _get(url: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"} if body else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _watch(children: list[Child]) -> None:
    while True:
        _require_alive(children)
        time.sleep(1)


def _require_alive(children: list[Child]) -> None:
    for child in children:
        if child.process.poll() is not None:
            raise HomeError(
                f"The {child.name} process ended with code {child.process.returncode}.", f"See its log {child.log}."
            )


def _stop(children: list[Child]) -> None:
    """Ask each child to end, then end what remains of its tree."""
    trees = []
    for child in children:
        if child.process.poll() is None:
            trees += psutil.Process(child.process.pid).children(recursive=True)
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    for child in children:
        try:
            child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
    _, alive = psutil.wait_procs(trees, timeout=5)
    for process in alive:
        process.kill()


def _require_free(host: str, port: int, flag: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise UsageError(
                f"Port {port} on {host} is in use.", f"End what uses it, or set {flag} to another port."
            ) from None
