"""The gate chain in its order: safety, quality, duplicate, rotation. A block ends it; later gates are not asked.

Pure: the facts that need the database or an embedder come in through `Lookups`, asked for only when their gate is reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xbot_dagster.domain.content import duplicate, quality, rotation, safety
from xbot_dagster.domain.content.duplicate import Nearest
from xbot_dagster.domain.content.rotation import TopicCount
from xbot_dagster.domain.content.safety import SafetyConfig
from xbot_dagster.domain.content.verdicts import Unavailable, Verdict

# A passing score this close to its threshold is a near miss: shown by `xbot gates`, and a reason for approval.
NEAR_MISS = {"quality": 0.05, "duplicate": 0.03, "rotation": 0.03}


class Lookups(Protocol):
    """What only the store knows. `Unavailable` makes the gate answer "error", which blocks."""

    def exact_match(self) -> str | None: ...

    def nearest(self) -> Nearest | Unavailable | None: ...

    def topic_count(self) -> TopicCount | Unavailable: ...


@dataclass(frozen=True)
class ChainConfig:
    safety: SafetyConfig
    duplicate_threshold: float
    language: str = "en"
    quality_threshold: float = quality.THRESHOLD


@dataclass(frozen=True)
class ChainResult:
    """Verdicts in the order asked. `similarity` is the largest cosine, None when it was not looked up or not known."""

    verdicts: tuple[Verdict, ...]
    similarity: float | None
    novelty: float | None
    quality_score: float | None

    @property
    def passed(self) -> bool:
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)

    @property
    def blocked_by(self) -> Verdict | None:
        return next((verdict for verdict in self.verdicts if not verdict.passed), None)

    @property
    def near_misses(self) -> list[str]:
        """Gates that let this through with little to spare."""
        return [
            verdict.gate
            for verdict in self.verdicts
            if verdict.passed and verdict.margin is not None and 0 <= verdict.margin < NEAR_MISS.get(verdict.gate, 0.0)
        ]


def run(
    parts: Sequence[str],
    lookups: Lookups,
    config: ChainConfig,
    *,
    reply_to: str | None = None,
    moderation: str | Unavailable | None = None,
) -> ChainResult:
    """Judge a post, thread or reply. Replies are not rotated: the other person chose the topic."""
    verdicts = [safety.judge(parts, config.safety, reply_to=reply_to, moderation=moderation)]
    score = similarity = new = None
    if verdicts[-1].passed:
        verdicts.append(quality.judge(parts, config.language, config.quality_threshold, reply=reply_to is not None))
        score = verdicts[-1].score
    if verdicts[-1].passed:
        exact = lookups.exact_match()
        nearest = lookups.nearest() if exact is None else Nearest(1.0, exact)
        if duplicate.repeated_parts(parts):
            verdicts.append(
                Verdict("duplicate", "block", 1.0, config.duplicate_threshold, "two parts of the thread say the same")
            )
        else:
            verdicts.append(duplicate.judge(exact, nearest, config.duplicate_threshold))
        new = duplicate.novelty(nearest)
        similarity = nearest.similarity if isinstance(nearest, Nearest) else None
    if verdicts[-1].passed and reply_to is None:
        verdicts.append(rotation.judge(lookups.topic_count()))
    return ChainResult(tuple(verdicts), similarity, new, score)
