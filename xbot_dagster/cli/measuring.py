"""History in and out, reports, rewards, back-tests."""

from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import typer

from xbot_dagster.cli.runtime import AccountName, Json, console, deployment, errors, group, print_json, print_rows
from xbot_dagster.errors import UsageError
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT

# A row of this view is wider than any terminal; the rest of it is in --json.
_READABLE = {
    "vw_recent_posts": ("posted_at", "content", "arm", "impressions", "engagement_rate", "fpki", "reward_composite")
}
_SHOWN_WORDS = 32


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import", help="Import X's own analytics exports. Example: MODE=shadow xbot import tweets.csv")(
        import_history
    )
    app.command("export", help="Write queue, posts, outcomes, arms or versions. Example: xbot export posts posts.csv")(
        export
    )
    app.command(help="The documented views as tables and PNG charts. Example: xbot report --out report")(report)
    rewards = group("Rewards of every version. Example: xbot rewards recompute --version seed_v1")
    rewards.command("recompute", help="Recompute a version from the raw counts.")(recompute)
    rewards.command("versions", help="The versions there are.")(versions)
    app.add_typer(rewards, name="rewards")
    app.command(
        help="Retrain a range of days as of each, scored on the week after. Example: xbot backtest --from 2026-10-01 --to 2026-10-31"
    )(backtest)


def import_history(
    files: Annotated[list[Path], typer.Argument(help="CSV files as X's analytics page gives them.")],
    account: AccountName = DEFAULT_ACCOUNT,
    as_json: Json = False,
) -> None:
    from xbot_dagster.resources.opening import initialise
    from xbot_dagster.settings import load_settings
    from xbot_dagster.stages import importing

    settings = load_settings()
    if settings.family == "real":
        handle = settings.X_HANDLE or importing.handle_in(files)
        initialise(settings.model_copy(update={"X_HANDLE": handle}))
    with deployment(settings) as opened, console.status("Importing …"):
        found = importing.import_files(opened.engine, opened.clock, opened.settings, files, account)
    if as_json:
        print_json(asdict(found))
        return
    for file in found.files:
        more = {"still growing": file.immature, "repeated": file.repeated, "promoted": file.promoted}
        console.print(
            f"{file.name}: {file.read} rows read, {file.new} new, {file.updated} updated, {file.unchanged} unchanged"
            + "".join(f", {count} {what}" for what, count in more.items() if count)
        )
        for reason, count in file.skipped.items():
            console.print(f"  skipped {count}: {reason}", markup=False)
    if found.days:
        console.print(
            f"Posts from {found.days[0]} to {found.days[1]}. Train on them: xbot backtest --from {found.days[0]} --to {found.days[1]}"
        )


def export(
    dataset: Annotated[str, typer.Argument(help="queue, posts, outcomes, arms or versions.")],
    path: Annotated[
        Path | None,
        typer.Argument(
            help="The file; its ending gives the format (.csv, .json, .parquet). Without it: what the columns mean."
        ),
    ] = None,
    format: Annotated[str | None, typer.Option(help="csv, json or parquet, when the ending does not say.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only this account.")] = None,
    as_json: Json = False,
) -> None:
    from xbot_dagster.stages import exporting

    if path is None:
        columns = [asdict(column) for column in exporting.columns(dataset)]
        print_rows(columns, ("name", "type", "meaning"), as_json=as_json, empty="")
        return
    with deployment() as opened, console.status("Writing …"):
        found = exporting.run(opened.engine, dataset, path, format, account)
    if as_json:
        print_json(asdict(found))
    else:
        console.print(f"{found.path}: {found.rows} rows")


