"""post_features: what was known about a post when it was planned."""

from datetime import date

import dagster as dg

from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.posts import posted_tweets
from xbot_dagster.partitions import daily, single_run
from xbot_dagster.resources.database import Database


@dg.asset(
    deps=[posted_tweets],
    partitions_def=daily,
    backfill_policy=single_run,
    group_name="learning",
    kinds={"postgres"},
    tags={"stage": "learn"},
)
def post_features(context: dg.AssetExecutionContext, database: dg.ResourceParam[Database]) -> dg.MaterializeResult:
    """Hook, novelty, readability, sentiment, length, time and lagged history of the posts of the partition's day(s)."""
    from xbot_dagster.stages import features

    days = context.partition_key_range
    report = features.run(database.engine, database.clock, date.fromisoformat(days.start), date.fromisoformat(days.end))
    return result(report, table="post_features")
