"""`xbot rehearse`: the simulated fortnight with a progress bar, and its summary."""

import logging
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from xbot_dagster.cli.runtime import Json, console, errors, print_json
from xbot_dagster.errors import UsageError
from xbot_dagster.settings import Settings, load_settings


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help="Run simulated days of the whole loop on the sandbox. Example: xbot rehearse --days 14")(rehearse)


def rehearse(
    days: Annotated[int, typer.Option(min=1, max=120, help="How many simulated days.")] = 14,
    seed: Annotated[int | None, typer.Option(help="Seed of the audience, the writer and every draw.")] = None,
    until: Annotated[
        str | None, typer.Option(help="The simulated time at the end, ISO 8601 (default: the present hour).")
    ] = None,
    sources: Annotated[
        str | None, typer.Option(help="Your own sources: a directory, a sources.yaml or an OPML file.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Empty this sandbox home first.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print the loop's log lines instead of a progress bar.")
    ] = False,
    as_json: Json = False,
) -> None:
    from xbot_dagster.rehearsal import driver

    settings = load_settings()
    end = _instant(until)
    if fresh:
        driver.forget(settings)
    plan = driver.plan_rehearsal(settings, days=days, seed=seed, until=end, sources=sources)
    if plan is not None:
        _run(settings, plan, verbose=verbose)
    elif not as_json:
        console.print(
            "This home's rehearsal is complete; what follows is its summary. Start again with: xbot rehearse --fresh\n"
        )
    _report(settings, as_json=as_json)


def _run(settings: Settings, plan: object, *, verbose: bool) -> None:
    from xbot_dagster.rehearsal import driver

    assert isinstance(plan, driver.Plan)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    if not verbose:
        # Dagster sets the logger's level at each run, so the lines are kept from the terminal by having no handler there.
        logging.getLogger("xbot").handlers = [logging.NullHandler()]
    rehearsal = driver.Rehearsal(settings, plan)
    total = (plan.until - plan.start).total_seconds()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, disable=verbose, transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("starting", total=total)

        def show(at: datetime, what: str) -> None:
            day = (at - plan.start).days + 1
            label = what or f"day {min(day, plan.days)}/{plan.days} {at:%a %d %b %H:%M}"
            bar.update(task, completed=(at - plan.start).total_seconds(), description=label)

        rehearsal.run(show)


def _report(settings: Settings, *, as_json: bool) -> None:
    from xbot_dagster.rehearsal import summary

    found = summary.load(settings.home)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)


def _print(s: object) -> None:
    from xbot_dagster.rehearsal.summary import Summary

    assert isinstance(s, Summary)
    gained = None if s.followers_end is None or s.followers_start is None else s.followers_end - s.followers_start
    random = None if s.followers_random is None or s.followers_start is None else s.followers_random - s.followers_start
    lines = [
        (
            "posts",
            f"{s.posts_published} published ({s.replies_published} replies, {s.threads_published} threads), "
            f"{s.replica_posts} on the replica's ledger ({s.replica_tweets} tweets with the parts of threads), {s.duplicates} duplicates",
        ),
        ("not published", f"{s.blocked} drafts blocked by gates, {s.in_doubt} in doubt, {s.needs_human} for a person"),
        ("outcomes", f"pass 1: {s.pass1}, pass 2: {s.pass2} of {s.pass2_due} due"),
        (
            "followers",
            f"{_n(s.followers_start)} → {_n(s.followers_end)} ({_signed(gained)}); random choice on the same audience: {_signed(random)}",
        ),
        (
            "choices",
            f"{s.follows_expected:.0f} follows to be expected from styles and hours chosen, {s.follows_random:.0f} from random ones",
        ),
        ("mean reward", f"first half {_r(s.mean_reward_first_half)}, second half {_r(s.mean_reward_second_half)}"),
        (
            "learning",
            f"{s.arms_learned} arms learned, {s.predictor_versions} predictor versions; serving: {', '.join(s.champions) or 'none promoted yet'}",
        ),
        ("spend", f"${s.spend_usd:.4f} (simulated prices)"),
        ("alerts", str(s.alerts)),
        ("took", f"{s.seconds:.0f} s, {s.runs} Dagster runs, peak memory {s.peak_rss_mb:.0f} MiB"),
    ]
    console.print(f"{s.days} simulated days, {s.start[:16]} to {s.until[:16]} UTC, seed {s.seed}\n", style="bold")
    for name, value in lines:
        console.print(f"  {name:<14} {value}")
    for lift in s.experiments:
        console.print(f"  {'experiment':<14} {_lift(lift)}")
    console.print("\nWhere to look next:")
    for command, what in (
        ("make dev", "the Dagster UI and the dashboard on this same data"),
        ("xbot explain DECISION_ID", "the whole story of one post (ids: xbot queue list --status posted)"),
        ("xbot bandit report", "what was learned about styles and hours"),
        ("xbot report", "tables and charts"),
    ):
        console.print(f"  {command:<26} {what}")


def _lift(row: dict[str, object]) -> str:
    name = f"{row['experiment_id']}, {row['metric']}"
    if row["verdict"] == "refused":
        return f"{name}: cannot tell yet ({row['reason']})"
    return f"{name}: {row['lift']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] from {row['n']} posts"


def _n(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _r(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+,.0f}"


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(f"--until {value} is not a time.", "Write it as 2026-11-08T12:00+00:00.") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(second=0, microsecond=0)
