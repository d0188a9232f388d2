"""Planning: fill each account's local day with decisions: candidate, arm, hour, drafts, gates, queue.

Per account one policy call proposes (arm, hour) for the whole batch; each decision is then written by itself, so that a
failure in the middle costs only what comes after it. Every random draw comes from the deployment's seed and the slot.
"""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import lessons, scoring, slots
from xbot_dagster.domain.content.brief import HOOKS, MIN_THREAD_PARTS, Brief, Voice
from xbot_dagster.domain.content.seeding import seeded, seeded_id
from xbot_dagster.domain.content.slots import DayRules
from xbot_dagster.domain.learning import policy as learning
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.errors import BudgetExceeded, CircuitOpen, QuotaExhausted
from xbot_dagster.llm.client import BudgetedClient, OpenAiEmbedder
from xbot_dagster.llm.ledger import LlmAnswerUnusable, LlmFailed
from xbot_dagster.settings import Settings
from xbot_dagster.stages import approve, drafting, gates
from xbot_dagster.stages.drafting import Placed, Scorer, Slot
from xbot_dagster.store import alerts, config, decisions, deployment, drafts
from xbot_dagster.store import candidates as candidate_store
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.candidates import Candidate
from xbot_dagster.store.config import LiveConfig
from xbot_dagster.store.deployment import Account

log = logging.getLogger("xbot")

TRIES = 3  # candidates a slot may burn before it stays empty
THREAD_SHARE = 0.1  # of the slots whose hour has room for every part
LONGEST_THREAD = 3
MAX_WEIGHTED = 280
DEFAULT_PER_HOUR = 2


class PolicySource(Protocol):
    """Hands out an account's policies as last stored; `stages.policies.Policies` is the one of the product."""

    def steering(self, account: str) -> learning.Policy: ...

    def shadow(self, account: str) -> learning.Policy | None: ...

    def epsilon(self, account: str) -> float: ...


@dataclass(frozen=True)
class Assignment:
    """A running experiment's grip on one slot. `rules` are added to the prompt; `hour` moves the slot."""

    experiment_id: str
    arm: str
    propensity: float
    unit: str
    rules: tuple[str, ...] = ()
    hook: str | None = None
    hour: int | None = None
    max_hashtags: int | None = None


Assign = Callable[[Connection, Slot], Assignment | None]


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
    """The LLM cannot be used any more in this tick; carries the reason. Never leaves this module."""


def needs_planning(conn: Connection, now: datetime, per_hour: int = DEFAULT_PER_HOUR) -> list[str]:
    """Accounts whose local day still lacks decisions: one query, then arithmetic. `per_hour`: MAX_POSTS_PER_HOUR."""
    wanting = []
    for row in decisions.planning_state(conn):
        values = row["learning"] or {}
        standard = 12 if row["family"] == "sandbox" else 6
        rules = DayRules(
            row["zone"],
            per_hour,
            timedelta(minutes=float(values.get("post_interval_min", 30))),
            tuple(int(hour) for hour in values.get("quiet_hours", ())),
            int(values.get("posts_per_day", standard)),
        )
        stopped = (row["controls"] or {}).get("stop_llm", True)
        if not stopped and slots.still_needed(now, rules, row["slots"]) > 0:
            wanting.append(row["account"])
    return wanting


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
    assign: Assign | None = None,
) -> PlanReport:
    """Plan for every enabled account (or those named). One account's trouble costs the others nothing, the LLM's ends the tick."""
    if settings.AI_QUOTA_CIRCUIT_OPEN:
        log.info("[PLAN_JOB] ⏭️ Skipping: AI_QUOTA_CIRCUIT_OPEN=true")
        return PlanReport(skipped={"*": "AI_QUOTA_CIRCUIT_OPEN=true"})
    llm.begin_tick()
    approve.expire(engine, clock)
    with engine.begin() as conn:
        chosen = [each for each in deployment.accounts(conn) if accounts is None or each.account in accounts]
    report = PlanReport(accounts=len(chosen))
    for account in chosen:
        planner = _Planner(engine, clock, settings, llm, cache, policies, seed, account, scorer_for, assign)
        try:
            report = _merge(report, planner.plan())
        except TickEnds as end:
            report = _merge(report, replace(planner.report, skipped={account.account: str(end)}))
            break
    gates.alert_dead_gates(engine)
    return report


