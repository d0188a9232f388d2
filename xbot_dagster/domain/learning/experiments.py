"""Experiments: what each preset changes, who is treated, what a window can show, the runbook's week.

Belongs here: presets as data, sticky seeded assignment with its propensity, minimum detectable effect and days needed.
Does not belong here: the registry (`store/experiments`), the effect on a slot (planning), the lift (`lift`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xbot_dagster.errors import UsageError

CONTROL: Final = "control"
TREATMENT: Final = "treatment"
POSTS: Final = ("single", "thread")
REPLIES: Final = ("reply",)
Z_ALPHA: Final = 1.959963984540054  # two-sided 5 %
Z_POWER: Final = 0.8416212335729143  # 80 % power
WANTED_EFFECT: Final = 0.2  # of the mean: what the days needed are computed for
LEAST_POSTS_FOR_POWER: Final = 10


@dataclass(frozen=True)
class Treatment:
    """What an arm changes. rules: added to the brief. hook: the opening asked for. max_hashtags: of the brief and gate.

    hours: the slot's hour is drawn from these, in the account's zone; empty = the slot stays where it was planned.
    """

    rules: tuple[str, ...] = ()
    hook: str | None = None
    max_hashtags: int | None = None
    hours: tuple[int, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        return self == Treatment()


@dataclass(frozen=True)
class Preset:
    """`asks`: the question in one sentence. `share`: probability of treatment. `applies_to`: decision types."""

    name: str
    asks: str
    share: float
    applies_to: tuple[str, ...]
    treatment: Treatment
    control: Treatment = field(default_factory=Treatment)

    def arm(self, name: str) -> Treatment:
        """What the arm of this name changes."""
        return self.treatment if name == TREATMENT else self.control


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            "hashtag_1",
            "Does one hashtag bring more retweets and profile visits than none?",
            0.3,
            POSTS,
            Treatment(rules=("Use exactly one hashtag that fits the topic.",), max_hashtags=1),
            Treatment(rules=("Write without any hashtag.",), max_hashtags=0),
        ),
        Preset(
            "question_cta",
            "Does an opening question bring more retweets and profile visits?",
            0.3,
            POSTS,
            Treatment(rules=("Open with one honest question to the reader, and invite an answer.",), hook="question"),
        ),
        Preset(
            "contrarian_reply",
            "Do replies that politely disagree bring more profile visits?",
            0.3,
            REPLIES,
            Treatment(rules=("Disagree politely with one point of the post and give your reason.",), hook="contrarian"),
        ),
        Preset(
            "late_evening_slot",
            "Does posting between 20:00 and 22:00 of the account's zone bring more reach?",
            0.2,
            POSTS,
            Treatment(hours=(20, 21)),
        ),
    )
}


@dataclass(frozen=True)
class Window:
    """One stretch of a plan of several days. preset None: no experiment runs. first_day counts from 1."""

    first_day: int
    days: int
    preset: str | None
    goal: str


SEVEN_DAY_PLAN: Final = (
    Window(1, 2, None, "baseline: follows per 1,000 impressions, engagement rate, follower growth"),
    Window(3, 2, "question_cta", "do question hooks improve engagement?"),
    Window(5, 2, "late_evening_slot", "does late evening (20-22 h) improve reach?"),
    Window(7, 1, None, "analysis: keep what won, stop what lost, plan the next week"),
)


def preset(name: str) -> Preset:
    """Raises UsageError for a name that is none."""
    if name not in PRESETS:
        raise UsageError(f"There is no experiment preset '{name}'.", f"Known: {', '.join(PRESETS)}, seven-day.")
    return PRESETS[name]


@dataclass(frozen=True)
class Draw:
    """The arm of a unit. propensity: the probability of *this* arm."""

    arm: str
    propensity: float


def draw(seed: int, experiment_id: str, unit: str, share: float) -> Draw:
    """The arm of `unit`, decided by these arguments alone: the same today, after a restart, and on another machine.

    share: probability of treatment, in (0, 1); else UsageError. Source: hash-based bucketing as in Kohavi et al. 2009;
    the experiment's id is hashed too, so that two experiments do not treat the same units.
    """
    if not 0 < share < 1:
        raise UsageError(
            f"A traffic share of {share:g} leaves one arm empty.", "It lies between 0 and 1, for example 0.3."
        )
    treated = uniform(seed, experiment_id, unit) < share
    return Draw(TREATMENT, share) if treated else Draw(CONTROL, 1 - share)


def uniform(seed: int, *names: str) -> float:
    """A number in [0, 1) that depends on the seed and the names alone."""
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(name)}:{name}" for name in (str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


@dataclass(frozen=True)
class Power:
    """What a window can show. Effects as shares of the metric's present mean; None where there is no history to say.

    detectable: smallest effect seen with 80 % power at the 5 % level. days_needed: for an effect of `wanted`.
    """

    posts: int | None
    detectable: float | None
    wanted: float
    days_needed: float | None
    reason: str | None = None

    def sentence(self) -> str:
        """For people, before anything starts."""
        if self.detectable is None or self.days_needed is None:
            return f"What it can show is unknown: {self.reason}."
        return (
            f"About {self.posts} posts: an effect below {self.detectable:+.0%} will not be told from chance; "
            f"{self.wanted:+.0%} needs {math.ceil(self.days_needed)} days."
        )


def power(
    *, mean: float | None, deviation: float | None, measured: int, posts_per_day: float, share: float, days: float,
    wanted: float = WANTED_EFFECT,
) -> Power:  # fmt: skip
    """Two-sample power of a difference in means (normal approximation; unequal arms cost 1 / (share · (1 − share))).

    mean, deviation: of the metric over `measured` past posts. posts_per_day: of the decision types concerned.
    """
    if measured < LEAST_POSTS_FOR_POWER or not mean or not deviation or posts_per_day <= 0:
        return Power(None, None, wanted, None, f"only {measured} measured posts of this kind with any outcome")
    variation = (Z_ALPHA + Z_POWER) * deviation / abs(mean) / math.sqrt(share * (1 - share))
    posts = posts_per_day * days
    return Power(round(posts), variation / math.sqrt(posts), wanted, (variation / wanted) ** 2 / posts_per_day)
