"""Figures derived from one post's counts. The formulas are domain.learning.reward's; here they meet an outcome row."""

from dataclasses import dataclass

from xbot_dagster.domain.learning.reward import (
    DEFAULT_REFERENCES,
    DOCUMENTED_UNITS,
    NORM_V1,
    SEED_V1,
    RewardReferences,
    exposure_weight,
    rates,
    reward_composite,
    reward_norm,
)
from xbot_dagster.domain.measuring.counts import Counts

REWARD_VERSIONS = (SEED_V1, NORM_V1)


@dataclass(frozen=True)
class Derived:
    """`er`, `retweet_rate`, `reply_rate` as fractions of impressions, `fpki` per 1,000 impressions; None when unknown."""

    er: float | None
    fpki: float | None
    retweet_rate: float | None
    reply_rate: float | None
    reward_composite: float | None
    exposure_weight: float | None


@dataclass(frozen=True)
class Reward:
    """One reward of one version with its sample weight and the references it was scaled by."""

    version: str
    reward: float
    weight: float
    refs: dict[str, float]


def duplicate_penalty(similarity: float | None) -> float:
    """The `dup_penalty` of the formula, 0..1: the cosine to the nearest text of ours; 0 where nothing was there to compare."""
    return 0.0 if similarity is None else min(1.0, max(0.0, similarity))


def derive(counts: Counts, novelty: float | None, similarity: float | None) -> Derived:
    """The derived columns of an outcome row. `novelty` 0..1 and `similarity` −1..1 were known before posting."""
    rate = rates(
        impressions=counts.impressions,
        likes=counts.likes,
        retweets=counts.retweets,
        replies=counts.replies,
        follows=counts.follows,
    )
    composite = reward_composite(rate.fpki, rate.retweet_rate, rate.reply_rate, novelty, duplicate_penalty(similarity))
    return Derived(
        rate.er, rate.fpki, rate.retweet_rate, rate.reply_rate, composite, exposure_weight(counts.impressions)
    )


def reward_of(
    version: str,
    counts: Counts,
    novelty: float | None,
    similarity: float | None,
    references: RewardReferences = DEFAULT_REFERENCES,
) -> Reward | None:
    """The reward of one version from raw counts; None where a part of the formula was not measured.

    Raises ValueError for a version that does not exist.
    """
    return _reward(version, derive(counts, novelty, similarity), novelty, similarity, references)


def rewards_of(
    derived: Derived,
    novelty: float | None,
    similarity: float | None,
    references: RewardReferences = DEFAULT_REFERENCES,
) -> tuple[Reward, ...]:
    """The rewards of every version that can be computed from figures derived already."""
    found = (_reward(version, derived, novelty, similarity, references) for version in REWARD_VERSIONS)
    return tuple(reward for reward in found if reward is not None)


def _reward(
    version: str, derived: Derived, novelty: float | None, similarity: float | None, references: RewardReferences
) -> Reward | None:
    if version == SEED_V1:
        value, used = derived.reward_composite, DOCUMENTED_UNITS
    elif version == NORM_V1:
        used = references
        value = reward_norm(
            derived.fpki, derived.retweet_rate, derived.reply_rate, novelty, duplicate_penalty(similarity), references
        )
    else:
        raise ValueError(f"there is no reward version '{version}'")
    if value is None or derived.exposure_weight is None:
        return None
    refs = {"fpki": used.fpki, "retweet_rate": used.retweet_rate, "reply_rate": used.reply_rate}
    return Reward(version, value, derived.exposure_weight, refs)
