"""Replies: read who addressed us, honour "stop" at once, answer the best few, let a person approve.

Never to anybody who did not address the account, once per interaction, at most REPLY_MAX_PER_DAY.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content import lessons, replies, slots
from xbot_dagster.domain.content.brief import Brief, Voice
from xbot_dagster.domain.content.seeding import seeded, seeded_id
from xbot_dagster.errors import BudgetExceeded, CircuitOpen, QuotaExhausted, UserError
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.llm.ledger import LlmAnswerUnusable, LlmFailed
from xbot_dagster.settings import Settings
from xbot_dagster.stages import approve, drafting, gates
from xbot_dagster.stages.drafting import Placed
from xbot_dagster.stages.slot import Assign, Slot
from xbot_dagster.store import config, decisions, deployment, drafts
from xbot_dagster.store import replies as store
from xbot_dagster.store.deployment import Account
from xbot_dagster.store.replies import Target
from xbot_dagster.x.protocols import Mention, MetricSource

log = logging.getLogger("xbot")

LOOK_BACK = timedelta(hours=48)
PER_RUN = 3  # replies of one run: the rest waits for the next, so that an answer never comes in a burst
DRAFTS = 2
FIRST_DELAY, SPREAD = timedelta(minutes=6), timedelta(minutes=20)
EXPIRES_AFTER = timedelta(hours=12)
TOPIC = "reply"


@dataclass(frozen=True)
class ReplyReport:
    """What a reply run did. `skipped`: account → why nothing was answered for it."""

    mentions: int = 0
    new_targets: int = 0
    opt_outs: int = 0
    queued: int = 0
    awaiting_approval: int = 0
    blocked: int = 0
    decisions: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    llm: BudgetedClient,
    source_for: Callable[[str], MetricSource],
    accounts: Sequence[str] | None = None,
    *,
    assign: Assign | None = None,
) -> ReplyReport:
    """Answer for every enabled account (or those named) that has replies switched on."""
    reason = refusal(settings)
    if reason is not None:
        log.info("[REPLY_JOB] ⏭️ Skipping: %s", reason)
        return ReplyReport(skipped={"*": reason})
    llm.begin_tick()
    with engine.begin() as conn:
        seed = deployment.require_family(conn, settings).seed
        chosen = [each for each in deployment.accounts(conn) if accounts is None or each.account in accounts]
    report = ReplyReport()
    for account in chosen:
        if not account.replies_enabled:
            report = _skip(report, account, "replies are switched off for this account")
            continue
        try:
            report = _one_account(
                engine, clock, settings, llm, source_for(account.account), account, seed, assign, report
            )
        except QuotaExhausted:
            log.warning("[REPLY_JOB] OpenAI insufficient_quota → not queueing")
            return _skip(report, account, "insufficient_quota")
        except (BudgetExceeded, CircuitOpen, LlmFailed) as error:
            log.warning("[REPLY_JOB] ⏭️ Skipping: %s", error.message)
            return _skip(report, account, error.message)
        except UserError as error:
            # One account's session or page is in the way; the other accounts go on.
            log.warning("[REPLY_JOB] ⚠️ account=%s: %s", account.account, error.message)
            report = _skip(report, account, error.message)
    return report


def refusal(settings: Settings) -> str | None:
    """Why this deployment must not write replies now, or None."""
    if not settings.replies_enabled:
        return "REPLIES_ENABLED=false"
    if settings.MODE == "live" and not settings.AI_REPLY_APPROVAL_REF.strip():
        return "AI_REPLY_APPROVAL_REF is not set: X asks for its approval of replies written by AI"
    if settings.AI_QUOTA_CIRCUIT_OPEN:
        return "AI_QUOTA_CIRCUIT_OPEN=true"
    if settings.REPLY_MAX_PER_DAY == 0:
        return "REPLY_MAX_PER_DAY=0"
    return None


def _one_account(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    llm: BudgetedClient,
    source: MetricSource,
    account: Account,
    seed: int,
    assign: Assign | None,
    report: ReplyReport,
) -> ReplyReport:
    now = clock.now()
    mentions = source.mentions(account.account, account.handle, now - LOOK_BACK)
    with engine.begin() as conn:
        new, stopped = receive(conn, account, mentions, now)
        live = config.read_config(conn, settings, account.account)
        room = settings.REPLY_MAX_PER_DAY - store.planned_since(conn, account.account)
        targets = store.best(conn, account.account, max(0, min(room, PER_RUN)))
    report = replace(
        report,
        mentions=report.mentions + len(mentions),
        new_targets=report.new_targets + new,
        opt_outs=report.opt_outs + stopped,
    )
    if live.stop_llm:
        return _skip(report, account, "stop_llm=true")
    if room <= 0:
        return _skip(report, account, f"REPLY_MAX_PER_DAY={settings.REPLY_MAX_PER_DAY} reached")
    for number, target in enumerate(targets):
        placed = _answer(engine, settings, llm, account, target, now, number, seed, assign)
        if placed is not None:
            report = replace(
                report,
                queued=report.queued + (placed.status == "queued"),
                awaiting_approval=report.awaiting_approval + (placed.status == "awaiting_approval"),
                blocked=report.blocked + (placed.status == "blocked"),
                decisions=(*report.decisions, str(placed.decision_id)),
            )
            if placed.unjudged:
                return _skip(report, account, f"the gates cannot judge: {placed.reason}")
    return report


def receive(conn: Connection, account: Account, mentions: Sequence[Mention], now: datetime) -> tuple[int, int]:
    """Store who addressed us; (new targets, people who asked us to stop)."""
    stopped = 0
    targets = []
    for mention in mentions:
        if mention.username.lower() == account.handle.lower():
            continue
        if replies.is_opt_out(mention.text):
            if store.opt_out(conn, account.account, mention.username, "asked us to stop", mention.tweet_id):
                stopped += 1
                log.info("[REPLY_JOB] 🛑 @%s asked us to stop: never answered again", mention.username)
            continue
        targets.append(_target(account, mention, now))
    barred = store.opted_out(conn, account.account)
    new = store.save(conn, [target for target in targets if target.target_username.lower() not in barred])
    store.expire(conn, account.account, replies.MAX_AGE.total_seconds() / 60)
    return new, stopped


def _target(account: Account, mention: Mention, now: datetime) -> Target:
    ranked = replies.rank(now, mention.posted_at, mention.follower_count, mention.likes, mention.replies)
    reason = replies.unanswerable(mention.text)
    return Target(
        account=account.account,
        target_tweet_id=mention.tweet_id,
        target_username=mention.username,
        kind=mention.kind,
        target_text=mention.text,
        target_posted_at=mention.posted_at,
        follower_count=ranked.features.follower_count,
        tweet_velocity=ranked.features.tweet_velocity,
        tweet_age_min=ranked.features.tweet_age_min,
        rank_score=ranked.rank,
        state="dropped" if reason else "open",
        state_reason=reason,
    )


def _answer(
    engine: Engine,
    settings: Settings,
    llm: BudgetedClient,
    account: Account,
    target: Target,
    now: datetime,
    number: int,
    seed: int,
    assign: Assign | None,
) -> Placed | None:
    """Write the reply to one target; None when the writer's answer was unusable."""
    rng = seeded(seed, "reply", account.account, target.target_tweet_id)
    slot = _order(engine, settings, llm, account, target, now, number, seed, float(rng.random()))
    embedder = drafting.make_embedder(settings, llm, account.account)
    with engine.begin() as conn:
        assigned = assign(conn, slot) if assign else None
    if assigned is not None:
        brief = replace(slot.brief, rules=slot.brief.rules + assigned.rules, hook=assigned.hook or slot.brief.hook)
        slot = replace(slot, brief=brief, experiment_id=assigned.experiment_id, experiment_arm=assigned.arm)
    try:
        written = drafting.write(slot, llm, embedder)
    except LlmAnswerUnusable as error:
        with engine.begin() as conn:
            store.set_state(conn, account.account, target.target_tweet_id, "dropped", error.message)
        log.warning("[REPLY_JOB] ⚠️ target=%s dropped: %s", target.target_tweet_id, error.message)
        return None
    with engine.begin() as conn:
        decisions.lock_planning(conn, account.account)
        if target.target_username.lower() in store.opted_out(conn, account.account):
            return None
        if store.reply_decision(conn, account.account, target.target_tweet_id) is not None:
            return None
        placed = drafting.place(conn, slot, written, drafting.rank(slot, written, rng), settings)
        placed = approve.stand_in(conn, settings, placed)
        blocked = placed.status == "blocked" and not placed.unjudged
        store.set_state(
            conn,
            account.account,
            target.target_tweet_id,
            "dropped" if blocked else "chosen",
            placed.reason if blocked else None,
        )
    drafting.announce(placed, settings, "REPLY_JOB", "reply")
    return placed


