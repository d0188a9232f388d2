"""Is there something new to learn? Enough for another predictor version?"""

from datetime import timedelta

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.sensors.asking import RUNNING, Answer, ask
from xbot_dagster.stages import learn, train


@dg.sensor(jobs=[jobs.learn, jobs.train], minimum_interval_seconds=300, default_status=RUNNING, description="Learns from new outcomes; trains at +25 or weekly.")
def due_learning(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]):
    def question(conn: Connection) -> Answer:
        now = database.clock.now()
        today, yesterday = now.date().isoformat(), (now.date() - timedelta(days=1)).isoformat()
        requests = []
        if learn.learn_due(conn, now):
            days = {"dagster/asset_partition_range_start": yesterday, "dagster/asset_partition_range_end": today}
            requests.append(dg.RunRequest(job_name="learn", tags=days))
        if train.train_due(conn, now):
            requests.append(dg.RunRequest(job_name="train", partition_key=today))
        return requests or "no new outcomes worth a cycle"

    return ask("due_learning", "sensor", context.instance, database, question, busy_with=["learn", "train"])
