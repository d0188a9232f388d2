"""bandit_arms: the policies' state after the newest outcomes."""

import dagster as dg

from xbot_dagster.assets.followers import follower_snapshots
from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.outcomes import pass1_outcomes, pass2_outcomes
from xbot_dagster.resources.database import Database
from xbot_dagster.store.cache import Cache


@dg.asset(
    deps=[pass1_outcomes, pass2_outcomes, follower_snapshots],
    group_name="learning",
    kinds={"postgres", "redis"},
    tags={"stage": "learn"},
)
def bandit_arms(database: dg.ResourceParam[Database], cache: dg.ResourceParam[Cache]) -> dg.MaterializeResult:
    """Learns each final outcome exactly once per learner version; pass 2 replaces pass 1."""
    from xbot_dagster.stages import learn

    report = learn.run(database.engine, database.clock, database.settings, cache)
    return result(report, table="bandit_arms")
