"""`python -m xbot_dagster.sandbox.world --home DIR`: the process of the world. Prints nothing; logs to
DIR/logs/sandbox.log."""

import argparse
import json
import logging
import os
import signal
import socket
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from xbot_dagster.sandbox.app import create_app
from xbot_dagster.sandbox.process import EXIT_PORT_TAKEN, READY_FILE
from xbot_dagster.sandbox.regimes import REGIMES
from xbot_dagster.sandbox.state import World
from xbot_dagster.sandbox.world_clock import WorldClock

log = logging.getLogger("xbot.sandbox")


class _Protocol(H11Protocol):
    """Hands each request its transport, so that a fault can reset the connection instead of answering."""

    def connection_made(self, transport: object) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.app_state = {**self.app_state, "transport": transport}


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xbot_dagster.sandbox.world", description="The sandbox world of xbot."
    )
    parser.add_argument("--home", type=Path, required=True, help="the world's own directory")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seed of a new world; a world that exists keeps its own")
    parser.add_argument(
        "--clock", type=Path, default=None, help='JSON file {"now": "2026-11-08T13:05:00+00:00"}; without it real time'
    )
    parser.add_argument(
        "--regime", choices=sorted(REGIMES), default="demo", help="scales of the audience of a new world"
    )
    return parser.parse_args(argv)


def serve(home: Path, port: int, seed: int, clock: Path | None, regime: str) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    _log_to(home / "logs" / "sandbox.log")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as problem:
        log.error("[SANDBOX] port=%s cannot be used reason=%s", port, problem)
        return EXIT_PORT_TAKEN
    listener.listen(512)
    world = World(home, seed, WorldClock(clock), regime)
    config = uvicorn.Config(
        create_app(world),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    ready = home / READY_FILE
    _announce(ready, listener.getsockname()[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again once it has shut down
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        ready.unlink(missing_ok=True)
        world.store.close()
    return 0


def _announce(path: Path, port: int) -> None:
    """Writes pid and port for other processes, in one step so that nobody reads half of it."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}))
    draft.replace(path)


def _log_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def main() -> None:
    options = parse(sys.argv[1:])
    sys.exit(serve(options.home, options.port, options.seed, options.clock, options.regime))


if __name__ == "__main__":
    main()
