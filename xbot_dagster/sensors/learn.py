"""Is there something new to learn? Enough for another predictor version?"""

from datetime import timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.sensors.asking import RUNNING, Answer, ask
from xbot_dagster.store import ticks

# Days are planned once a day; learning more often than this moves nothing a person would notice and costs a run each time.
_BETWEEN_CYCLES = timedelta(hours=6)


@dg.sensor(
    jobs=[jobs.learn, jobs.train],
    minimum_interval_seconds=300,
    default_status=RUNNING,
    description="Learns from new outcomes; trains at +25 or weekly.",
)
def due_learning(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]) -> Any:
    def question(conn: Connection) -> Answer:
        from xbot_dagster.stages import learn, train

        now = database.clock.now()
        today, yesterday = now.date().isoformat(), (now.date() - timedelta(days=1)).isoformat()
        requests = []
        last = ticks.last_requested(conn, "due_learning", "learn")
        if (last is None or now - last >= _BETWEEN_CYCLES) and learn.learn_due(conn):
            days = {"dagster/asset_partition_range_start": yesterday, "dagster/asset_partition_range_end": today}
            requests.append(dg.RunRequest(job_name="learn", tags=days))
        if train.train_due(conn):
            requests.append(dg.RunRequest(job_name="train", partition_key=today))
        return requests or "no new outcomes worth a cycle"

    return ask("due_learning", "sensor", context, database, question, busy_with=["learn", "train"])
