"""posted_tweets: what is live. The only asset whose run submits anything."""

import dagster as dg

from xbot_dagster.assets.decisions import queued_decisions, queued_replies
from xbot_dagster.assets.metadata import result
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.x import X


@dg.asset(
    deps=[queued_decisions, queued_replies],
    group_name="publishing",
    kinds={"postgres", "playwright"},
    tags={"stage": "post"},
    pool="x_post",
)
def posted_tweets(database: dg.ResourceParam[Database], x: dg.ResourceParam[X]) -> dg.MaterializeResult:
    """Publishes what is due, effectively once; what ends in doubt is left to the reconciler, never retried."""
    from xbot_dagster.stages import publish, reply_check

    checked = reply_check.run(database.engine, database.clock, database.settings, x.source_for(database))
    report = publish.run(database.engine, database.clock, database.settings, x.publisher_for(database))
    return result(report, table="posted_decisions", replies_held=checked.held, replies_cancelled=checked.cancelled)


@dg.op(
    pool="x_post",
    description="Looks for posts in doubt on our own timeline: adopts, waits, returns to the queue, or asks a person.",
)
def reconcile_in_doubt(
    context: dg.OpExecutionContext, database: dg.ResourceParam[Database], x: dg.ResourceParam[X]
) -> None:
    from xbot_dagster.stages import reconcile

    report = reconcile.run(database.engine, database.clock, database.settings, x.publisher_for(database))
    context.add_output_metadata(dict(result(report).metadata or {}))
