"""One look at everything: the line that `xbot health` prints, and what is wrong when it says UNHEALTHY.

It works with the database or Redis down, because that is when it is needed.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from xbot_dagster.clock import Clock
from xbot_dagster.domain import alerting
from xbot_dagster.settings import Settings
from xbot_dagster.stages import presence
from xbot_dagster.store import condition, figures, usage
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.engine import database_trouble, takes_no_writes


@dataclass(frozen=True)
class Health:
    """`queue` counts fresh candidates, `bandits` arms; None = could not be read. `problems` are sentences."""

    at: datetime
    redis: bool
    database: bool
    queue: int | None
    bandits: int | None
    last_post_at: datetime | None
    posts_last_hour: int | None
    problems: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        return not self.problems


def read(engine: Engine | None, clock: Clock, settings: Settings, cache: Cache, *, why_down: str = "") -> Health:
    """The health now. `engine` None: the deployment could not be opened, `why_down` says why."""
    now, redis = clock.now(), cache.reachable()
    without = "no run reaches a worker" if settings.XBOT_LAUNCHER == "celery" else "reads fall back to Postgres"
    problems = [] if redis else [f"Redis does not answer: {without} (xbot doctor redis)."]
    if engine is not None:
        try:
            return _with_database(engine, now, settings, redis, problems)
        except DBAPIError as error:
            known = database_trouble(error)
            if known is None:
                raise
            why_down = str(error.orig).strip().splitlines()[-1] if error.orig else known.message
    problems.append(f"The database does not answer: {why_down} (xbot doctor database).")
    return Health(now, redis, False, None, None, None, None, tuple(problems))


def _with_database(engine: Engine, now: datetime, settings: Settings, redis: bool, problems: list[str]) -> Health:
    day = usage.budget_day(now, settings)
    with engine.begin() as conn:
        facts = condition.read(conn, settings, day)
        loop = figures.loop(conn, day)
        problems += presence.trouble(conn, settings)
        if takes_no_writes(conn):
            problems.append("The database takes no writes: it is read-only (xbot doctor database).")
        bandits = conn.execute(text("SELECT count(*) FROM bandit_arms WHERE scope <> 'policy'")).scalar_one()
        standing = conn.execute(
            text("SELECT message, fix FROM alerts WHERE state <> 'closed' AND severity = 'critical' ORDER BY id")
        ).all()
    problems += [f"{alert.message} {alert.fix}".strip() for alert in standing]
    # What the rules find now counts even where nobody has evaluated them: that is what a stall looks like.
    known = {alert.message for alert in standing}
    for finding in alerting.findings(facts):
        if finding.severity == "critical" and finding.message not in known:
            problems.append(f"{finding.message} {finding.fix}")
    return Health(
        now,
        redis,
        True,
        sum(account.fresh_candidates for account in facts.accounts),
        bandits,
        loop.last_post_at,
        loop.posts_last_hour,
        tuple(dict.fromkeys(problems)),
    )


def line(health: Health) -> str:
    """The one line of the runbook, for example `[2026-11-20T03:15:00Z] xBOT Health: HEALTHY | Redis:✅ | …`."""

    def shown(value: int | None) -> str:
        return "?" if value is None else str(value)

    last = health.last_post_at.strftime("%Y-%m-%dT%H:%M:%SZ") if health.last_post_at else "none"
    return (
        f"[{health.at:%Y-%m-%dT%H:%M:%SZ}] xBOT Health: {'HEALTHY' if health.healthy else 'UNHEALTHY'} | "
        f"Redis:{_tick(health.redis)} | DB:{_tick(health.database)} | Queue:{shown(health.queue)} | "
        f"Bandits:{shown(health.bandits)} | LastPost:{last} | Posts/h:{shown(health.posts_last_hour)}"
    )


def _tick(good: bool) -> str:
    return "✅" if good else "❌"
