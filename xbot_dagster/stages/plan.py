"""Planning: fill each account's local day with decisions: candidate, arm, hour, drafts, gates, queue.

Per account one policy call proposes (arm, hour) for the whole batch; each decision is then written by itself, so that a
failure in the middle costs only what comes after it. Every random draw comes from the deployment's seed and the slot.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import slots
from xbot_dagster.domain.content.slots import DayRules
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import approve, gates
from xbot_dagster.stages.planner import Planner, PlanningTools, PlanReport, TickEnds, merged
from xbot_dagster.stages.slot import Assign, Assignment, HourScorer, PolicySource, Scorer
from xbot_dagster.store import config, decisions, deployment, drafts
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.usage import UsageLedger

__all__ = ["Assign", "Assignment", "HourScorer", "PlanReport", "PolicySource", "Scorer", "needs_planning", "run"]

log = logging.getLogger("xbot")


def needs_planning(conn: Connection, now: datetime, settings: Settings) -> list[str]:
    """Accounts whose local day still lacks decisions, or whose drafts ran out unread."""
    overdue = drafts.accounts_overdue(conn)
    state = _lacking(conn, now, settings)
    return [account for account, (lacking, _) in state.items() if lacking or account in overdue]


def _lacking(conn: Connection, now: datetime, settings: Settings) -> dict[str, tuple[int | None, str]]:
    """How many decisions each enabled account's local day lacks, None where the LLM is stopped; and why, where it lacks none."""
    found: dict[str, tuple[int | None, str]] = {}
    taken = decisions.planning_state(conn)
    configured = config.read_configs(conn, settings, [row.account for row in taken])
    for row in taken:
        live = configured[row.account]
        interval = timedelta(minutes=live.post_interval_min)
        rules = DayRules(row.zone, settings.MAX_POSTS_PER_HOUR, interval, live.quiet_hours, live.posts_per_day)
        lacking = slots.still_lacking(now, rules, today=row.today, upcoming=row.upcoming, made=row.made)
        found[row.account] = (None if live.stop_llm else lacking, slots.why_full(rules, row.made))
    return found


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    llm: BudgetedClient,
    cache: Cache,
    policies: PolicySource,
    seed: int,
    accounts: Sequence[str] | None = None,
    *,
    scorer_for: Callable[[str], Scorer | None] | None = None,
    hours_for: Callable[[str], HourScorer | None] | None = None,
    assign: Assign | None = None,
) -> PlanReport:
    """Plan for every enabled account (or those named). One account's trouble costs the others nothing, the LLM's ends the tick."""
    approve.expire(engine, clock)
    if settings.AI_QUOTA_CIRCUIT_OPEN:
        log.info("[PLAN_JOB] ⏭️ Skipping: AI_QUOTA_CIRCUIT_OPEN=true")
        return PlanReport(skipped={"*": "AI_QUOTA_CIRCUIT_OPEN=true"})
    llm.begin_tick()
    UsageLedger(engine, settings, clock).sweep()
    with engine.begin() as conn:
        lacking = _lacking(conn, clock.now(), settings)
        chosen = [each for each in deployment.accounts(conn) if accounts is None or each.account in accounts]
    planned = {each.account: lacking[each.account][1] for each in chosen if lacking[each.account][0] == 0}
    report = PlanReport(accounts=len(chosen), skipped=planned)
    tools = PlanningTools(engine, clock, settings, llm, cache, policies, seed, scorer_for, hours_for, assign)
    for account in chosen:
        if account.account in planned:
            continue
        planner = Planner(tools, account)
        try:
            report = merged(report, planner.plan())
        except TickEnds as end:
            report = merged(report, replace(planner.report, skipped={account.account: str(end)}))
            break
    gates.alert_dead_gates(engine)
    approve.alert_backlog(engine)
    return report
