"""From a candidate and the policy's choice to the slot's full order: id, brief, thread or post, experiment.

Pure but for the random id of the real family: every draw comes in, every rule is in the account's own limits.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from xbot_dagster.domain.content import slots
from xbot_dagster.domain.content.brief import MAX_THREAD_PARTS, MIN_THREAD_PARTS, Brief, Voice
from xbot_dagster.domain.content.chain import ChainConfig
from xbot_dagster.domain.content.seeding import seeded_id
from xbot_dagster.domain.content.slots import DayRules
from xbot_dagster.domain.learning import policy as learning
from xbot_dagster.settings import Settings
from xbot_dagster.stages.slot import Assignment, Slot
from xbot_dagster.store import decisions
from xbot_dagster.store.candidates import Candidate
from xbot_dagster.store.deployment import Account

log = logging.getLogger("xbot")

THREAD_SHARE = 0.1  # of the slots whose hour has room for every part
MAX_WEIGHTED = 280


@dataclass(frozen=True)
class Proposal:
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


@dataclass(frozen=True)
class Orders:
    """What every slot of one account's day has in common. `lessons`: rules learned from people's edits."""

    settings: Settings
    account: Account
    seed: int
    day: date
    now: datetime
    rules: DayRules
    chain: ChainConfig
    lessons: tuple[str, ...]
    max_hashtags: int
    thread_share: float

    @property
    def voice(self) -> Voice:
        return Voice.from_record(self.account.voice)

    def slot(
        self,
        candidate: Candidate,
        proposal: Proposal,
        at: datetime,
        ordinal: int,
        attempt: int,
        taken: Sequence[datetime],
        draw: float,
    ) -> Slot:
        choice = proposal.choice
        parts = self.parts(choice.hour, taken, draw)
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
                max_hashtags=self.max_hashtags if self.voice.hashtags else 0,
                source_title=candidate.title,
                source_text=candidate.angle,
                rules=self.lessons,
                voice=self.voice,
            ),
            decision_type="thread" if parts > 1 else "single",
            topic=candidate.topic,
            scheduled_at=at,
            chain=self.chain,
            candidate=candidate,
            arm=choice.arm,
            hour=choice.hour,
            choice=proposal.row(self.seed, candidate, parts),
        )

    def parts(self, hour: int, taken: Sequence[datetime], draw: float) -> int:
        """1, or the length of a thread: 2 to 6 parts, never more than the hour still takes, for each part counts as a post."""
        if draw >= self.thread_share:
            return 1
        longest = min(MAX_THREAD_PARTS, slots.room_in(self.day, hour, self.rules, taken, self.now))
        if longest < MIN_THREAD_PARTS:
            return 1
        return MIN_THREAD_PARTS + int(draw / self.thread_share * (longest - MIN_THREAD_PARTS + 1))

    def assigned(self, slot: Slot, assigned: Assignment | None, taken: Sequence[datetime], rng: Any) -> Slot:
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
