"""What every command shares: opening the deployment, printing data, and turning a user's mistake into one sentence."""

import getpass
import json
import logging
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from xbot_dagster.resources.opening import Opened, opened
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store.engine import said_plainly

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
AccountName = Annotated[str, typer.Option("--account", help="The account's key.")]

_PIPE_WIDTH = 240  # without a terminal nothing should be cut to 80 columns
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
# Columns that may take several lines; all others stay whole: an id or a version that is cut cannot be used.
_SENTENCES = {"text", "message", "fix", "reason", "state_reason", "detail", "description", "config", "angle"}


_ENDING = (signal.SIGTERM, signal.SIGINT)


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM end a command as Ctrl-C does. A shell's background job, which ignores interrupts, and what it starts can be ended at all."""
    for number in _ENDING:
        signal.signal(number, signal.default_int_handler)


def end_in_peace() -> None:
    """From here on neither Ctrl-C nor SIGTERM is heard: what is left to do takes a known time, and must not be left half done."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def group(help: str) -> typer.Typer:
    """A command group that prints its help when called alone."""
    return typer.Typer(help=help, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@contextmanager
def deployment(settings: Settings | None = None) -> Iterator[Opened]:
    """The deployment named by the environment, opened for this command."""
    with said_plainly(), opened(settings or load_settings(), actor=f"cli:{actor()}") as found:
        yield found


def actor() -> str:
    """Who types: the login name, for audit rows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def print_json(value: object) -> None:
    """One JSON document on standard output; times as ISO 8601, ids as text."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False, indent=2) + "\n")


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Iterable[str], *, as_json: bool, empty: str) -> None:
    """Rows as a table or as JSON; `empty` says what to do when there are none."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    if not rows:
        console.print(empty)
        return
    table = Table(box=None, pad_edge=False)
    names = list(columns)
    for name in names:
        table.add_column(name, no_wrap=name not in _SENTENCES, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value)


def show_log_lines() -> None:
    """Print the product's own log lines (`[PLAN_JOB] …`) on standard error, bare, as the runbooks quote them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("xbot")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
