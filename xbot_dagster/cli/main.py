"""Assembles the `xbot` command and is the one place where errors become sentences and exit codes."""

import sys
from typing import Annotated

import typer
from typer._click.exceptions import ClickException  # typer carries its own click; its errors are not click's

from xbot_dagster import __version__
from xbot_dagster.cli import (
    content,
    dev,
    home,
    learning,
    loop,
    measuring,
    operations,
    publishing,
    queue,
    rehearse,
    workers,
)
from xbot_dagster.cli.runtime import errors, show_log_lines
from xbot_dagster.errors import UserError

app = typer.Typer(
    help="Plans, gates, queues, publishes and measures an X account's posts, and learns from what really happened.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"xbot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    show_log_lines()


for _module in (home, rehearse, dev, workers, loop, queue, content, measuring, learning, operations, publishing):
    _module.mount(app)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unhealthy."""
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        errors.print(f"xbot: {error}", markup=False)
        sys.exit(error.exit_code)
    except ClickException as error:
        error.show()
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        errors.print("xbot: interrupted.")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
