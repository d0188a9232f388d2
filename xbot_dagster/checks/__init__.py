"""Asset checks: the promises between tables, shown beside the stage they guard. Each counts broken rows in one query."""

from collections.abc import Callable

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster.resources.database import Database
from xbot_dagster.store import invariants


def _check(
    name: str, asset: str, count: Callable[[Connection], int], severity: dg.AssetCheckSeverity, description: str
) -> dg.AssetChecksDefinition:
    @dg.asset_check(name=name, asset=asset, description=description)
    def check(database: dg.ResourceParam[Database]) -> dg.AssetCheckResult:
        with database.engine.connect() as conn:
            broken = count(conn)
        return dg.AssetCheckResult(passed=broken == 0, severity=severity, metadata={"broken_rows": broken})

    return check


ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

everything = [
    _check(
        "every_choice_is_logged",
        "queued_decisions",
        invariants.decisions_without_propensity,
        ERROR,
        "Every planned decision has its candidate set and its propensity.",
    ),
    _check(
        "gates_were_passed",
        "queued_decisions",
        invariants.queued_without_passed_gates,
        ERROR,
        "Nothing is queued or published that did not pass all four gates.",
    ),
    _check(
        "one_attempt_per_post",
        "posted_tweets",
        invariants.posted_unlike_ledger,
        ERROR,
        "Every part of every post has exactly one attempt that ended as posted.",
    ),
    _check(
        "family_only",
        "pass1_outcomes",
        invariants.foreign_family_outcomes,
        ERROR,
        "No outcome of the other family: simulated rows never reach a real learner.",
    ),
    _check(
        "no_pass_overdue",
        "pass2_outcomes",
        invariants.overdue_passes,
        WARN,
        "No pass is overdue by more than two hours.",
    ),
    _check(
        "windows_add_up",
        "follower_snapshots",
        invariants.unbalanced_follower_windows,
        ERROR,
        "Attributed follows and the unattributed rest sum to the change of the follower count.",
    ),
]
