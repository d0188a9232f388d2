"""The home: init, migrate, env."""

import os
import shlex
from typing import Annotated

import typer

from xbot_dagster.cli.runtime import Json, console, print_rows
from xbot_dagster.embedded import services
from xbot_dagster.resources.opening import initialise
from xbot_dagster.settings import load_settings
from xbot_dagster.store import migrations


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(help="Set up the home or database: services, schema, stamp, default account. Example: xbot init")(init)
    migrate = typer.Typer(
        help="Apply or roll back the schema. Example: xbot migrate status", invoke_without_command=True
    )
    migrate.callback()(_migrate_default)
    migrate.command("up", help="Apply every missing migration.")(migrate_up)
    migrate.command("down", help="Roll back the newest N migrations. Example: xbot migrate down 1")(migrate_down)
    migrate.command("status", help="List the migrations and their state.")(migrate_status)
    app.add_typer(migrate, name="migrate")
    app.command(help="Find a browser, or install one. Example: xbot browser")(browser)
    app.command(help='Print the shell settings for plain dagster commands. Example: eval "$(xbot env)"')(env)


def init() -> None:
    settings = load_settings()
    applied = initialise(settings)
    console.print(
        f"{settings.home}: {len(applied)} migration(s) applied; family {settings.family}, APP_ENV {settings.app_env}."
    )


def _migrate_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        migrate_up()


def migrate_up() -> None:
    applied = initialise(load_settings())
    console.print("\n".join(f"applied {name}" for name in applied) or "The schema is current.")


def migrate_down(count: Annotated[int, typer.Argument(min=1, help="How many migrations to roll back.")]) -> None:
    undone = migrations.down(services.attach(load_settings()).database_url, count)
    console.print("\n".join(f"rolled back {name}" for name in undone) or "Nothing to roll back.")


def migrate_status(as_json: Json = False) -> None:
    from xbot_dagster.clock import SystemClock
    from xbot_dagster.store.engine import check_reachable, make_engine

    engine = make_engine(services.attach(load_settings()).database_url, SystemClock())
    check_reachable(engine)
    rows = [
        {"migration": m.name, "state": "changed" if m.changed else "applied" if m.applied else "missing"}
        for m in migrations.status(engine)
    ]
    engine.dispose()
    print_rows(rows, ("migration", "state"), as_json=as_json, empty="There are no migrations.")


def env() -> None:
    from xbot_dagster.resources.dagster_home import environment

    settings = load_settings()
    running = services.attach(settings, on_behalf_of=os.getppid())
    for name, value in environment(settings, running).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def browser() -> None:
    from xbot_dagster.embedded.browser import find_browser, install_browser

    configured = load_settings().XBOT_BROWSER_PATH
    if configured is not None:
        found = find_browser(configured)
    else:
        with console.status("Looking for a browser; installing one when there is none …"):
            found = install_browser()
    console.print(f"Browser: {found}")
