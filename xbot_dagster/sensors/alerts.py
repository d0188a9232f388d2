"""Does something need a person? Evaluates the alert rules and the dead-man ping."""

from typing import Any

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.sensors.asking import RUNNING, Answer, ask


@dg.sensor(
    job=jobs.evaluate_alerts,
    minimum_interval_seconds=900,
    default_status=RUNNING,
    description="Evaluates the alert rules when one may have changed.",
)
def due_alerts(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]) -> Any:
    def question(conn: Connection) -> Answer:
        from xbot_dagster.stages import alerts

        return (
            [dg.RunRequest(job_name="evaluate_alerts")]
            if alerts.alerts_due(conn, database.settings)
            else "no rule fires or changes"
        )

    return ask("due_alerts", "sensor", context, database, question, busy_with=["evaluate_alerts"])
