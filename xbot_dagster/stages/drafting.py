"""One slot, from the order to the row: drafts from the LLM, ranked, judged, written with everything that explains them.

The LLM is called outside any transaction; what it wrote is judged and stored in one.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection

from xbot_dagster.domain.content import approval, safety
from xbot_dagster.domain.content.chain import ChainResult
from xbot_dagster.domain.content.text import content_hash
from xbot_dagster.domain.content.verdicts import Unavailable
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.domain.measuring.features import extract
from xbot_dagster.llm.client import BudgetedClient, DraftSet, OpenAiEmbedder
from xbot_dagster.llm.ledger import LlmFailed
from xbot_dagster.settings import Settings
from xbot_dagster.stages import gates
from xbot_dagster.stages.slot import Scorer, Slot
from xbot_dagster.store import candidates as candidate_store
from xbot_dagster.store import decisions, drafts, verdicts
from xbot_dagster.store.decisions import NewDecision
from xbot_dagster.store.drafts import DraftRow

log = logging.getLogger("xbot")
# A post that could not go out for this long after its slot is stale; the poster then ends it.
EXPIRES_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Written:
    """What the LLM brought for a slot: drafts with vectors. `vectors[i]` None: no words to embed."""

    drafts: DraftSet
    embedder: str
    vectors: tuple[tuple[float, ...] | None, ...]
    vector_missing: str
    moderation: tuple[str | Unavailable | None, ...]


@dataclass(frozen=True)
class Ranking:
    """In which order a slot's drafts are judged, best first, and what was expected of each."""

    order: tuple[int, ...]
    predictions: tuple[dict[str, Any] | None, ...]
    predictor_version: str | None


@dataclass(frozen=True)
class Placed:
    """What became of a slot: `status` queued, awaiting_approval or blocked. `unjudged`: a gate could not judge, so the text
    itself is not to blame and trying another would end the same way."""

    decision_id: UUID
    status: str
    reason: str | None
    scheduled_at: datetime
    parts: int = 1
    rejected_drafts: int = 0
    reasons: tuple[str, ...] = ()
    unjudged: bool = False


def write(slot: Slot, llm: BudgetedClient, embedder: Embedder) -> Written:
    """Ask the LLM for the slot's drafts, embed and moderate them: all that is waited for, so that several threads may do it for
    several slots. No transaction is open. Raises like `BudgetedClient.drafts`."""
    answer = llm.drafts(slot.brief, account=slot.account.account, decision_id=slot.decision_id, purpose=slot.purpose)
    texts = _texts(answer)
    vectors, missing = embedded(texts, embedder)
    return Written(answer, embedder.name, vectors, missing, moderated(llm, texts, slot.account.account))


def rank(slot: Slot, written: Written, rng: np.random.Generator, scorer: Scorer | None = None) -> Ranking:
    """By the promoted predictor; without one by an even, seeded draw."""
    texts = _texts(written.drafts)
    predictions: list[dict[str, Any] | None] = [None] * len(texts)
    if scorer is not None:
        predictions = list(
            scorer.predict(
                texts,
                scheduled_at=slot.scheduled_at,
                context={
                    "topic": slot.topic,
                    "arm": slot.arm,
                    "hook": slot.brief.hook,
                    "decision_type": slot.decision_type,
                },
            )
        )
    return Ranking(_order(predictions, rng), tuple(predictions), scorer.version if scorer is not None else None)


def _texts(answer: DraftSet) -> list[str]:
    return ["\n\n".join(parts) for parts in answer.drafts]


