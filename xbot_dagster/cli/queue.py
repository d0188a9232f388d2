"""The decision queue: list, cancel, clear."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from xbot_dagster.cli.runtime import Json, console, deployment, group, print_rows
from xbot_dagster.errors import NotFound, UsageError
from xbot_dagster.store import audit, posting, queue


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = group("The decision queue. Example: xbot queue list")
    commands.command("list", help="List decisions. Example: xbot queue list --status posted --limit 10")(list_decisions)
    commands.command("cancel", help="Cancel one waiting decision. Example: xbot queue cancel DECISION_ID")(cancel)
    commands.command("clear", help="Cancel all that waits and drop the candidates. Example: xbot queue clear --yes")(
        clear
    )
    commands.command(
        "attach",
        help="Attach a picture. Example: xbot queue attach DECISION_ID chart.png --alt 'Sleep by hour of the day'",
    )(attach)
    app.add_typer(commands, name="queue")


Account = Annotated[str | None, typer.Option("--account", help="Only this account.")]


def list_decisions(
    status: Annotated[
        list[str] | None, typer.Option(help="One of the statuses; may be repeated. Default: what waits.")
    ] = None,
    account: Account = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    statuses = tuple(status or queue.WAITING)
    unknown = [s for s in statuses if s not in queue.STATUSES]
    if unknown:
        raise UsageError(f"There is no status '{unknown[0]}'.", f"Known: {', '.join(queue.STATUSES)}.")
    with deployment() as opened, opened.engine.begin() as conn:
        rows = [asdict(row) for row in queue.decisions(conn, statuses=statuses, account=account, limit=limit)]
    if not as_json:
        for row in rows:
            row["text"] = " ".join(row["text"].split())[:70]
    columns = ("decision_id", "status", "decision_type", "scheduled_at", "arm", "topic", "text")
    print_rows(
        rows,
        columns,
        as_json=as_json,
        empty="Nothing is waiting. Fill the queue with: xbot candidates refresh, then xbot plan",
    )


def cancel(
    decision_id: Annotated[UUID, typer.Argument(help="The decision's id.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "cancelled by hand",
) -> None:
    with deployment() as opened, opened.engine.begin() as conn:
        if not posting.cancel(conn, str(decision_id), reason):
            raise NotFound(f"No waiting decision has the id {decision_id}.", "List them with: xbot queue list")
        audit.record(conn, "DECISION_CANCELLED", "queue", {"decision_id": str(decision_id), "reason": reason})
    console.print(f"cancelled {decision_id}")


def attach(
    decision_id: Annotated[str, typer.Argument(help="The decision's id.")],
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP picture of at most 5 MB.")],
    alt: Annotated[str, typer.Option(help="What the picture shows, for people who do not see it.")],
    part: Annotated[int, typer.Option(min=1, help="Which part of a thread.")] = 1,
) -> None:
    from xbot_dagster.stages import attaching

    with deployment() as opened:
        folder = opened.services.home.media
        picture = attaching.run(opened.engine, opened.settings, folder, decision_id, file, alt, part)
    console.print(f"attached to {decision_id} as {picture.file}")


def clear(
    account: Account = None, yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False
) -> None:
    if not yes:
        typer.confirm("Cancel every waiting decision and drop every candidate?", abort=True)
    from xbot_dagster.resources.cache import make_cache

    with deployment() as opened:
        with opened.engine.begin() as conn:
            cancelled = queue.cancel_waiting(conn, account, "queue cleared")
            dropped = queue.drop_candidates(conn, account)
            audit.record(
                conn, "QUEUE_CLEARED", "queue", {"account": account, "cancelled": cancelled, "dropped": dropped}
            )
        cache = make_cache(opened.settings)
        cache.clear("*queue:candidates")
        cache.clear("*content_hash:*")
        cache.close()
    console.print(f"cancelled {cancelled} decision(s), dropped {dropped} candidate(s)")
