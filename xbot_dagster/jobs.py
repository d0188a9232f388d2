"""Jobs are verbs: each step of the loop. All run in process: a Dagster run costs seconds, so each is one batch over everything due."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from xbot_dagster.assets.metadata import result
from xbot_dagster.assets.posts import reconcile_in_doubt
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.run_history import DagsterHistory
from xbot_dagster.stages.notifying import Notifier

# No run retry may repeat a submit; posting decides about retries itself, item by item.
_NEVER_RETRY = {"dagster/max_retries": "0"}


def _job(name: str, *assets: str, description: str, queue: str = "default") -> UnresolvedAssetJobDefinition:
    tags = {"dagster-celery/queue": queue, **(_NEVER_RETRY if queue == "post" else {})}
    return dg.define_asset_job(
        name, selection=list(assets), description=description, tags=tags, executor_def=dg.in_process_executor
    )


refresh_candidates = _job("refresh_candidates", "content_candidates", description="Read every source; add what is new.")
plan = _job("plan", "queued_decisions", description="Fill each account's coming day with decisions.")
reply = _job("reply", "queued_replies", description="Draft answers to people who addressed us.", queue="collect")
post = _job("post", "posted_tweets", description="Publish what is due.", queue="post")
collect = _job(
    "collect", "pass1_outcomes", "pass2_outcomes", description="Read the outcomes that are due.", queue="collect"
)
snapshot_followers = _job(
    "snapshot_followers", "follower_snapshots", description="Read the follower counts.", queue="collect"
)
learn = _job(
    "learn",
    "post_features",
    "bandit_arms",
    "experiment_lift",
    description="Learn from new outcomes.",
    queue="train",
)
train = _job(
    "train",
    "content_predictor",
    "timing_predictor",
    description="Train predictor versions.",
    queue="train",
)


@dg.job(
    description="End what is in doubt: look at our own timeline and adopt, wait, requeue or ask a person.",
    tags={"dagster-celery/queue": "post", **_NEVER_RETRY},
    executor_def=dg.in_process_executor,
)
def reconcile() -> None:
    reconcile_in_doubt()


@dg.op(description="Opens, closes, escalates and delivers alerts; pings the dead-man address.")
def judge_alerts(
    context: dg.OpExecutionContext, database: dg.ResourceParam[Database], notifier: dg.ResourceParam[Notifier]
) -> None:
    from xbot_dagster.stages import alerts

    report = alerts.run(database.engine, database.clock, database.settings, notifier)
    context.add_output_metadata(dict(result(report).metadata or {}))


@dg.job(
    description="Tell people what needs them.",
    tags={"dagster-celery/queue": "default"},
    executor_def=dg.in_process_executor,
)
def evaluate_alerts() -> None:
    judge_alerts()


@dg.op(description="Removes what is older than the KEEP_ settings say, in batches; reports the size of the databases.")
def remove_old_history(context: dg.OpExecutionContext, database: dg.ResourceParam[Database]) -> None:
    from xbot_dagster.stages import retention

    runs = DagsterHistory(context.instance, database.opened.services)
    report = retention.run(database.engine, database.clock, database.settings, runs)
    context.add_output_metadata(dict(result(report).metadata or {}))


@dg.job(
    description="Forget old runs, ticks, evidence and quarantine.",
    tags={"dagster-celery/queue": "default"},
    executor_def=dg.in_process_executor,
)
def prune_history() -> None:
    remove_old_history()


everything = [
    refresh_candidates,
    plan,
    reply,
    post,
    reconcile,
    collect,
    snapshot_followers,
    learn,
    train,
    evaluate_alerts,
    prune_history,
]
