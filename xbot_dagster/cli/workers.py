"""`xbot workers`: Celery workers of this deployment on this machine; ends all of them on Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import psutil
import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from xbot_dagster.cli.runtime import console, deployment, end_as_by_ctrl_c, end_in_peace, errors
from xbot_dagster.errors import HomeError, UsageError

_READY_SECONDS = 120
_FINISH_SECONDS = 120  # a run under way may take so long to finish after Ctrl-C; a second Ctrl-C waits no longer
_LOOK_SECONDS = 1.0


@dataclass
class Member:
    """One worker process, the queues it takes and its log."""

    name: str
    queues: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes]


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help="Start workers that execute Dagster's runs. Example: xbot workers --count 2")(workers)


def workers(
    count: Annotated[int, typer.Option(min=1, max=64, help="How many workers; each executes one run at a time.")] = 2,
    queues: Annotated[
        str, typer.Option(help="Only these queues, separated by commas: post, collect, default, train.")
    ] = "",
) -> None:
    from xbot_dagster.resources.dagster_home import environment
    from xbot_dagster.stages.presence import QUEUES

    if find_spec("dagster_celery") is None:
        raise UsageError("Celery is not installed.", "Install the extra: pip install 'xbot-dagster[celery]'")
    from xbot_dagster.resources.launcher import broker_address, broker_answers

    wanted = tuple(name.strip() for name in queues.split(",") if name.strip()) or QUEUES
    unknown = [name for name in wanted if name not in QUEUES]
    if unknown:
        raise UsageError(f"There is no queue '{unknown[0]}'.", f"Known: {', '.join(QUEUES)}.")
    end_as_by_ctrl_c()
    with deployment() as opened:
        broker = opened.services.redis_url
        if not broker_answers(broker):
            raise HomeError(
                f"The broker {broker_address(broker)} does not answer.", "Check REDIS_URL and that the server runs."
            )
        variables = {**os.environ, **environment(opened.settings, opened.services)}
        members: list[Member] = []
        try:
            for number in range(1, count + 1):
                # With several workers the first never trains: a training of many minutes must not delay a post.
                own = tuple(q for q in wanted if q != "train") if number == 1 < count else wanted
                members.append(_start(number, own or wanted, variables, opened.services.home.logs))
            with console.status("Starting the workers …"):
                _wait_until_ready(members, opened.engine)
            for member in members:
                console.print(f"{member.name}  pid {member.process.pid}  takes {', '.join(member.queues)}")
            _print_trouble(opened.engine, opened.settings)
            if opened.settings.XBOT_LAUNCHER != "celery":
                console.print("XBOT_LAUNCHER=default here: `xbot dev` hands runs to workers with XBOT_LAUNCHER=celery.")
            console.print(f"Broker {broker_address(broker)}\n\nCtrl-C ends them when their runs have finished.")
            _watch(members, variables, broker)
        except KeyboardInterrupt:
            pass
        finally:
            end_in_peace()
            _stop(members, opened.engine)
        console.print("Ended; nothing is left running.")


def _start(number: int, queues: tuple[str, ...], variables: dict[str, str], logs: Path) -> Member:
    # The pid keeps two `xbot workers` of one machine apart.
    name = f"w{number}-{os.getpid()}@{socket.gethostname()}"
    log = logs / f"worker-{number}.log"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "xbot_dagster.worker",
        "worker",
        "-n",
        name,
        "-Q",
        ",".join(queues),
    ]
    with open(log, "ab") as sink:
        # A session of its own: the terminal's Ctrl-C reaches only us, and a run under way may finish.
        process = subprocess.Popen(
            [*command, "-c", "1", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"],
            env=variables, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return Member(name, queues, log, process)


def _wait_until_ready(members: list[Member], engine: Engine) -> None:
    from xbot_dagster.store import workers as store

    deadline = time.monotonic() + _READY_SECONDS
    while True:
        for member in members:
            if member.process.poll() is not None:
                raise HomeError(f"The worker {member.name} ended while it started: {_last_line(member.log)}", "")
        with engine.connect() as conn:
            present = {worker.name for worker in store.workers(conn) if not worker.silent}
        if all(member.name in present for member in members):
            return
        if time.monotonic() > deadline:
            raise HomeError(f"After {_READY_SECONDS} s not every worker is ready.", f"See {members[0].log}.")
        time.sleep(0.2)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return (lines[-1].removeprefix("xbot: ") if lines else "it said nothing") + f" (its log is {log})"


def _print_trouble(engine: Engine, settings: object) -> None:
    from xbot_dagster.settings import Settings
    from xbot_dagster.stages import presence

    assert isinstance(settings, Settings)
    with engine.connect() as conn:
        for sentence in presence.trouble(conn, settings):
            errors.print(f"⚠️  {sentence}", markup=False)


def _watch(members: list[Member], variables: dict[str, str], broker: str) -> None:
    """Until Ctrl-C: start a worker again that was killed, and say when the broker goes and comes."""
    from xbot_dagster.resources.launcher import broker_address, broker_answers

    answered = True
    while True:
        time.sleep(_LOOK_SECONDS)
        for place, member in enumerate(members):
            code = member.process.poll()
            if code is not None:
                errors.print(
                    f"{member.name} ended with code {code}; started again. Its run is ended within two minutes."
                )
                members[place] = _start(place + 1, member.queues, variables, member.log.parent)
        if broker_answers(broker) != answered:
            answered = not answered
            said = (
                "answers again." if answered
                else "does not answer: no run starts until it does; runs under way go on."
            )  # fmt: skip
            errors.print(f"The broker {broker_address(broker)} {said}", markup=False)


def _stop(members: list[Member], engine: Engine) -> None:
    """Let each worker finish its run, then end what remains of its tree. A second Ctrl-C does not wait."""
    from xbot_dagster.store import workers as store

    trees = []
    for member in members:
        if member.process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                trees += psutil.Process(member.process.pid).children(recursive=True)
            member.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _FINISH_SECONDS
    try:
        end_as_by_ctrl_c()
        with console.status("Waiting for runs under way; Ctrl-C again ends them …"):
            for member in members:
                with suppress(subprocess.TimeoutExpired):
                    member.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        end_in_peace()
    except KeyboardInterrupt:
        end_in_peace()
        errors.print("Runs under way are ended.")
    for member in members:
        if member.process.poll() is None:
            member.process.kill()
            member.process.wait()
    _, alive = psutil.wait_procs(trees, timeout=5)
    for process in alive:
        process.kill()
    # Of one that was killed the row would stay until it is silent for long.
    with suppress(SQLAlchemyError), engine.begin() as conn:
        store.leave(conn, [member.name for member in members])