def make_embedder(settings: Settings, llm: BudgetedClient, account: str) -> Embedder:
    """The embedder of this deployment (EMBEDDER)."""
    return WordLlamaEmbedder() if settings.embedder == "wordllama" else OpenAiEmbedder(llm, account)


def day_rules(settings: Settings, live: LiveConfig, zone: str) -> DayRules:
    """One account's limits: the stricter of the two intervals."""
    interval = max(float(settings.MIN_POST_INTERVAL_MINUTES), live.post_interval_min)
    return DayRules(
        zone, settings.MAX_POSTS_PER_HOUR, timedelta(minutes=interval), live.quiet_hours, live.posts_per_day
    )


class _Planner:
    """The planning of one account in one run."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        settings: Settings,
        llm: BudgetedClient,
        cache: Cache,
        policies: PolicySource,
        seed: int,
        account: Account,
        scorer_for: Callable[[str], Scorer | None] | None,
        assign: Assign | None,
    ) -> None:
        self.engine, self.clock, self.settings, self.llm, self.cache = engine, clock, settings, llm, cache
        self.policies, self.seed, self.account, self.assign = policies, seed, account, assign
        self.scorer = scorer_for(account.account) if scorer_for else None
        self.embedder = make_embedder(settings, llm, account.account)
        self.report = PlanReport()
        self.now = clock.now()
        with engine.begin() as conn:
            self.live = config.read_config(conn, settings, account.account)
            self.raw_content = config.read_raw(conn, settings, account.account)["content_config"]
            self.edits = drafts.edits(conn, account.account)
        self.rules = day_rules(settings, self.live, account.zone)
        self.voice = Voice.from_record(account.voice)
        self.lessons = lessons.rules([(edit.action, edit.before, edit.after, edit.reason) for edit in self.edits])
        self.day = slots.local_day(self.now, account.zone)
        self.bounds = slots.day_bounds(self.day, account.zone)

    def plan(self) -> PlanReport:
        name = self.account.account
        if self.live.stop_llm:
            log.info("[PLAN_JOB] ⏭️ Skipping: stop_llm=true account=%s", name)
            return PlanReport(skipped={name: "stop_llm=true"})
        with self.engine.begin() as conn:
            held = decisions.day(conn, name, *self.bounds, self.day)
            waiting = candidate_store.fresh(conn, name, topics=self.live.topics_allowed)
            pending = decisions.pending_posts(conn, name, self.account.zone)
        need = slots.still_needed(self.now, self.rules, held.slots)
        if need == 0:
            return PlanReport(skipped={name: "the day is planned"})
        if not waiting:
            self._alert_empty_queue()
            return PlanReport(skipped={name: "the queue of candidates is empty"})
        order = scoring.diverse_order([(each.topic, each.score) for each in waiting], held.topics)
        queue = [waiting[index] for index in order]
        self._fill(queue, need, held, [learning.Pending(p.arm, p.hour, p.context) for p in pending])
        return self.report

    def _fill(self, queue: list[Candidate], need: int, held: decisions.Day, pending: list[learning.Pending]) -> None:
        """Propose the batch, then write slot by slot; a blocked slot tries the next candidate of the queue."""
        taken = list(held.slots)
        ordinal = held.ordinal
        batch, rest = queue[:need], queue[need:]
        proposals = self._propose(batch, taken, pending, ordinal)
        for candidate, proposal in zip(batch, proposals, strict=True):
            for attempt in range(TRIES):
                if isinstance(proposal, learning.NoChoice):
                    self.report = replace(self.report, empty_slots=self.report.empty_slots + 1)
                    break
                placed = self._slot(candidate, proposal, taken, ordinal, attempt)
                ordinal += placed is not None
                if placed is not None and placed.status != "blocked":
                    taken.append(placed.scheduled_at)
                    break
                if not rest or attempt == TRIES - 1:
                    self.report = replace(self.report, empty_slots=self.report.empty_slots + 1)
                    break
                candidate = rest.pop(0)
                proposal = self._propose([candidate], taken, pending, ordinal)[0]

    def _propose(
        self, batch: Sequence[Candidate], taken: Sequence[datetime], pending: Sequence[learning.Pending], ordinal: int
    ) -> list["_Proposal | learning.NoChoice"]:
        name = self.account.account
        room = slots.capacity(self.day, self.rules, taken, self.now)
        contexts = [{"topic": each.topic, "hook": self._hook(each)} for each in batch]
        steering, shadow = self.policies.steering(name), self.policies.shadow(name)
        epsilon = self.policies.epsilon(name)
        stated: dict[str, Any] = {"now": self.now, "epsilon": epsilon, "capacity": room, "pending": pending}
        chosen = steering.propose_day(contexts, seeded(self.seed, "plan", name, self.day, ordinal), **stated)
        beside: Sequence[learning.Choice | learning.NoChoice | None] = [None] * len(batch)
        if shadow is not None:
            beside = shadow.propose_day(contexts, seeded(self.seed, "shadow", name, self.day, ordinal), **stated)
        return [
            choice
            if isinstance(choice, learning.NoChoice)
            else _Proposal(choice, other if isinstance(other, learning.Choice) else None)
            for choice, other in zip(chosen, beside, strict=True)
        ]

    def _hook(self, candidate: Candidate) -> str:
        """The hook a draft is asked for: an even, seeded draw per candidate and day."""
        rng = seeded(self.seed, "hook", self.account.account, self.day, candidate.content_hash)
        return str(rng.choice(list(HOOKS)))

    def _slot(
        self, candidate: Candidate, proposal: "_Proposal", taken: list[datetime], ordinal: int, attempt: int
    ) -> Placed | None:
        """Write one decision; None when nothing was written (no free minute, candidate gone, unusable answer)."""
        name = self.account.account
        rng = seeded(self.seed, "slot", name, self.day, ordinal)
        at = slots.draw_minute(self.day, proposal.choice.hour, self.rules, taken, self.now, rng)
        if at is None:
            return None
        slot = self._order(candidate, proposal, at, ordinal, attempt, taken, float(rng.random()))
        with self.engine.begin() as conn:
            if not candidate_store.choose(conn, candidate.candidate_id):
                return None
            assigned = self.assign(conn, slot) if self.assign else None
        if proposal.choice.forced_explore:
            log.info("[BANDIT] explore forced arm=%s reason=%s", proposal.choice.arm, proposal.choice.forced_explore)
        slot = self._assigned(slot, assigned, taken, rng)
        try:
            written = drafting.write(slot, self.llm, self.embedder, rng, self.scorer)
            with self.engine.begin() as conn:
                decisions.lock_planning(conn, name)
                fresh = decisions.day(conn, name, *self.bounds, self.day)
                if not _still_free(slot.scheduled_at, fresh.slots, self.rules, self.now):
                    candidate_store.finish(conn, candidate.candidate_id, "fresh")
                    return None
                placed = drafting.place(conn, slot, written, self.settings)
                placed = approve.stand_in(conn, self.settings, placed)
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
        self.cache.remove_from_queue(name, str(candidate.candidate_id))
        drafting.announce(placed, self.settings)
        self._count(placed)
        return placed

    def _order(
        self,
        candidate: Candidate,
        proposal: "_Proposal",
        at: datetime,
        ordinal: int,
        attempt: int,
        taken: Sequence[datetime],
        draw: float,
    ) -> Slot:
        choice = proposal.choice
        parts = self._parts(choice.hour, taken, draw)
        fixed = self.settings.family == "sandbox"
        return Slot(
            decision_id=seeded_id(self.seed, self.account.account, self.day, ordinal, attempt)
            if fixed
            else uuid.uuid4(),
            account=self.account,
            brief=Brief(
                topic=candidate.topic,
                style=choice.arm,
                hook=str(choice.context.get("hook", "none")),
                angle=candidate.title if candidate.published_at else (candidate.angle or candidate.title),
                max_chars=MAX_WEIGHTED,
                drafts=self.settings.DRAFTS_PER_SLOT,
                parts=parts,
                max_hashtags=self.live.max_hashtags if self.voice.hashtags else 0,
                source_title=candidate.title,
                source_text=candidate.angle,
                rules=self.lessons,
                voice=self.voice,
            ),
            decision_type="thread" if parts > 1 else "single",
            topic=candidate.topic,
            scheduled_at=at,
            chain=gates.chain_config(self.live, self.account, self.embedder.name, self.raw_content),
            candidate=candidate,
            arm=choice.arm,
            hour=choice.hour,
            choice=proposal.row(self.seed, candidate, parts),
        )

    def _parts(self, hour: int, taken: Sequence[datetime], draw: float) -> int:
        """1, or the length of a thread where the hour is still empty and takes every part."""
        longest = min(LONGEST_THREAD, self.settings.MAX_POSTS_PER_HOUR)
        room = slots.capacity(self.day, self.rules, taken, self.now)[hour]
        share = float(self.raw_content.get("thread_share", THREAD_SHARE))
        if longest < MIN_THREAD_PARTS or room < longest or draw >= share:
            return 1
        return longest

    def _assigned(self, slot: Slot, assigned: Assignment | None, taken: Sequence[datetime], rng: Any) -> Slot:
        """The slot as a running experiment wants it."""
        if assigned is None:
            return slot
        log.info(
            "[EXPERIMENT] assigned decision_id=%s experiment=%s arm=%s propensity=%.3f",
            slot.decision_id, assigned.experiment_id, assigned.arm, assigned.propensity,
        )  # fmt: skip
        moved = (
            slots.draw_minute(self.day, assigned.hour, self.rules, taken, self.now, rng)
            if assigned.hour is not None
            else None
        )
        brief = replace(
            slot.brief,
            rules=slot.brief.rules + assigned.rules,
            hook=assigned.hook or slot.brief.hook,
            max_hashtags=slot.brief.max_hashtags if assigned.max_hashtags is None else assigned.max_hashtags,
        )
        return replace(
            slot,
            brief=brief,
            scheduled_at=moved or slot.scheduled_at,
            hour=assigned.hour if moved else slot.hour,
            experiment_id=assigned.experiment_id,
            experiment_arm=assigned.arm,
        )

    def _return(self, candidate: Candidate, state: str = "fresh", reason: str | None = None) -> None:
        with self.engine.begin() as conn:
            candidate_store.finish(conn, candidate.candidate_id, state, reason)

    def _count(self, placed: Placed) -> None:
        self.report = replace(
            self.report,
            queued=self.report.queued + (placed.status == "queued"),
            awaiting_approval=self.report.awaiting_approval + (placed.status == "awaiting_approval"),
            blocked=self.report.blocked + (placed.status == "blocked"),
            decisions=(*self.report.decisions, str(placed.decision_id)),
        )

    def _alert_empty_queue(self) -> None:
        name = self.account.account
        log.warning("[PLAN_JOB] ⚠️ queue is empty account=%s", name)
        with self.engine.begin() as conn:
            alerts.raise_alert(
                conn,
                "candidate_queue_empty",
                name,
                severity="warning",
                message=f"There is no candidate to write about for account {name}.",
                fix="Run: xbot candidates refresh, and look at: xbot sources stats",
                account=name,
            )


@dataclass(frozen=True)
class _Proposal:
    """What the steering policy chose, and what the other would have."""

    choice: learning.Choice
    shadow: learning.Choice | None

    def row(self, seed: int, candidate: Candidate, parts: int) -> decisions.Choice:
        record = self.choice.to_record()
        return decisions.Choice(
            policy=self.choice.policy,
            policy_version=self.choice.version,
            seed=seed,
            context={
                **record["context"],
                "candidate_id": str(candidate.candidate_id),
                "candidate_score": candidate.score,
                "parts": parts,
            },
            candidates=record["candidates"],
            arm=self.choice.arm,
            hour=self.choice.hour,
            joint_propensity=self.choice.propensity,
            arm_propensity=self.choice.arm_propensity,
            epsilon=self.choice.epsilon,
            explore_reason=self.choice.forced_explore,
            posterior=record["posterior"],
            shadow=_shadow_record(self.shadow),
            dropped_by=None,
        )


def _shadow_record(choice: learning.Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    record: Mapping[str, Any] = choice.to_record()
    return {
        name: record[name] for name in ("policy", "version", "arm", "hour", "propensity", "arm_propensity", "epsilon")
    }


def _still_free(at: datetime, taken: Sequence[datetime], rules: DayRules, now: datetime) -> bool:
    """Whether nobody else took the slot while the LLM was writing."""
    local = slots.local_day(at, rules.zone)
    hour = at.astimezone(slots.ZoneInfo(rules.zone)).hour
    return at in slots.open_minutes(local, hour, rules, taken, min(now, at - slots.LEAD))


def _merge(one: PlanReport, two: PlanReport) -> PlanReport:
    return PlanReport(
        one.queued + two.queued,
        one.awaiting_approval + two.awaiting_approval,
        one.blocked + two.blocked,
        one.empty_slots + two.empty_slots,
        one.accounts,
        one.decisions + two.decisions,
        {**one.skipped, **two.skipped},
    )