def place(conn: Connection, slot: Slot, written: Written, ranking: Ranking, settings: Settings) -> Placed:
    """Judge the drafts in their order, take the first that passes, and write the decision with all it rests on, in this transaction."""
    rejected: dict[int, str] = {}
    chosen, result = ranking.order[0], None
    for index in ranking.order:
        judged = gates.judge(conn, _judged(slot, written, index), slot.chain)
        if judged.passed or result is None:
            chosen, result = index, judged
        if judged.passed:
            break
        blocker = judged.blocked_by
        assert blocker is not None
        rejected[index] = f"{blocker.gate}: {blocker.reason}"
    assert result is not None
    rejected.pop(chosen, None) if result.passed else None
    decision = _decision(conn, slot, written, ranking, chosen, result, settings)
    decisions.insert(conn, decision)
    if slot.choice is not None:
        decisions.insert_choice(
            conn,
            slot.decision_id,
            replace(slot.choice, dropped_by=decision.status_reason if decision.status == "blocked" else None),
        )
    drafts.insert(conn, slot.decision_id, _draft_rows(written, ranking, chosen, rejected))
    verdicts.insert(conn, slot.decision_id, result.verdicts)
    blocker = result.blocked_by
    unjudged = blocker is not None and blocker.verdict == "error"
    if slot.candidate is not None:
        state = "used" if blocker is None else ("fresh" if unjudged else "dropped")
        candidate_store.finish(conn, slot.candidate.candidate_id, state, decision.status_reason if blocker else None)
    return Placed(
        decision_id=slot.decision_id,
        status=decision.status,
        reason=decision.status_reason,
        scheduled_at=slot.scheduled_at,
        parts=len(decision.parts),
        rejected_drafts=len(rejected),
        reasons=tuple((decision.approval_reason or "").split("; ")) if decision.approval_required else (),
        unjudged=unjudged,
    )


def announce(placed: Placed, settings: Settings, job: str = "PLAN_JOB", what: str = "content") -> None:
    """The seeds' log line of a decision that was written."""
    if placed.status == "queued":
        kind = "Real LLM" if settings.generation_source == "real" else "Synthetic"
        log.info(
            "[%s] ✅ %s %s queued decision_id=%s scheduled_at=%s",
            job,
            kind,
            what,
            placed.decision_id,
            placed.scheduled_at.isoformat(),
        )
    elif placed.status == "awaiting_approval":
        log.info(
            "[%s] 📝 awaiting approval decision_id=%s reason=%s", job, placed.decision_id, "; ".join(placed.reasons)
        )
    else:
        log.info("[%s] ⛔ blocked decision_id=%s reason=%s", job, placed.decision_id, placed.reason)


def make_embedder(settings: Settings, llm: BudgetedClient, account: str) -> Embedder:
    """The embedder of this deployment (EMBEDDER)."""
    return WordLlamaEmbedder() if settings.embedder == "wordllama" else OpenAiEmbedder(llm, account)


def embedded(texts: Sequence[str], embedder: Embedder) -> tuple[tuple[tuple[float, ...] | None, ...], str]:
    """Vectors of the drafts, or why there are none: the duplicate gate then answers "error", which blocks."""
    try:
        rows = embedder.embed(texts)
    except LlmFailed as error:
        return tuple(None for _ in texts), f"no embedding: {error.message}"
    return tuple(tuple(float(x) for x in row) if row.any() else None for row in rows), "the text has no words to embed"


def moderated(llm: BudgetedClient, texts: Sequence[str], account: str) -> tuple[str | Unavailable | None, ...]:
    """Per draft None, or why moderation refuses it, or why it could not be asked (which blocks as well)."""
    try:
        return tuple(llm.moderate(texts, account=account))
    except LlmFailed as error:
        return tuple(Unavailable(error.message) for _ in texts)


def _order(predictions: Sequence[dict[str, Any] | None], rng: np.random.Generator) -> tuple[int, ...]:
    """Indices of the drafts, best prediction first; without predictions an even, seeded draw."""
    drawn = [int(index) for index in rng.permutation(len(predictions))]
    scores = [prediction.get("score") if prediction else None for prediction in predictions]
    return tuple(sorted(drawn, key=lambda index: -_number(scores[index])))


def _number(score: Any) -> float:
    return float(score) if isinstance(score, int | float) else float("-inf")