def _order(
    engine: Engine,
    settings: Settings,
    llm: BudgetedClient,
    account: Account,
    target: Target,
    now: datetime,
    number: int,
    seed: int,
    draw: float,
) -> Slot:
    voice = Voice.from_record(account.voice)
    with engine.begin() as conn:
        live = config.read_config(conn, settings, account.account)
        raw = config.read_raw(conn, settings, account.account)["content_config"]
        learned = lessons.rules([(e.action, e.before, e.after, e.reason) for e in drafts.edits(conn, account.account)])
    minute = (now + FIRST_DELAY + (number + draw) * SPREAD).replace(second=0, microsecond=0)
    at = slots.after_quiet(minute, account.zone, live.quiet_hours)
    fixed = settings.family == "sandbox"
    embedder = drafting.make_embedder(settings, llm, account.account)
    return Slot(
        decision_id=seeded_id(seed, "reply", account.account, target.target_tweet_id) if fixed else uuid.uuid4(),
        account=account,
        brief=Brief(
            topic=TOPIC,
            style="educational",
            hook="none",
            angle=f"an answer to a {target.kind}",
            drafts=min(DRAFTS, settings.DRAFTS_PER_SLOT),
            reply_to_text=target.target_text,
            rules=learned,
            voice=voice,
        ),
        decision_type="reply",
        topic=TOPIC,
        scheduled_at=at,
        expires_at=at + EXPIRES_AFTER,
        chain=gates.chain_config(live, account, embedder.name, raw),
        target_tweet_id=target.target_tweet_id,
        target_username=target.target_username,
        purpose="reply_generation",
    )


def _skip(report: ReplyReport, account: Account, reason: str) -> ReplyReport:
    return replace(report, skipped={**report.skipped, account.account: reason})
