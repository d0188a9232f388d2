"""Rates of one measured post, the documented composite reward, and its standardised form.

Everything here is a function of one outcome row (and of the references a version froze). A value that was not measured
is None, and a rate that needs it is None: null is never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

SEED_V1 = "seed_v1"
NORM_V1 = "norm_v1"
WEIGHTS = {"fpki": 0.5, "retweet_rate": 0.3, "reply_rate": 0.15, "novelty": 0.05}
DUPLICATE_WEIGHT = 0.1
FULL_EXPOSURE = 1000.0  # impressions above which a post counts as one whole observation (seeds)
REFERENCE_WINDOW_DAYS = 90
REFERENCE_MIN_POSTS = 30  # a 95th percentile of fewer posts is the maximum of a few lucky ones


@dataclass(frozen=True)
class RewardReferences:
    """What counts as a full mark: fpki in follows per 1,000 impressions, the two rates as fractions of impressions."""

    fpki: float = 0.25
    retweet_rate: float = 0.004
    reply_rate: float = 0.0015

    def per_impression(self) -> dict[str, float]:
        """References of the counts themselves, per impression: what the count models compare their rates with."""
        return {"follows": self.fpki / 1000, "retweets": self.retweet_rate, "replies": self.reply_rate}


DEFAULT_REFERENCES = RewardReferences()
DOCUMENTED_UNITS = RewardReferences(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Rates:
    """What the seeds derive from one outcome row: `fpki` per 1,000 impressions, the others as fractions."""

    er: float | None
    fpki: float | None
    retweet_rate: float | None
    reply_rate: float | None


def _measured(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) or value < 0 else float(value)


def per_impression(count: float | None, impressions: float | None) -> float | None:
    """Count divided by impressions; None when either was not measured or nobody saw the post."""
    count, impressions = _measured(count), _measured(impressions)
    return None if count is None or not impressions else count / impressions


def fpki(follows: float | None, impressions: float | None) -> float | None:
    """Follows per 1,000 impressions. Attributed follows may be negative: an estimate keeps its sign."""
    impressions = _measured(impressions)
    if follows is None or not math.isfinite(follows) or not impressions:
        return None
    return 1000.0 * follows / impressions


def engagement_rate(
    likes: float | None, retweets: float | None, replies: float | None, impressions: float | None
) -> float | None:
    """(likes + retweets + replies) / impressions; None unless all four were measured."""
    parts = [_measured(value) for value in (likes, retweets, replies)]
    known = [value for value in parts if value is not None]
    return per_impression(sum(known), impressions) if len(known) == len(parts) else None


def rates(
    *,
    impressions: float | None,
    likes: float | None = None,
    retweets: float | None = None,
    replies: float | None = None,
    follows: float | None = None,
) -> Rates:
    """All derived rates of one outcome row."""
    return Rates(
        er=engagement_rate(likes, retweets, replies, impressions),
        fpki=fpki(follows, impressions),
        retweet_rate=per_impression(retweets, impressions),
        reply_rate=per_impression(replies, impressions),
    )


def exposure_weight(impressions: float | None) -> float | None:
    """`min(1, 1000 / max(1, impressions))`: a sample weight, so that weight x impressions = min(impressions, 1000)."""
    impressions = _measured(impressions)
    return None if impressions is None else min(1.0, FULL_EXPOSURE / max(1.0, impressions))


def reward_composite(
    fpki: float | None,
    retweet_rate: float | None,
    reply_rate: float | None,
    novelty: float | None,
    dup_penalty: float | None = 0.0,
) -> float | None:
    """The seeds' composite, version `seed_v1`, exactly as documented; None when any part was not measured.

    `0.5*fpki + 0.3*retweet_rate + 0.15*reply_rate + 0.05*novelty - 0.1*dup_penalty` in double precision.
    """
    parts = (fpki, retweet_rate, reply_rate, novelty, dup_penalty)
    if any(part is None or not math.isfinite(part) for part in parts):
        return None
    return 0.5 * fpki + 0.3 * retweet_rate + 0.15 * reply_rate + 0.05 * novelty - 0.1 * dup_penalty  # type: ignore[operator]


def reward_norm(
    fpki: float | None,
    retweet_rate: float | None,
    reply_rate: float | None,
    novelty: float | None,
    dup_penalty: float | None = 0.0,
    references: RewardReferences = DEFAULT_REFERENCES,
    cap: bool = True,
) -> float | None:
    """The composite on `x / reference`, each part capped at 1, the sum clipped to [0, 1].

    With references of 1 and `cap=False` it equals `reward_composite`. None when any part was not measured.
    """
    parts = (fpki, retweet_rate, reply_rate, novelty, dup_penalty)
    if any(part is None or not math.isfinite(part) for part in parts):
        return None
    scaled = {
        "fpki": fpki / references.fpki,  # type: ignore[operator]
        "retweet_rate": retweet_rate / references.retweet_rate,  # type: ignore[operator]
        "reply_rate": reply_rate / references.reply_rate,  # type: ignore[operator]
        "novelty": novelty,
    }
    total = sum(WEIGHTS[name] * (min(1.0, value) if cap else value) for name, value in scaled.items())  # type: ignore[type-var]
    total -= DUPLICATE_WEIGHT * dup_penalty  # type: ignore[operator]
    return min(1.0, max(0.0, total)) if cap else total


def outcome_reward(
    fpki: float | None,
    retweet_rate: float | None,
    reply_rate: float | None,
    references: RewardReferences = DEFAULT_REFERENCES,
) -> float | None:
    """What an audience did, in [0, 1]: the three measured parts of `reward_norm`, weights rescaled over those measured.

    Novelty and duplication are left out because we chose them before posting: they must not move an arm. A source that
    cannot report follows still yields a reward on the same scale; None when nothing was measured.
    """
    scaled = {
        "fpki": None if fpki is None else fpki / references.fpki,
        "retweet_rate": None if retweet_rate is None else retweet_rate / references.retweet_rate,
        "reply_rate": None if reply_rate is None else reply_rate / references.reply_rate,
    }
    known = {name: value for name, value in scaled.items() if value is not None and math.isfinite(value)}
    if not known:
        return None
    total = sum(WEIGHTS[name] * min(1.0, max(0.0, value)) for name, value in known.items())
    return total / sum(WEIGHTS[name] for name in known)


def trailing_references(
    rows: Iterable[tuple[float | None, Rates]], previous: RewardReferences = DEFAULT_REFERENCES
) -> RewardReferences:
    """95th percentiles of an account's own posts, each post weighted by min(impressions, 1000).

    `rows`: (impressions, rates) of the final outcomes of the trailing `REFERENCE_WINDOW_DAYS`. A reference whose
    percentile rests on fewer than `REFERENCE_MIN_POSTS` posts, or is zero (follows often are), stays `previous`.
    """
    kept = [(min(shown, FULL_EXPOSURE), rate) for impressions, rate in rows if (shown := _measured(impressions))]

    def percentile(name: str) -> float:
        values = sorted((value, weight) for weight, rate in kept if (value := getattr(rate, name)) is not None)
        if len(values) < REFERENCE_MIN_POSTS:
            return getattr(previous, name)
        wanted, seen, found = 0.95 * sum(weight for _, weight in values), 0.0, 0.0
        for value, weight in values:
            seen, found = seen + weight, value
            if seen >= wanted:
                break
        return found if found > 0 else getattr(previous, name)

    return RewardReferences(percentile("fpki"), percentile("retweet_rate"), percentile("reply_rate"))
