"""What was learned: the bandit's arms, the runbook's learning check, a decision's whole story; versions and the cache."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from xbot_dagster.cli import caching, predicting
from xbot_dagster.cli.runtime import AccountName, Json, console, deployment, group, print_json, print_rows
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT

_ARM_COLUMNS = ("scope", "arm", "posts", "successes", "failures", "mean_reward", "ci_low", "ci_high")
_CHANGE_COLUMNS = ("scope", "arm_name", "n_before", "n", "mean_before", "mean", "ci_low", "ci_high")


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    bandit = group("The bandit's arms, hours and tags. Example: xbot bandit report")
    bandit.command("report", help="Arms, hours and tags with 95 % intervals. Example: xbot bandit report --json")(
        report
    )
    app.add_typer(bandit, name="bandit")
    learning = group("The learning loop. Example: xbot learning test")
    learning.command("test", help="Learn now and show what the last day brought. Example: xbot learning test")(check)
    app.add_typer(learning, name="learning")
    app.command(help="Tell a decision's whole story. Example: xbot explain 1f0c2a9e")(explain)
    predicting.mount(app)
    caching.mount(app)


def report(account: AccountName = DEFAULT_ACCOUNT, as_json: Json = False) -> None:
    from xbot_dagster.stages import policies
    from xbot_dagster.store import arms
    from xbot_dagster.store.deployment import account as account_row

    with deployment() as opened, opened.engine.begin() as conn:
        account_row(conn, account)
        steering, shadow = policies.steering_names(conn, opened.settings, account)
        epsilon = policies.epsilon(conn, opened.settings, account, opened.clock.now())
        head = arms.policy_head(conn, account, steering)
        rows = [
            {
                "scope": arm.scope,
                "arm": arm.arm_name,
                "posts": arm.n,
                "successes": arm.successes,
                "failures": arm.failures,
                "mean_reward": arm.mean_reward,
                "ci_low": arm.ci_low,
                "ci_high": arm.ci_high,
            }
            for arm in arms.arms(conn, account)
        ]
    standing = {
        "account": account,
        "steering": steering,
        "shadow": shadow,
        "epsilon": epsilon,
        "version": f"v{head.version}" if head else None,
        "learner_version": head.learner_version if head else None,
        "posts_learned": head.n if head else 0,
        "last_updated": head.last_updated if head else None,
    }
    if as_json:
        print_json({**standing, "arms": rows})
        return
    console.print(" ".join(f"{name}={'-' if value is None else value}" for name, value in standing.items()))
    print_rows(
        rows, _ARM_COLUMNS, as_json=False, empty="Nothing learned yet: five outcomes are needed. Run: xbot learn"
    )


def check(account: AccountName = DEFAULT_ACCOUNT, as_json: Json = False) -> None:
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import learn
    from xbot_dagster.store import learning

    with deployment() as opened:
        cache = make_cache(opened.settings)
        found = learn.run(opened.engine, opened.clock, opened.settings, cache, accounts=[account])
        cache.close()
        with opened.engine.begin() as conn:
            since = opened.clock.now() - timedelta(days=1)
            recent = [asdict(row) for row in learning.recent_posts(conn, account, since=since)]
    if as_json:
        print_json({"learned": asdict(found), "recent": recent})
        return
    counts = {
        "posts of the last 24 h": len(recent),
        "with pass 1": sum(row["pass1"] for row in recent),
        "with pass 2": sum(row["pass2"] for row in recent),
        "learned by the growth policy": sum(row["learned"] for row in recent),
        "learned just now": found.outcomes,
    }
    for name, value in counts.items():
        console.print(f"{name:<30} {value}")
    if found.skipped:
        console.print(f"nothing new was learned: {found.skipped}")
    columns = ("decision_id", "posted_at", "arm", "pass1", "pass2", "learned", "impressions", "reward")
    print_rows(recent, columns, as_json=False, empty="Nothing was published in the last 24 hours.")


def print_dry_run(as_json: bool) -> None:
    """`xbot learn --dry-run`: what learning would change, changing nothing."""
    from xbot_dagster.stages import learn

    with deployment() as opened:
        found = learn.run(opened.engine, opened.clock, opened.settings, dry_run=True)
    if as_json:
        print_json(asdict(found))
        return
    if found.skipped:
        console.print(f"Nothing would change: {found.skipped}.")
        return
    for account in found.accounts:
        console.print(
            f"{account.account}: policy {account.policy} would learn {account.outcomes} outcomes and become "
            f"{account.coeffs_updated}{_because(account.fallback)}"
        )
        print_rows(
            [asdict(change) for change in account.changes], _CHANGE_COLUMNS, as_json=False, empty="No arm changes."
        )


def explain(
    decision: Annotated[str, typer.Argument(help="A decision's id, the beginning of one, or a tweet's id.")],
    as_json: Json = False,
) -> None:
    from xbot_dagster.stages.explain import explain as tell

    with deployment() as opened, opened.engine.begin() as conn:
        story = tell(conn, decision)
    if as_json:
        print_json(story)
        return
    for sentence in story.pop("summary"):
        console.print(sentence, markup=False)
    for name, section in story.items():
        if section:
            console.print(f"\n{name}", markup=False)
            for row in section if isinstance(section, list) else [section]:
                _print_section(row)


def _print_section(row: dict[str, Any]) -> None:
    known = {name: value for name, value in row.items() if value is not None}
    for name, value in known.items():
        text = " ".join(str(value).split())
        console.print(f"  {name:<22} {text if len(text) <= 400 else text[:397] + '…'}", markup=False)
    console.print()


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""
