"""One account's plan: candidates in a diverse order, the policy's batch of (arm, hour), then slot by slot to the queue.

A slot whose drafts are blocked tries the next candidate, at most three times. The tick ends when the LLM cannot be used.

Writing is what is waited for, so a plan stops at every slot and hands it out: whoever carries the plan out (`stages/plan.py`)
has the slots of several accounts written at once.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import lessons, scoring, slots
from xbot_dagster.domain.content.brief import HOOKS
from xbot_dagster.domain.content.seeding import seeded
from xbot_dagster.domain.content.slots import DayRules
from xbot_dagster.domain.learning import policy as learning
from xbot_dagster.errors import BudgetExceeded, CircuitOpen, QuotaExhausted
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.llm.ledger import LlmAnswerUnusable, LlmFailed
from xbot_dagster.settings import Settings
from xbot_dagster.stages import approve, drafting, gates, shortage
from xbot_dagster.stages.drafting import Placed, Written
from xbot_dagster.stages.ordering import THREAD_SHARE, Orders, Proposal
from xbot_dagster.stages.slot import Assign, HourScorer, PolicySource, Scorer, Slot
from xbot_dagster.store import candidates as candidate_store
from xbot_dagster.store import config, decisions, drafts
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.candidates import Candidate
from xbot_dagster.store.config import LiveConfig
from xbot_dagster.store.deployment import Account

log = logging.getLogger("xbot")


@dataclass(frozen=True)
class PlanningTools:
    """What a planning run works with. `scorer_for`, `hours_for` and `assign` are absent where nothing is promoted or no experiment
    runs."""

    engine: Engine
    clock: Clock
    settings: Settings
    llm: BudgetedClient
    cache: Cache
    policies: PolicySource
    seed: int
    scorer_for: Callable[[str], Scorer | None] | None = None
    hours_for: Callable[[str], HourScorer | None] | None = None
    assign: Assign | None = None


@dataclass(frozen=True)
class PlanReport:
    """What a planning run did. `skipped`: account → why nothing (more) was planned for it."""

    queued: int = 0
    awaiting_approval: int = 0
    blocked: int = 0
    empty_slots: int = 0
    accounts: int = 0
    decisions: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


class TickEnds(Exception):
    """The LLM cannot be used any more in this tick; carries the reason. `stages/plan.py` ends the tick with it."""


def day_rules(settings: Settings, live: LiveConfig, zone: str) -> DayRules:
    """One account's limits: the stricter of the two intervals."""
    interval = max(float(settings.MIN_POST_INTERVAL_MINUTES), live.post_interval_min)
    return DayRules(
        zone, settings.MAX_POSTS_PER_HOUR, timedelta(minutes=interval), live.quiet_hours, live.posts_per_day
    )


