"""content_predictor and timing_predictor: versioned models. Today's partition trains for real; an earlier one is a back-test."""

import base64
from datetime import date, timedelta
from typing import Any

import dagster as dg

from xbot_dagster.assets.features import post_features
from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.outcomes import pass2_outcomes
from xbot_dagster.partitions import daily, single_run
from xbot_dagster.resources.database import Database
from xbot_dagster.store.cache import Cache


@dg.asset(
    deps=[post_features, pass2_outcomes],
    partitions_def=daily,
    backfill_policy=single_run,
    group_name="learning",
    kinds={"postgres", "lightgbm", "scikitlearn"},
    tags={"stage": "train"},
)
def content_predictor(
    context: dg.AssetExecutionContext, database: dg.ResourceParam[Database], cache: dg.ResourceParam[Cache]
) -> dg.MaterializeResult:
    """Predicts impressions, retweets, engagement and profile visits of a draft; promoted only if it beats the rolling mean."""
    return _trained(context, database, cache, "content")


@dg.asset(
    deps=[post_features, pass2_outcomes],
    partitions_def=daily,
    backfill_policy=single_run,
    group_name="learning",
    kinds={"postgres", "scikitlearn"},
    tags={"stage": "train"},
)
def timing_predictor(
    context: dg.AssetExecutionContext, database: dg.ResourceParam[Database], cache: dg.ResourceParam[Cache]
) -> dg.MaterializeResult:
    """Predicts how the hour and weekday in the account's zone move reach."""
    return _trained(context, database, cache, "timing")


def _trained(context: dg.AssetExecutionContext, database: Database, cache: Cache, kind: str) -> dg.MaterializeResult:
    """Train the partitions of this run: today's for serving, earlier ones as a walk-forward back-test."""
    from xbot_dagster.stages import backtest, train
    from xbot_dagster.stages.trained import TrainingSummary
    from xbot_dagster.store.deployment import accounts

    today = database.clock.now().date()
    first, last = (
        date.fromisoformat(key) for key in (context.partition_key_range.start, context.partition_key_range.end)
    )
    with database.engine.connect() as conn:
        names = [a.account for a in accounts(conn)]
    reports = []
    for account in names:
        if first < today:
            yesterday = min(last, today - timedelta(days=1))
            reports += backtest.run_range(
                database.engine, database.clock, database.settings, account, first, yesterday, kind
            )
        if last >= today:
            reports.append(train.run(database.engine, database.clock, database.settings, cache, account, kind, today))
    extra: dict[str, Any] = {"backtest": _plotted(database, names, kind)} if first < today else {}
    return result(TrainingSummary.of(reports), table="predictor_versions", **extra)


def _plotted(database: Database, accounts: list[str], kind: str) -> dg.MetadataValue:
    """One picture an account, as the Dagster UI shows it: the gain of every stored partition."""
    from xbot_dagster.stages import backtest_plot

    pictures = []
    with database.engine.connect() as conn:
        for account in accounts:
            drawn = base64.b64encode(backtest_plot.png(backtest_plot.curves(conn, account, [kind]))).decode("ascii")
            pictures.append(f"{account}\n\n![back-test of {account}](data:image/png;base64,{drawn})")
    return dg.MetadataValue.md("\n\n".join(pictures))
