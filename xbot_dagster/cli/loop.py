"""The steps of the loop by hand: each is the shipped Dagster job, run here, printing the runbook's log lines."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbot_dagster.cli.runtime import Json, console, deployment, print_json

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

# The names under which reports say, account by account, why nothing or no more was done.
_REASONS = ("skipped", "reasons")
_SHOWN = 10


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(help="Fill the coming day of every account with decisions. Example: xbot plan")(plan)
    app.command(help="Draft answers to people who addressed us. Example: xbot reply")(reply)
    app.command(help="Publish what is due. Example: xbot post")(post)
    app.command("post-queue", hidden=True, help="The same as `xbot post`.")(post)
    app.command(help="Read the outcomes that are due. Example: xbot collect")(collect)
    app.command(help="Learn from new outcomes and train predictors. Example: xbot learn --dry-run")(learn)
    app.command(help="What this deployment is doing: queue, posts, outcomes, learning, spend. Example: xbot status")(
        status
    )


def _run(job: str, partition_key: str | None = None) -> None:
    from xbot_dagster.runner import run_job

    logging.getLogger("dagster").setLevel(logging.ERROR)
    with deployment():  # says what is wrong with the home before Dagster is loaded
        result = run_job(job, tags={"xbot/actor": "cli"}, partition_key=partition_key)
    console.print(f"{job}: done (run {result.run_id[:8]})")
    for line in outcome(result):
        console.print(line, highlight=False, markup=False)


def outcome(result: "ExecuteInProcessResult") -> Iterator[str]:
    """What the run's assets report: a line of counts each, and below it why an account was passed over."""
    for event in result.get_asset_materialization_events():
        found = event.materialization
        values: dict[str, Any] = {n: v.value for n, v in found.metadata.items() if not n.startswith("dagster/")}
        counts = [f"{name} {value}" for name, value in values.items() if type(value) is int and value]
        yield f"  {found.asset_key.to_user_string()}: {', '.join(counts) or 'nothing to do'}"
        reasons = [line for name in _REASONS for line in _listed(values.get(name, "none"))]
        yield from (f"    {line}" for line in reasons[:_SHOWN])
        if len(reasons) > _SHOWN:
            yield f"    … and {len(reasons) - _SHOWN} more; the run holds them all"


def _listed(why: Any) -> list[str]:
    if isinstance(why, dict):
        return [f"{name}: {each}" for name, each in why.items()]
    return [] if why == "none" else [str(why)]


def plan() -> None:
    _run("plan")


def reply() -> None:
    _run("reply")


def post() -> None:
    _run("post")


def collect() -> None:
    _run("collect")


def learn(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    if dry_run:
        from xbot_dagster.cli.learning import print_dry_run

        print_dry_run(as_json)
        return
    with deployment() as opened:
        today = opened.clock.now().date().isoformat()
    _run("learn", partition_key=today)
    _run("train", partition_key=today)


def status(as_json: Json = False) -> None:
    from xbot_dagster.store import overview

    with deployment() as opened, opened.engine.connect() as conn:
        found = {"mode": opened.settings.MODE, "publisher": opened.settings.publisher, **overview.read(conn)}
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        console.print(f"{name:<22} {value if value is not None else '-'}")
