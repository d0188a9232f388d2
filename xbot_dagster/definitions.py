"""Start reading here: everything Dagster knows of, in the order of the loop.

`build_definitions` is the one place that puts the parts together, for production, the rehearsal and tests alike.
Assets, sensors and resources import their stage when they run: Dagster loads this module often, and at every `dagster` command.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from xbot_dagster import jobs, schedules
from xbot_dagster.assets.arms import bandit_arms
from xbot_dagster.assets.candidates import content_candidates
from xbot_dagster.assets.decisions import queued_decisions, queued_replies
from xbot_dagster.assets.experiments import experiment_lift
from xbot_dagster.assets.features import post_features
from xbot_dagster.assets.followers import follower_snapshots
from xbot_dagster.assets.outcomes import pass1_outcomes, pass2_outcomes
from xbot_dagster.assets.posts import posted_tweets
from xbot_dagster.assets.predictors import content_predictor, timing_predictor
from xbot_dagster.assets.sources import content_sources, serving_predictor, x_mentions
from xbot_dagster.checks import everything as checks
from xbot_dagster.resources.cache import cache_resource
from xbot_dagster.resources.database import database_resource
from xbot_dagster.resources.llm import llm_resource
from xbot_dagster.resources.notifier import notifier_resource
from xbot_dagster.resources.x import x_resource
from xbot_dagster.sensors.alerts import due_alerts
from xbot_dagster.sensors.due_outcomes import due_outcomes, due_snapshots
from xbot_dagster.sensors.due_posts import due_posts, due_reconciliations
from xbot_dagster.sensors.learn import due_learning
from xbot_dagster.settings import Settings, load_settings

ASSETS = [
    content_sources,
    content_candidates,
    queued_decisions,
    x_mentions,
    queued_replies,
    posted_tweets,
    pass1_outcomes,
    pass2_outcomes,
    follower_snapshots,
    post_features,
    bandit_arms,
    content_predictor,
    timing_predictor,
    serving_predictor,
    experiment_lift,
]

SENSORS = [due_posts, due_reconciliations, due_outcomes, due_snapshots, due_learning, due_alerts]


def build_definitions(settings: Settings, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions for a deployment; `resources` replaces some of them (the rehearsal shares one engine and one browser)."""
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=checks,
        jobs=jobs.everything,
        schedules=schedules.everything,
        sensors=SENSORS,
        # Of what names no executor: a backfill, or assets that a person materializes. A Celery worker's process may start no others.
        executor=dg.in_process_executor,
        resources={
            "database": database_resource(settings),
            "cache": cache_resource(settings),
            "llm": llm_resource(settings),
            "x": x_resource(settings),
            "notifier": notifier_resource(settings),
            **(resources or {}),
        },
    )


defs = build_definitions(load_settings())