def _judged(slot: Slot, written: Written, index: int) -> gates.Judged:
    parts = written.drafts.drafts[index]
    return gates.Judged(
        decision_id=slot.decision_id,
        account=slot.account.account,
        parts=parts,
        topic=slot.topic,
        content_hash=content_hash("\n\n".join(parts)),
        embedder=written.embedder,
        vector=written.vectors[index],
        vector_missing=written.vector_missing,
        reply_to=slot.target_username,
        moderation=written.moderation[index],
    )


def _expected(slot: Slot, of_draft: dict[str, Any] | None) -> dict[str, Any] | None:
    """What was expected of the draft and of its hour."""
    return of_draft if slot.hour_expected is None else {**(of_draft or {}), "hour": slot.hour_expected}


def _decision(
    conn: Connection,
    slot: Slot,
    written: Written,
    ranking: Ranking,
    chosen: int,
    result: ChainResult,
    settings: Settings,
) -> NewDecision:
    parts = written.drafts.drafts[chosen]
    text = "\n\n".join(parts)
    features = extract(parts[0], slot.scheduled_at, slot.account.zone)
    why = _approval_reasons(conn, slot, parts, result, written) if result.passed else []
    blocker = result.blocked_by
    vector = written.vectors[chosen]
    return NewDecision(
        decision_id=slot.decision_id,
        account=slot.account.account,
        decision_type=slot.decision_type,
        parts=parts,
        generation_source=settings.generation_source,
        status="blocked" if blocker else ("awaiting_approval" if why else "queued"),
        simulated=settings.simulated,
        candidate_id=slot.candidate.candidate_id if slot.candidate else None,
        topic=slot.topic,
        arm=slot.arm,
        hour_slot=slot.hour,
        status_reason=f"{blocker.gate} gate: {blocker.reason}"[:300] if blocker else None,
        scheduled_at=slot.scheduled_at,
        expires_at=slot.expires_at or slot.scheduled_at + EXPIRES_AFTER,
        target_tweet_id=slot.target_tweet_id,
        target_username=slot.target_username,
        hook_pattern=features.hook_pattern,
        novelty=result.novelty,
        readability_score=features.readability_score,
        sentiment=features.sentiment,
        quality_score=result.quality_score,
        duplicate_similarity=result.similarity,
        embedding=vector,
        embedder=written.embedder if vector is not None else None,
        content_hash=content_hash(text),
        experiment_id=slot.experiment_id,
        experiment_arm=slot.experiment_arm,
        policy=slot.choice.policy if slot.choice else None,
        policy_version=slot.choice.policy_version if slot.choice else None,
        policy_seed=slot.choice.seed if slot.choice else None,
        propensity=slot.choice.joint_propensity if slot.choice else None,
        predicted=_expected(slot, ranking.predictions[chosen]),
        predictor_version=ranking.predictor_version,
        prompt_version=written.drafts.prompt_version,
        model=written.drafts.model,
        api_usage_id=written.drafts.usage_id,
        approval_required=bool(why),
        approval_reason="; ".join(why)[:300] or None,
    )


def _approval_reasons(
    conn: Connection, slot: Slot, parts: Sequence[str], result: ChainResult, written: Written
) -> list[str]:
    policy = slot.account.approval_replies if slot.decision_type == "reply" else slot.account.approval_posts
    risk = approval.Risk(
        links=sum(len(safety.links(part)) for part in parts),
        mentions=sum(len(safety.mentions(part)) for part in parts),
        near_misses=result.near_misses,
        decisions_of_this_prompt=decisions.decisions_of_prompt(
            conn, slot.account.account, written.drafts.prompt_version
        ),
    )
    return approval.reasons(policy, risk)  # pyright: ignore[reportArgumentType] (the column's CHECK holds the three words)


def _draft_rows(written: Written, ranking: Ranking, chosen: int, rejected: Mapping[int, str]) -> list[DraftRow]:
    rows = [
        DraftRow(index, parts, ranking.predictions[index], index == chosen, rejected.get(index))
        for index, parts in enumerate(written.drafts.drafts)
    ]
    unusable = [
        DraftRow(len(rows) + n, draft.parts, None, False, f"contract: {draft.reason}")
        for n, draft in enumerate(written.drafts.rejected)
    ]
    return rows + unusable
