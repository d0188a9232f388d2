"""Fixed times: when sources are read, the coming day is planned, mentions are answered, history is forgotten. UTC; zones live in the accounts."""

from datetime import timedelta

import dagster as dg
from sqlalchemy import Connection

from xbot_dagster import jobs
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.run_history import DagsterHistory
from xbot_dagster.sensors.asking import Answer, ask
from xbot_dagster.store import sources

# Every six hours; a little less, so that the hourly tick after six hours does not come seconds too early.
_BETWEEN_READINGS = timedelta(hours=5, minutes=30)


@dg.schedule(job=jobs.refresh_candidates, cron_schedule="2 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def refresh_sources(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every six hours, and within the hour when a source is new: read the sources."""

    def question(conn: Connection) -> Answer:
        return [dg.RunRequest()] if sources.refresh_due(conn, _BETWEEN_READINGS) else "every source was read lately"

    return ask("refresh_sources", "schedule", context, database, question, busy_with=["refresh_candidates"])


@dg.schedule(job=jobs.plan, cron_schedule="2 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def plan_days(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every hour: plan for the accounts whose local day still lacks decisions (usually just after their midnight)."""

    def question(conn: Connection) -> Answer:
        from xbot_dagster.stages import plan as planning

        if sources.never_read(conn):
            return "no source has been read yet"
        return (
            [dg.RunRequest()]
            if planning.needs_planning(conn, database.clock.now(), database.settings)
            else "every account's day is planned"
        )

    return ask("plan_days", "schedule", context, database, question, busy_with=["plan"])


@dg.schedule(job=jobs.reply, cron_schedule="2 */4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def answer_mentions(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every four hours, where replies are enabled: look for people who addressed us."""

    def question(conn: Connection) -> Answer:
        return [dg.RunRequest()] if database.settings.replies_enabled else "REPLIES_ENABLED=false"

    return ask("answer_mentions", "schedule", context, database, question, busy_with=["reply"])


@dg.schedule(job=jobs.prune_history, cron_schedule="40 4 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def forget_history(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]):
    """Every day, where something is older than it is kept."""

    def question(conn: Connection) -> Answer:
        from xbot_dagster.stages import retention

        runs = DagsterHistory(context.instance, database.opened.services)
        due = retention.prune_due(conn, database.settings, database.clock.now(), runs)
        return [dg.RunRequest()] if due else "nothing is older than it is kept"

    return ask("forget_history", "schedule", context, database, question, busy_with=["prune_history"])


everything = [refresh_sources, plan_days, answer_mentions, forget_history]
