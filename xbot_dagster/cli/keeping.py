"""Backup and restore of the database, content taken out of it on request, and history that is old."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from xbot_dagster.cli.runtime import Json, console, deployment, print_json
from xbot_dagster.errors import HomeError
from xbot_dagster.settings import load_settings

Yes = Annotated[bool, typer.Option("--yes", help="Replace what the database holds.")]


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(help="Write the database into one file. Example: xbot backup before-upgrade.zip")(backup)
    app.command(help="Put a backup back. Example: xbot restore before-upgrade.zip --yes")(restore)
    app.command(help="Remove a post or a person on request. Example: xbot purge --tweet 1858191230021746688")(purge)
    app.command(help="Remove history older than the KEEP_ settings. Example: xbot prune --dry-run")(prune)


def backup(
    target: Annotated[Path | None, typer.Argument(help="The file to write; default: a dated name here.")] = None,
    as_json: Json = False,
) -> None:
    from xbot_dagster.stages import backup as stage

    with deployment() as opened:
        now = opened.clock.now()
        path = target or Path(stage.default_name(opened.settings.app_env, now.astimezone(UTC)))
        made = stage.backup(opened.engine, opened.services.database_url, opened.deployment, now, path)
    if as_json:
        print_json({"file": str(path), **asdict(made)})
    else:
        console.print(f"{path}: {made.rows['content_metadata']} decisions, {made.rows['outcomes']} outcomes")


def restore(source: Annotated[Path, typer.Argument(help="A file that xbot backup wrote.")], yes: Yes = False) -> None:
    import os

    from xbot_dagster.embedded import services
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import backup as stage
    from xbot_dagster.store import cache

    settings = load_settings()
    stage.read_manifest(source)
    running = services.attach(settings)
    others = len([pid for pid in running.home.users() if pid != os.getpid()])
    done = stage.restore(settings, running.database_url, source, replace=yes, others=others)
    with deployment(settings) as opened, opened.engine.begin() as conn:
        found = make_cache(settings)
        found.clear()
        cache.rebuild(conn, found)
        found.close()
        rows = stage.count_rows(conn)
    if rows != done.rows:
        raise HomeError(
            f"The restored tables hold {rows}, the backup {done.rows}.", "Restore again from another backup."
        )
    console.print(
        f"restored {source} of {done.taken_at[:19]}: {rows['content_metadata']} decisions; the cache was rebuilt"
    )


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    from xbot_dagster.definitions import build_definitions
    from xbot_dagster.resources.run_history import DagsterHistory
    from xbot_dagster.runner import Runner
    from xbot_dagster.stages import retention

    with deployment() as opened, Runner(opened.settings, build_definitions(opened.settings)) as runner:
        runs = DagsterHistory(runner.instance, opened.services)
        done = retention.run(opened.engine, opened.clock, opened.settings, runs, dry_run=dry_run)
    if as_json:
        print_json(asdict(done))
        return
    archived = ", ".join(f"{count} {table}" for table, count in done.archived.items())
    console.print(
        f"{'would remove' if dry_run else 'removed'}: {done.runs} Dagster runs, {done.ticks} ticks, {done.evidence} folders of "
        f"evidence, {done.quarantine} quarantined reads; {'would archive' if dry_run else 'archived'}: {archived}"
    )
    per = f"{done.bytes_per_1000_posts / 1e6:.1f} MB per 1,000 posts" if done.bytes_per_1000_posts else "no post yet"
    console.print(f"databases: {done.database_bytes / 1e6:.1f} MB, Dagster's {done.dagster_bytes / 1e6:.1f} MB; {per}")


def purge(
    tweet: Annotated[str | None, typer.Option(help="The id of a post, ours or somebody else's.")] = None,
    user: Annotated[str | None, typer.Option(help="The handle of a person: all that we keep of them.")] = None,
    as_json: Json = False,
) -> None:
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import purge as stage

    with deployment() as opened, closing(make_cache(opened.settings)) as cache:
        found = stage.run(opened.engine, cache, opened.services.home.logs, tweet=tweet, user=user)
    if as_json:
        print_json(asdict(found))
        return
    for table, count in found.rows.items():
        console.print(f"{table}: {count} rows")
    console.print(f"{found.keys} Redis keys, {found.folders} folders of evidence, {found.places} places in log files")
    for kept in found.kept:
        console.print(f"kept: {kept}")
