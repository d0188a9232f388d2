"""pass1_outcomes (T+1h) and pass2_outcomes (T+24h): what really happened."""

import dagster as dg

from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.posts import posted_tweets
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.x import X


@dg.asset(deps=[posted_tweets], group_name="measuring", kinds={"postgres", "playwright"}, tags={"stage": "collect"})
def pass1_outcomes(database: dg.ResourceParam[Database], x: dg.ResourceParam[X]) -> dg.MaterializeResult:
    """Counts read one hour after posting: provisional, replaced by pass 2 when learning."""
    from xbot_dagster.stages import collect

    report = collect.run(database.engine, database.clock, database.settings, x.source_for(database), passes=(1,))
    return result(report, table="outcomes")


@dg.asset(
    deps=[posted_tweets, pass1_outcomes],
    group_name="measuring",
    kinds={"postgres", "playwright"},
    tags={"stage": "collect"},
)
def pass2_outcomes(database: dg.ResourceParam[Database], x: dg.ResourceParam[X]) -> dg.MaterializeResult:
    """Counts read twenty-four hours after posting: what is learned from."""
    from xbot_dagster.stages import collect

    report = collect.run(database.engine, database.clock, database.settings, x.source_for(database), passes=(2,))
    return result(report, table="outcomes")
