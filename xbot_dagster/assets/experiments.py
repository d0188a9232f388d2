"""experiment_lift: what each running experiment has shown so far."""

from datetime import date

import dagster as dg

from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.outcomes import pass2_outcomes
from xbot_dagster.partitions import daily, single_run
from xbot_dagster.resources.database import Database


@dg.asset(
    deps=[pass2_outcomes],
    partitions_def=daily,
    backfill_policy=single_run,
    group_name="learning",
    kinds={"postgres"},
    tags={"stage": "learn"},
)
def experiment_lift(context: dg.AssetExecutionContext, database: dg.ResourceParam[Database]) -> dg.MaterializeResult:
    """Doubly robust lift with a confidence sequence; refused where overlap or sample is too small."""
    from xbot_dagster.stages import lift

    report = lift.run(
        database.engine, database.clock, database.settings, date.fromisoformat(context.partition_key_range.end)
    )
    return result(report, table="experiment_lifts")
