"""Planning: fill each account's local day with decisions: candidate, arm, hour, drafts, gates, queue.

Per account one policy call proposes (arm, hour) for the whole batch; each decision is then written by itself, so that a
failure in the middle costs only what comes after it. Every random draw comes from the deployment's seed and the slot.

Some accounts (LLM_AT_ONCE) are planned side by side: the LLM writes a slot of each at once, and what it wrote is judged and queued
account after account, so that the result does not depend on which answer came first.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import slots
from xbot_dagster.domain.content.slots import DayRules
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import approve, gates
from xbot_dagster.stages.drafting import Written
from xbot_dagster.stages.planner import Planner, PlanningTools, PlanReport, TickEnds, merged
from xbot_dagster.stages.slot import Assign, Assignment, HourScorer, PolicySource, Scorer, Slot
from xbot_dagster.store import config, decisions, deployment, drafts
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.deployment import Account
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
    open_days = [account for account in chosen if account.account not in planned]
    with ThreadPoolExecutor(settings.LLM_AT_ONCE, thread_name_prefix="writing") as writers:
        for ended in _side_by_side(tools, open_days, writers):
            report = merged(report, ended)
    gates.alert_dead_gates(engine)
    approve.alert_backlog(engine)
    return report


def _side_by_side(tools: PlanningTools, accounts: Sequence[Account], writers: Executor) -> Iterator[PlanReport]:
    """Carry out the accounts' plans, some in step: a slot of each is written at once, then each goes on in its turn, and the
    next account takes the place of one that has ended. Gives what each did as it ends.

    When the LLM cannot be used, what was being written is still placed, and nothing more is begun."""
    waiting, plans = iter(accounts), list[_Plan]()
    end: TickEnds | None = None
    while end is None:
        for account in islice(waiting, tools.settings.LLM_AT_ONCE - len(plans)):
            planner = Planner(tools, account)
            plans.append(_Plan(planner, planner.plan()))
        if not plans:
            return
        for plan in plans:
            try:
                plan.go_on()
            except TickEnds as reached:
                plan.planner.skip(str(reached))
                end = end or reached
        for plan in plans:
            if end is not None and plan.slot is not None:
                plan.give_up(end)
            elif plan.slot is not None:
                plan.have_written(writers)
            if plan.slot is None:
                yield plan.planner.report
        plans = [plan for plan in plans if plan.slot is not None]


@dataclass
class _Plan:
    """A plan under way: the slot it stopped at, None before its start and after its end, and what is written for it."""

    planner: Planner
    steps: Generator[Slot, Written, None]
    slot: Slot | None = None
    asked: Future[Written] | None = None

    def go_on(self) -> None:
        """To the next slot, after the writing of the one before. Raises TickEnds."""
        asked, self.slot = self.asked, None
        with suppress(StopIteration):
            if asked is None:
                self.slot = next(self.steps)
            elif (error := asked.exception()) is not None:
                self.slot = self.steps.throw(error)
            else:
                self.slot = self.steps.send(asked.result())

    def have_written(self, writers: Executor) -> None:
        assert self.slot is not None
        self.asked = writers.submit(self.planner.write, self.slot)

    def give_up(self, end: TickEnds) -> None:
        """The slot is not written any more: its candidate goes back."""
        with suppress(TickEnds):
            self.steps.throw(end)
        self.slot = None
        self.planner.skip(str(end))
