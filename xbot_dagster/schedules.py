"""Fixed times: when sources are read, when the coming day is planned, when mentions are answered. UTC; zones live in the accounts."""

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.sensors.asking import Answer, ask
from xbot_dagster.stages import plan as planning


@dg.schedule(job=jobs.refresh_candidates, cron_schedule="0 */6 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def refresh_sources(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every six hours: read the sources."""
    return ask(
        "refresh_sources", "schedule", context, database, lambda _: [dg.RunRequest()], busy_with=["refresh_candidates"]
    )


@dg.schedule(job=jobs.plan, cron_schedule="2 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def plan_days(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every hour: plan for the accounts whose local day still lacks decisions (usually just after their midnight)."""

    def question(conn: Connection) -> Answer:
        return (
            [dg.RunRequest()]
            if planning.needs_planning(conn, database.clock.now())
            else "every account's day is planned"
        )

    return ask("plan_days", "schedule", context, database, question, busy_with=["plan"])


@dg.schedule(job=jobs.reply, cron_schedule="32 */4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def answer_mentions(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every four hours, where replies are enabled: look for people who addressed us."""

    def question(conn: Connection) -> Answer:
        return [dg.RunRequest()] if database.settings.replies_enabled else "REPLIES_ENABLED=false"

    return ask("answer_mentions", "schedule", context, database, question, busy_with=["reply"])


everything = [refresh_sources, plan_days, answer_mentions]
