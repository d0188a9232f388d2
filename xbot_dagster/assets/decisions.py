"""queued_decisions and queued_replies: what will be said, when, and with which propensity."""

import dagster as dg

from xbot_dagster.assets.candidates import content_candidates
from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.sources import serving_predictor, x_mentions
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.llm import LlmFactory
from xbot_dagster.resources.x import X
from xbot_dagster.store.cache import Cache


@dg.asset(
    deps=[content_candidates, serving_predictor],
    group_name="decisions",
    kinds={"postgres", "openai"},
    tags={"stage": "plan"},
)
def queued_decisions(
    database: dg.ResourceParam[Database], llm: dg.ResourceParam[LlmFactory], cache: dg.ResourceParam[Cache]
) -> dg.MaterializeResult:
    """Fills each account's coming day: the policy picks style and hour with a logged propensity, the LLM writes, the gates judge."""
    from xbot_dagster.stages import plan
    from xbot_dagster.stages.experiment_plan import assigner
    from xbot_dagster.stages.policies import Policies
    from xbot_dagster.stages.serving import ContentScorer, TimingScorer

    policies = Policies(database.engine, database.clock, database.settings, cache)
    report = plan.run(
        database.engine,
        database.clock,
        database.settings,
        llm.client(database),
        cache,
        policies,
        database.deployment.seed,
        scorer_for=lambda account: ContentScorer.load(database.engine, cache, account),
        hours_for=lambda account: TimingScorer.load(database.engine, cache, account),
        assign=assigner(database.engine, database.clock, database.settings),
    )
    return result(report, table="content_metadata")


@dg.asset(
    deps=[x_mentions], group_name="decisions", kinds={"postgres", "openai", "playwright"}, tags={"stage": "reply"}
)
def queued_replies(
    database: dg.ResourceParam[Database], llm: dg.ResourceParam[LlmFactory], x: dg.ResourceParam[X]
) -> dg.MaterializeResult:
    """Answers to people who addressed us, one per interaction; a person approves them unless the account says otherwise."""
    from xbot_dagster.stages import reply
    from xbot_dagster.stages.experiment_plan import assigner

    report = reply.run(
        database.engine,
        database.clock,
        database.settings,
        llm.client(database),
        x.source_for(database),
        assign=assigner(database.engine, database.clock, database.settings),
    )
    return result(report, table="content_metadata")