def report(
    account: AccountName = DEFAULT_ACCOUNT,
    out: Annotated[Path | None, typer.Option(help="Where the PNG charts go (default: no charts).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows a table.")] = 10,
    days: Annotated[
        int, typer.Option(min=1, max=36500, help="How far back the chart of hours and weekdays looks.")
    ] = 84,
    as_json: Json = False,
) -> None:
    from xbot_dagster.stages import report as stage

    with deployment() as opened:
        tables = stage.tables(opened.engine, account, limit)
        charts = None
        if out is not None:
            with console.status("Drawing …"):
                charts = stage.charts(opened.engine, account, out, days)
    if as_json:
        print_json(
            {
                "tables": [asdict(t) for t in tables],
                "charts": {k: str(v) for k, v in charts.files.items()} if charts else {},
            }
        )
        return
    for table in tables:
        console.print(f"\n{table.name}", style="bold")
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        for row in rows:
            row["content"] = shorten(row.get("content") or "", _SHOWN_WORDS, placeholder=" …")
        shown = _READABLE.get(table.name) or [column for column in table.columns if column != "account"]
        print_rows(rows, shown, as_json=False, empty="No measured rows yet.")
    for name, path in (charts.files if charts else {}).items():
        console.print(f"{name}: {path}")


def recompute(version: Annotated[str, typer.Option(help="The reward version, for example seed_v1.")]) -> None:
    from xbot_dagster.stages import rewards

    with deployment() as opened, console.status("Recomputing …"):
        found = rewards.recompute(opened.engine, version)
    console.print(f"{found.version}: {found.computed} rewards from {found.rows} outcomes, {found.changed} changed")


def versions(as_json: Json = False) -> None:
    from xbot_dagster.domain.measuring.derive import REWARD_VERSIONS

    print_rows([{"version": v} for v in REWARD_VERSIONS], ("version",), as_json=as_json, empty="")


def backtest(
    start: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD; at the latest yesterday.")],
    as_json: Json = False,
) -> None:
    from xbot_dagster.partitions import FIRST_DAY
    from xbot_dagster.runner import run_job
    from xbot_dagster.store import predictors

    first, last = _day(start, "--from"), _day(end, "--to")
    if first > last:
        raise UsageError(f"--from {first} lies after --to {last}.")
    if first < date.fromisoformat(FIRST_DAY):
        raise UsageError(f"--from {first} lies before the first day there is.", f"That is {FIRST_DAY}.")
    with deployment() as opened:
        # Today is not over: its partition trains what serves, and a back-test never does.
        over = opened.clock.now().date() - timedelta(days=1)
        if first > over:
            raise UsageError(f"--from {first} is not over.", f"The last day that can be looked back at is {over}.")
        if last > over:
            errors.print(f"--to {last} is not over: this back-test ends at {over}.")
            last = over
        days = {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        }
        with console.status(f"Retraining as of each of {(last - first).days + 1} days …"):
            result = run_job("train", tags={**days, "xbot/actor": "cli"})
        with opened.engine.begin() as conn:
            rows = predictors.backtested(conn, first, last)
    if as_json:
        print_json(rows)
        return
    print_rows(
        rows, ("account", "kind", "trained", "mean_gain", "better"), as_json=False, empty="Nothing could be trained."
    )
    # Every partition of the range carries the metadata of the one run.
    told = [event.materialization for event in result.get_asset_materialization_events()]
    untrained: dict[str, Any] = {each.asset_key.to_user_string(): each.metadata["skipped"].value for each in told}
    for name, reasons in untrained.items():
        for reason, partitions in reasons.items():
            console.print(f"{name}: {partitions} not trained: {reason}", markup=False)
    if rows:
        console.print(
            "\nmean_gain: squared error saved, in shares of the variance: by content against the rolling mean of earlier posts, by timing "
            "against every hour being alike. "
            f"better: partitions with a gain, of {(last - first).days + 1}.\n"
            "Day by day: xbot predictors list --backtests, or as a chart: xbot report --out report"
        )


def _day(value: str, flag: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UsageError(f"{flag} {value} is not a day.", "Write it as 2026-10-31.") from None
