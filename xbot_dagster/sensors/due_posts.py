"""Is a decision due for posting? Is something in doubt due for another look, or a timeline that nobody has looked at?"""

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.sensors.asking import RUNNING, Answer, ask
from xbot_dagster.store import posting


@dg.sensor(
    job=jobs.post,
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description="Posts when an approved decision is due.",
)
def due_posts(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]):
    def question(conn: Connection) -> Answer:
        return [dg.RunRequest(job_name="post")] if posting.posting_due(conn) else "no decision is due"

    return ask("due_posts", "sensor", context, database, question, busy_with=["post", "reconcile"])


@dg.sensor(
    job=jobs.reconcile,
    minimum_interval_seconds=30,
    default_status=RUNNING,
    description="Looks again when a post in doubt is due for a look, and every six hours for posts that nobody ordered.",
)
def due_reconciliations(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]):
    def question(conn: Connection) -> Answer:
        from xbot_dagster.stages import reconcile

        due = posting.reconcile_due(conn) or reconcile.sweeps_due(conn, database.settings)
        return [dg.RunRequest(job_name="reconcile")] if due else "nothing is in doubt"

    return ask("due_reconciliations", "sensor", context, database, question, busy_with=["post", "reconcile"])
