"""Predictor versions, experiments and policies: list, promote, plan, judge."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from xbot_dagster.cli.runtime import AccountName, Json, actor, console, deployment, group, print_json, print_rows
from xbot_dagster.errors import UsageError
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT

Kind = Annotated[str, typer.Option("--kind", help="content or timing.")]
Version = Annotated[str, typer.Argument(help="A version, such as v3.")]
_VERSION_COLUMNS = ("kind", "version", "state", "n", "as_of", "gain", "gain_low", "gain_high", "state_reason")
_EXPERIMENT_COLUMNS = ("experiment_id", "preset", "state", "share", "unit", "starts_at", "ends_at", "power")
_LIFT_COLUMNS = (
    "experiment_id",
    "metric",
    "n",
    "effective_n",
    "lift",
    "low",
    "high",
    "cs_low",
    "cs_high",
    "q_value",
    "verdict",
)
_POLICY_COLUMNS = ("level", "estimator", "value", "se", "low", "high", "n", "effective_n")


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    predictors = group("Predictor versions. Example: xbot predictors list")
    predictors.command("list", help="List versions, newest first. Example: xbot predictors list --backtests")(
        list_versions
    )
    predictors.command("show", help="One version with its scores. Example: xbot predictors show v3")(show)
    predictors.command("promote", help="Let a version serve. Example: xbot predictors promote v3")(promote)
    predictors.command("rollback", help="Back to the version before. Example: xbot predictors rollback")(rollback)
    predictors.command("compare", help="Two versions side by side. Example: xbot predictors compare v2 v3")(compare)
    app.add_typer(predictors, name="predictors")
    experiments = group("Experiments. Example: xbot experiments plan --preset seven-day --start")
    experiments.command("list", help="List experiments. Example: xbot experiments list")(list_experiments)
    experiments.command(
        "plan", help="Plan one, or the runbook's week. Example: xbot experiments plan --preset hashtag_1"
    )(plan)
    experiments.command("start", help="Switch a planned experiment on. Example: xbot experiments start ID")(start)
    experiments.command("stop", help="End an experiment. Example: xbot experiments stop ID")(stop)
    experiments.command("report", help="What each has shown so far. Example: xbot experiments report")(report)
    app.add_typer(experiments, name="experiments")
    policy = group("Policies. Example: xbot policy evaluate --policy seed")
    policy.command("evaluate", help="What a policy would have earned. Example: xbot policy evaluate --policy seed")(
        evaluate
    )
    app.add_typer(policy, name="policy")


def _kind(value: str) -> str:
    from xbot_dagster.store.predictors import KINDS

    if value not in KINDS:
        raise UsageError(f"There is no predictor kind '{value}'.", f"Known: {', '.join(KINDS)}.")
    return value


def _number(version: str) -> int:
    digits = version.removeprefix("v")
    if not digits.isdigit():
        raise UsageError(f"'{version}' is not a version.", "Expected something like v3.")
    return int(digits)


def _row(head: Any) -> dict[str, Any]:
    gain = head.metrics.get("gain") or (None, None, None)
    row = asdict(head)
    row |= {"version": f"v{head.version}", "gain": gain[0], "gain_low": gain[1], "gain_high": gain[2]}
    del row["features"]
    return row


def list_versions(
    account: AccountName = DEFAULT_ACCOUNT,
    kind: Annotated[str | None, typer.Option("--kind", help="content or timing; default both.")] = None,
    backtests: Annotated[bool, typer.Option("--backtests", help="With the back-test partitions.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    from xbot_dagster.store import predictors
    from xbot_dagster.store.deployment import account as account_row

    with deployment() as opened, opened.engine.begin() as conn:
        account_row(conn, account)
        wanted = _kind(kind) if kind else None
        rows = [_row(head) for head in predictors.versions(conn, account, wanted, backtests=backtests, limit=limit)]
    print_rows(
        rows, _VERSION_COLUMNS, as_json=as_json, empty="No version yet: five final outcomes are needed. Run: xbot learn"
    )


def show(
    version: Version, account: AccountName = DEFAULT_ACCOUNT, kind: Kind = "content", as_json: Json = False
) -> None:
    from xbot_dagster.store import predictors

    with deployment() as opened, opened.engine.begin() as conn:
        head = predictors.version(conn, account, _kind(kind), _number(version))
    found = asdict(head)
    if as_json:
        print_json(found)
        return
    targets = found.pop("metrics").get("targets", {})
    found["features"] = len(head.features)
    for name, value in found.items():
        console.print(f"{name:<14} {'-' if value is None else value}", markup=False)
    rows = [
        {"target": target, "model": model, **scores}
        for target, models in targets.items()
        for model, scores in (
            models.items() if all(isinstance(v, dict) for v in models.values()) else [("model", models)]
        )
    ]
    columns = ("target", "model", "n", "spearman", "r2", "mae", "auc", "coverage", "gain", "gain_low", "gain_high")
    print_rows(rows, columns, as_json=False, empty="It was never scored: too few posts before it.")


def promote(
    version: Version,
    account: AccountName = DEFAULT_ACCOUNT,
    kind: Kind = "content",
    reason: Annotated[str, typer.Option(help="Why; kept with the version.")] = "promoted by hand",
) -> None:
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import promoting

    with deployment() as opened:
        cache = make_cache(opened.settings)
        done = promoting.promote(
            opened.engine, cache, account, _kind(kind), _number(version), by=f"cli:{actor()}", reason=reason
        )
        cache.close()
    console.print(_serves(done))


def rollback(account: AccountName = DEFAULT_ACCOUNT, kind: Kind = "content") -> None:
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import promoting

    with deployment() as opened:
        cache = make_cache(opened.settings)
        done = promoting.rollback(opened.engine, cache, account, _kind(kind), by=f"cli:{actor()}")
        cache.close()
    console.print(_serves(done))


def _serves(done: Any) -> str:
    now = f"v{done.version} serves" if done.version is not None else "nothing serves"
    before = f"; it was v{done.retired}" if done.retired is not None else ""
    return f"{done.account} {done.kind}: {now} now{before}"


def compare(
    one: Version,
    two: Version,
    account: AccountName = DEFAULT_ACCOUNT,
    kind: Kind = "content",
    as_json: Json = False,
) -> None:
    from xbot_dagster.stages import promoting

    first, second = _number(one), _number(two)
    with deployment() as opened:
        with opened.engine.begin() as conn:
            rows = promoting.compare(conn, account, _kind(kind), first, second)
        same = None
        if kind == "content":
            same = promoting.same_posts(opened.engine, opened.clock, opened.settings, account, first, second)
    if as_json:
        print_json({"scores": rows, "same_posts": asdict(same) if same else None})
        return
    print_rows(
        rows, ("target", "metric", f"v{first}", f"v{second}"), as_json=False, empty="Neither version was scored."
    )
    if same is None:
        console.print("On the same posts: too few were predicted by both to say which is better.")
    else:
        console.print(
            f"On the same posts v{second} saves {same.value:+.3f} [{same.low:+.3f}, {same.high:+.3f}] of the variance "
            f"against v{first}.",
            markup=False,
        )


def list_experiments(account: AccountName = DEFAULT_ACCOUNT, as_json: Json = False) -> None:
    from xbot_dagster.store import experiments

    with deployment() as opened, opened.engine.begin() as conn:
        rows = [asdict(row) | {"power": _power(row.plan)} for row in experiments.experiments(conn, account)]
    print_rows(
        rows, _EXPERIMENT_COLUMNS, as_json=as_json, empty="None yet. Plan one: xbot experiments plan --preset hashtag_1"
    )


def _power(plan: dict[str, Any]) -> str | None:
    detectable, days = plan.get("detectable"), plan.get("days_needed")
    return (
        None
        if detectable is None or days is None
        else f"sees {detectable:+.0%}; {plan['wanted']:+.0%} in {days:.0f} days"
    )


def plan(
    preset: Annotated[
        str, typer.Option("--preset", help="hashtag_1, question_cta, contrarian_reply, late_evening_slot, seven-day.")
    ],
    account: AccountName = DEFAULT_ACCOUNT,
    days: Annotated[float | None, typer.Option(help="Length of the window.")] = None,
    share: Annotated[float | None, typer.Option(help="Probability of treatment, between 0 and 1.")] = None,
    unit: Annotated[str, typer.Option(help="What is randomised: decision or day.")] = "decision",
    name: Annotated[str | None, typer.Option("--id", help="The experiment's id; default account-preset-date.")] = None,
    start_now: Annotated[bool, typer.Option("--start", help="Switch it on as well.")] = False,
    as_json: Json = False,
) -> None:
    from xbot_dagster.stages import experiment_plan as planning

    with deployment() as opened, opened.engine.begin() as conn:
        now = opened.clock.now()
        if preset == planning.SEVEN_DAY:
            if days is not None or share is not None or name is not None or unit != "decision":
                raise UsageError(
                    "The preset seven-day has its own windows, shares and ids.", "Leave the other options out."
                )
            planned = planning.plan_seven_days(conn, opened.settings, account, starts_at=now)
        else:
            length = planning.DEFAULT_DAYS if days is None else days
            planned = [
                planning.plan(
                    conn, opened.settings, account, preset,
                    starts_at=now, days=length, share=share, unit=unit, experiment_id=name,
                )
            ]  # fmt: skip
        if start_now:
            for each in planned:
                planning.start(conn, each.experiment.experiment_id, now)
    if as_json:
        print_json([asdict(each) for each in planned])
        return
    for each in planned:
        found = each.experiment
        window = f"{found.starts_at:%Y-%m-%d %H:%M} to {found.ends_at:%Y-%m-%d %H:%M}" if found.ends_at else "open end"
        console.print(f"{found.experiment_id}: {found.share:.0%} treated, {window}. {found.plan['asks']}", markup=False)
        console.print(f"  {each.power.sentence()}", markup=False)
    console.print("Started." if start_now else "Nothing runs yet. Start with: xbot experiments start ID")


def start(experiment: Annotated[str, typer.Argument(help="The experiment's id.")]) -> None:
    from xbot_dagster.stages import experiment_plan as planning

    with deployment() as opened, opened.engine.begin() as conn:
        found = planning.start(conn, experiment, opened.clock.now())
    end = f" to {found.ends_at:%Y-%m-%d %H:%M}" if found.ends_at else ""
    console.print(f"{found.experiment_id} runs from {found.starts_at:%Y-%m-%d %H:%M}{end}", markup=False)


def stop(
    experiment: Annotated[str, typer.Argument(help="The experiment's id.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "stopped by hand",
) -> None:
    from xbot_dagster.stages import experiment_plan as planning

    with deployment() as opened, opened.engine.begin() as conn:
        found = planning.stop(conn, experiment, opened.clock.now(), reason)
    console.print(f"{found.experiment_id} has ended", markup=False)


def report(account: AccountName = DEFAULT_ACCOUNT, as_json: Json = False) -> None:
    from xbot_dagster.stages import lift
    from xbot_dagster.store import experiments

    with deployment() as opened:
        lift.run(opened.engine, opened.clock, opened.settings, opened.clock.now().date())
        with opened.engine.begin() as conn:
            seen = experiments.experiments(conn, account, states=("running", "paused", "ended"))
            rows = [
                asdict(row) | {"verdict": lift.verdict(row)}
                for experiment in seen
                for row in experiments.newest_lifts(conn, experiment.experiment_id)
            ]
    print_rows(
        rows,
        _LIFT_COLUMNS,
        as_json=as_json,
        empty="No experiment has run. Plan one: xbot experiments plan --preset seven-day",
    )


def evaluate(
    policy: Annotated[str, typer.Option("--policy", help="growth, seed or uniform.")],
    account: AccountName = DEFAULT_ACCOUNT,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC); default 90 days ago.")
    ] = None,
    as_json: Json = False,
) -> None:
    from datetime import UTC

    from xbot_dagster.stages import evaluate as judging

    with deployment() as opened:
        start_at = since.replace(tzinfo=UTC) if since else opened.clock.now() - timedelta(days=90)
        found = judging.run(opened.engine, opened.clock, opened.settings, account, policy, start_at)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    rows: list[dict[str, Any]] = []
    for each in found:
        if each.verdict == "refused":
            console.print(f"{each.level}: no number: {each.reason}.", markup=False)
            continue
        effective = each.diagnostics["effective_n"]
        for name, value in {"logged": each.logged, **each.estimates}.items():
            rows.append(
                {"level": each.level, "estimator": name, "n": each.n, "effective_n": effective, **(value or {})}
            )
    if rows:
        print_rows(rows, _POLICY_COLUMNS, as_json=False, empty="")