class Planner:
    """The planning of one account in one run. `report` says what it did so far."""

    def __init__(self, tools: PlanningTools, account: Account) -> None:
        name = account.account
        self.tools, self.account = tools, account
        self.scorer = tools.scorer_for(name) if tools.scorer_for else None
        self.hours = tools.hours_for(name) if tools.hours_for else None
        self.embedder = drafting.make_embedder(tools.settings, tools.llm, name)
        self.report = PlanReport()
        self.now = tools.clock.now()
        with tools.engine.begin() as conn:
            self.live = config.read_config(conn, tools.settings, name)
            raw = config.read_raw(conn, tools.settings, name)["content_config"]
            edits = drafts.edits(conn, name)
        self.rules = day_rules(tools.settings, self.live, account.zone)
        self.day = slots.local_day(self.now, account.zone)
        self.bounds = slots.day_bounds(self.day, account.zone)
        self.orders = Orders(
            tools.settings,
            account,
            tools.seed,
            self.day,
            self.now,
            self.rules,
            gates.chain_config(self.live, account, self.embedder.name, raw),
            lessons.rules([(edit.action, edit.before, edit.after, edit.reason) for edit in edits]),
            self.live.max_hashtags,
            float(raw.get("thread_share", THREAD_SHARE)),
        )

    def write(self, slot: Slot) -> Written:
        """What the plan waits for at a slot. Touches nothing of the plan: another thread may do it. Raises like `drafting.write`."""
        return drafting.write(slot, self.tools.llm, self.embedder)

    def skip(self, reason: str) -> None:
        """Say why nothing (more) is planned for the account."""
        self.report = replace(self.report, skipped={self.account.account: reason})

    def plan(self) -> Generator[Slot, Written, None]:
        """Hands out slot after slot; is sent what was written for it, or thrown what `write` raised, or a TickEnds when it is not
        written any more. Raises TickEnds."""
        name = self.account.account
        if self.live.stop_llm:
            log.info("[PLAN_JOB] ⏭️ Skipping: stop_llm=true account=%s", name)
            return self.skip("stop_llm=true")
        with self.tools.engine.begin() as conn:
            held = decisions.day(conn, name, *self.bounds, self.day)
            waiting = candidate_store.fresh(conn, name, topics=self.live.topics_allowed)
            pending = decisions.pending_posts(conn, name, self.account.zone)
            shortage.close_when_over(conn, name, self.live.topics_allowed)
        need = slots.still_needed(self.now, self.rules, held.slots, held.made)
        if need == 0:
            return self.skip(slots.why_full(self.rules, held.made))
        if not waiting:
            with self.tools.engine.begin() as conn:
                shortage.raise_for(conn, name, self.live.topics_allowed)
            return self.skip("the queue of candidates is empty")
        order = scoring.diverse_order([(each.topic, each.score) for each in waiting], held.topics)
        queue = [waiting[index] for index in order]
        yield from self._fill(queue, need, held, [learning.Pending(p.arm, p.hour, p.context) for p in pending])

    def _fill(
        self, queue: list[Candidate], need: int, held: decisions.Day, pending: list[learning.Pending]
    ) -> Generator[Slot, Written, None]:
        """Propose the batch, then write slot by slot; a blocked slot tries the next candidate of the queue."""
        taken = list(held.busy)
        ordinal, most = held.ordinal, held.ordinal + self.rules.tries - held.made
        batch, rest = queue[:need], queue[need:]
        proposals = self._propose(batch, taken, pending, ordinal)
        for candidate, proposal in zip(batch, proposals, strict=True):
            for attempt in range(slots.TRIES_PER_POST):
                if isinstance(proposal, learning.NoChoice) or ordinal >= most:
                    self.report = replace(self.report, empty_slots=self.report.empty_slots + 1)
                    break
                placed = yield from self._slot(candidate, proposal, taken, ordinal, attempt)
                ordinal += placed is not None
                if placed is not None and placed.status != "blocked":
                    taken += [placed.scheduled_at] * placed.parts
                    break
                if not rest or attempt == slots.TRIES_PER_POST - 1:
                    self.report = replace(self.report, empty_slots=self.report.empty_slots + 1)
                    break
                candidate = rest.pop(0)
                proposal = self._propose([candidate], taken, pending, ordinal)[0]

    def _propose(
        self, batch: Sequence[Candidate], taken: Sequence[datetime], pending: Sequence[learning.Pending], ordinal: int
    ) -> list[Proposal | learning.NoChoice]:
        name = self.account.account
        room = slots.capacity(self.day, self.rules, taken, self.now)
        contexts = [{"topic": each.topic, "hook": self._hook(each)} for each in batch]
        steering, shadow = self.tools.policies.steering(name), self.tools.policies.shadow(name)
        epsilon = self.tools.policies.epsilon(name)
        stated: dict[str, Any] = {"now": self.now, "epsilon": epsilon, "capacity": room, "pending": pending}
        chosen = steering.propose_day(contexts, seeded(self.tools.seed, "plan", name, self.day, ordinal), **stated)
        beside: Sequence[learning.Choice | learning.NoChoice | None] = [None] * len(batch)
        if shadow is not None:
            beside = shadow.propose_day(contexts, seeded(self.tools.seed, "shadow", name, self.day, ordinal), **stated)
        return [
            choice
            if isinstance(choice, learning.NoChoice)
            else Proposal(choice, other if isinstance(other, learning.Choice) else None)
            for choice, other in zip(chosen, beside, strict=True)
        ]

    def _hook(self, candidate: Candidate) -> str:
        """The hook a draft is asked for: an even, seeded draw per candidate and day."""
        rng = seeded(self.tools.seed, "hook", self.account.account, self.day, candidate.content_hash)
        return str(rng.choice(list(HOOKS)))

    def _slot(
        self, candidate: Candidate, proposal: Proposal, taken: list[datetime], ordinal: int, attempt: int
    ) -> Generator[Slot, Written, Placed | None]:
        """Make one decision; None when nothing was written (no free minute, candidate gone, unusable answer)."""
        name = self.account.account
        rng = seeded(self.tools.seed, "slot", name, self.day, ordinal)
        at = slots.draw_minute(self.day, proposal.choice.hour, self.rules, taken, self.now, rng)
        if at is None:
            return None
        slot = self.orders.slot(candidate, proposal, at, ordinal, attempt, taken, float(rng.random()))
        with self.tools.engine.begin() as conn:
            if not candidate_store.choose(conn, candidate.candidate_id):
                return None
            assigned = self.tools.assign(conn, slot) if self.tools.assign else None
        if proposal.choice.forced_explore:
            log.info("[BANDIT] explore forced arm=%s reason=%s", proposal.choice.arm, proposal.choice.forced_explore)
        slot = self.orders.assigned(slot, assigned, taken, rng)
        if self.hours is not None:
            slot = replace(slot, hour_expected=self.hours.predict(slot.scheduled_at))
        try:
            written = yield slot
            ranking = drafting.rank(slot, written, rng, self.scorer)
            with self.tools.engine.begin() as conn:
                decisions.lock_planning(conn, name)
                fresh = decisions.day(conn, name, *self.bounds, self.day)
                if not _still_free(slot.scheduled_at, fresh.busy, self.rules, self.now):
                    candidate_store.finish(conn, candidate.candidate_id, "fresh")
                    return None
                placed = drafting.place(conn, slot, written, ranking, self.tools.settings)
                placed = approve.stand_in(conn, self.tools.settings, placed)
        except TickEnds:  # thrown in: another account's plan ended the tick
            self._return(candidate)
            raise
        except QuotaExhausted:
            self._return(candidate)
            log.warning("[PLAN_JOB] OpenAI insufficient_quota → not queueing")
            raise TickEnds("insufficient_quota") from None
        except LlmAnswerUnusable as error:
            self._return(candidate, "dropped", error.message)
            log.warning("[PLAN_JOB] ⚠️ candidate_id=%s dropped: %s", candidate.candidate_id, error.message)
            return None
        except (BudgetExceeded, CircuitOpen, LlmFailed) as error:
            self._return(candidate)
            log.warning("[PLAN_JOB] ⏭️ Skipping: %s", error.message)
            raise TickEnds(error.message) from None
        if not placed.unjudged:  # else the candidate stays for a better moment
            self.tools.cache.remove_from_queue(name, str(candidate.candidate_id))
        drafting.announce(placed, self.tools.settings)
        self._count(placed)
        if placed.unjudged:
            raise TickEnds(f"the gates cannot judge: {placed.reason}")
        return placed

    def _return(self, candidate: Candidate, state: str = "fresh", reason: str | None = None) -> None:
        with self.tools.engine.begin() as conn:
            candidate_store.finish(conn, candidate.candidate_id, state, reason)
        if state != "fresh":
            self.tools.cache.remove_from_queue(self.account.account, str(candidate.candidate_id))

    def _count(self, placed: Placed) -> None:
        self.report = replace(
            self.report,
            queued=self.report.queued + (placed.status == "queued"),
            awaiting_approval=self.report.awaiting_approval + (placed.status == "awaiting_approval"),
            blocked=self.report.blocked + (placed.status == "blocked"),
            decisions=(*self.report.decisions, str(placed.decision_id)),
        )


def _still_free(at: datetime, taken: Sequence[datetime], rules: DayRules, now: datetime) -> bool:
    """Whether nobody else took the slot while the LLM was writing."""
    local = slots.local_day(at, rules.zone)
    hour = at.astimezone(slots.ZoneInfo(rules.zone)).hour
    return at in slots.open_minutes(local, hour, rules, taken, min(now, at - slots.LEAD))


def merged(one: PlanReport, two: PlanReport) -> PlanReport:
    return PlanReport(
        one.queued + two.queued,
        one.awaiting_approval + two.awaiting_approval,
        one.blocked + two.blocked,
        one.empty_slots + two.empty_slots,
        one.accounts,
        one.decisions + two.decisions,
        {**one.skipped, **two.skipped},
    )
