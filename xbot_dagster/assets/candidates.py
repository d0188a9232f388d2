"""content_candidates: what could be said next."""

import dagster as dg

from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.sources import content_sources
from xbot_dagster.resources.database import Database
from xbot_dagster.store.cache import Cache


@dg.asset(deps=[content_sources], group_name="content", kinds={"postgres", "redis"}, tags={"stage": "content"})
def content_candidates(database: dg.ResourceParam[Database], cache: dg.ResourceParam[Cache]) -> dg.MaterializeResult:
    """Scored, deduplicated ideas from every enabled source; a second run adds no duplicate."""
    from xbot_dagster.resources.world import world
    from xbot_dagster.stages import refresh

    report = refresh.run(
        database.engine,
        database.clock,
        database.settings,
        cache,
        world=(lambda: world(database.opened).url) if database.settings.family == "sandbox" else None,
    )
    return result(report, table="content_candidates")
