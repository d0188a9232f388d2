"""follower_snapshots: the account's follower count over time, and how its change is split over posts."""

import dagster as dg

from xbot_dagster.assets.metadata import result
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.x import X


@dg.asset(group_name="measuring", kinds={"postgres", "playwright"}, tags={"stage": "collect"})
def follower_snapshots(database: dg.ResourceParam[Database], x: dg.ResourceParam[X]) -> dg.MaterializeResult:
    """One snapshot per account that is due; a window's change is attributed as an estimate with an interval and a rest."""
    from xbot_dagster.stages import followers

    report = followers.run(database.engine, database.clock, database.settings, x.source_for(database))
    return result(report, table="follower_snapshots")
