"""The Redis cache: what is in it, and filling it again from Postgres."""

from typing import Annotated

import typer

from xbot_dagster.cli.runtime import Json, console, deployment, group, print_json, print_rows


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    redis = group("The Redis cache; Postgres is the truth. Example: xbot redis scan")
    redis.command("scan", help="List this deployment's keys. Example: xbot redis scan 'bandit:*'")(scan)
    redis.command("rebuild", help="Fill the cache again from Postgres. Example: xbot redis rebuild")(rebuild)
    app.add_typer(redis, name="redis")


def scan(
    pattern: Annotated[str, typer.Argument(help="Pattern after the prefix, for example 'bandit:*'.")] = "*",
    as_json: Json = False,
) -> None:
    from xbot_dagster.resources.cache import make_cache

    with deployment() as opened:
        cache = make_cache(opened.settings)
        keys = cache.scan(pattern)
        cache.close()
    print_rows(
        [{"key": key} for key in keys],
        ("key",),
        as_json=as_json,
        empty="No key. Fill it with: xbot redis rebuild. "
        "The embedded cache lives as long as something uses this home, such as: xbot dev",
    )


def rebuild(as_json: Json = False) -> None:
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import learner_cache
    from xbot_dagster.store import cache as store

    with deployment() as opened:
        cache = make_cache(opened.settings)
        cache.clear()
        with opened.engine.begin() as conn:
            counts = store.rebuild(conn, cache)
        counts |= learner_cache.rebuild(opened.engine, opened.settings, cache)
        cache.close()
    if as_json:
        print_json(counts)
        return
    console.print("rebuilt " + ", ".join(f"{count} {name}" for name, count in counts.items()))
