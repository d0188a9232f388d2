"""Are outcomes due (T+1h, T+24h)? Is a follower snapshot due?"""

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.sensors.asking import RUNNING, Answer, ask


@dg.sensor(
    job=jobs.collect,
    minimum_interval_seconds=60,
    default_status=RUNNING,
    description="Collects when a post has come of age.",
)
def due_outcomes(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]):
    def question(conn: Connection) -> Answer:
        if not database.settings.metrics_enabled:
            return "REAL_METRICS_ENABLED=false"
        from xbot_dagster.store import outcomes

        due = [number for number, count in sorted(outcomes.count_due(conn).items()) if count]
        if not due:
            return "no post is due for pass 1 or pass 2"
        return [
            dg.RunRequest(job_name="collect", asset_selection=[dg.AssetKey(f"pass{number}_outcomes") for number in due])
        ]

    return ask("due_outcomes", "sensor", context, database, question, busy_with=["collect"])


@dg.sensor(
    job=jobs.snapshot_followers,
    minimum_interval_seconds=300,
    default_status=RUNNING,
    description="Takes a follower snapshot every six hours.",
)
def due_snapshots(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]):
    def question(conn: Connection) -> Answer:
        if not database.settings.metrics_enabled:
            return "REAL_METRICS_ENABLED=false"
        from xbot_dagster.store import followers

        return (
            [dg.RunRequest(job_name="snapshot_followers")]
            if followers.snapshots_due(conn)
            else "the last snapshot is younger than six hours"
        )

    return ask("due_snapshots", "sensor", context, database, question, busy_with=["snapshot_followers"])
