"""The interface every policy shares, and the rows that go in and out of it.

A policy is told outcomes (`update`), plans a batch of posts (`propose_day`), and can be written down (`state`) and read
back (`from_state`) so that the next choices are the same. Arms are names, hours are 0..23 in the account's zone,
contexts are mappings with `topic`, `hook` and `novelty`; policies know nothing of tables, queues or gates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self

import numpy as np

HOURS = 24
CAP_PER_HOUR = 2  # MAX_POSTS_PER_HOUR of the interface list
HIGH_UNCERTAINTY = "high_uncertainty"


@dataclass(frozen=True)
class Outcome:
    """One measured post. Counts are None when not measured; `collected_pass` is 1 (T+1h) or 2 (T+24h).

    `arm` comes from the decision, `hour` (account zone) and `posted_at` (aware) from the publication, never from the
    time of collection. Both passes of a post carry the same `id`.
    """

    id: str
    arm: str
    hour: int
    posted_at: datetime
    collected_pass: int
    impressions: float | None
    follows: float | None = None
    retweets: float | None = None
    replies: float | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """A post that is planned or published but not measured yet."""

    arm: str
    hour: int
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Belief:
    """What a policy holds about one arm, hour or tag. Rewards are `outcome_reward` in [0, 1]; the interval covers 95 %.

    `scope` is content, timing, topic or hook. `successes` counts posts that reached the account's running mean reward,
    `alpha` and `beta` are a Beta distribution with the belief's mean and spread.
    """

    scope: str
    name: str
    samples: int
    successes: int
    failures: int
    mean_reward: float
    ci_low: float
    ci_high: float
    alpha: float
    beta: float

    @property
    def ci_width(self) -> float:
        return self.ci_high - self.ci_low


@dataclass(frozen=True)
class Choice:
    """One chosen pair and everything needed to judge it later.

    `propensity` is joint over arm x hour given the pairs still admissible at that moment; `pair_propensities` has shape
    (arms, 24) and sums to 1. `expected_reward` maps each arm to (mean, standard deviation) of the reward at its best
    admissible hour. `fallback` says why the policy could not use what it learned, when that is so.
    """

    arm: str
    hour: int
    propensity: float
    arm_propensity: float
    hour_propensity: float
    epsilon: float
    policy: str
    version: str
    context: Mapping[str, Any]
    arms: tuple[str, ...]
    pair_propensities: np.ndarray
    expected_reward: Mapping[str, tuple[float, float]]
    forced_explore: str | None = None
    fallback: str | None = None

    def to_record(self) -> dict[str, Any]:
        """JSON-serialisable form for `decision_choices`: every admissible pair with its propensity, arm by arm."""
        return {
            "arm": self.arm,
            "hour": self.hour,
            "propensity": self.propensity,
            "arm_propensity": self.arm_propensity,
            "hour_propensity": self.hour_propensity,
            "epsilon": self.epsilon,
            "policy": self.policy,
            "version": self.version,
            "context": dict(self.context),
            "forced_explore": self.forced_explore,
            "fallback": self.fallback,
            "posterior": {arm: {"mean": mean, "sd": sd} for arm, (mean, sd) in self.expected_reward.items()},
            "candidates": {
                arm: {str(hour): float(p) for hour, p in enumerate(row) if p > 0}
                for arm, row in zip(self.arms, self.pair_propensities, strict=True)
            },
        }


@dataclass(frozen=True)
class NoChoice:
    """Nothing could be chosen for this context, and why."""

    reason: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UpdateSummary:
    """What became of the rows of one `update`: learned for good, held as provisional, or skipped with a reason."""

    learned: int = 0
    provisional: int = 0
    replaced: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


class Policy(Protocol):
    """What planning and training need of a policy. `epsilon` is the exploration share of `exploration.epsilon_at`."""

    name: str
    version: str
    arms: tuple[str, ...]

    def propose(
        self,
        context: Mapping[str, Any],
        admissible: np.ndarray | None,
        rng: np.random.Generator,
        *,
        now: datetime,
        epsilon: float,
        pending: Sequence[Pending] = (),
    ) -> Choice | NoChoice:
        """One choice among the pairs where `admissible` (bool, shape (arms, 24); None = all) is True."""
        return self.propose_day([context], rng, now=now, epsilon=epsilon, admissible=admissible, pending=pending)[0]

    def propose_day(
        self,
        contexts: Sequence[Mapping[str, Any]],
        rng: np.random.Generator,
        *,
        now: datetime,
        epsilon: float,
        capacity: Sequence[int] | None = None,
        admissible: np.ndarray | None = None,
        pending: Sequence[Pending] = (),
    ) -> list[Choice | NoChoice]:
        """One choice per context, in order, as one batch.

        `capacity`: how many posts each of the 24 hours can still take (default `CAP_PER_HOUR` each); a choice uses one
        up. `pending`: posts without outcome, counted so that a batch does not repeat itself.
        """
        ...

    def update(self, outcomes: Sequence[Outcome], *, now: datetime) -> UpdateSummary:
        """Learn. A post's pass 2 replaces its pass 1; rows already learned are skipped."""
        ...

    def beliefs(self, *, now: datetime) -> list[Belief]:
        """Arms, hours and tags with their intervals, for reports and `bandit_arms`."""
        ...

    def state(self) -> dict[str, Any]:
        """JSON-serialisable, complete: `from_state(state())` makes the same next choices."""
        ...

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Raises `UserError` for a damaged state or one of an unknown format."""
        ...


def days_since_epoch(instant: datetime) -> float:
    """Policy time: days as a float, UTC. Raises ValueError for an instant without a zone."""
    if instant.utcoffset() is None:
        raise ValueError("a policy needs instants with a time zone")
    return instant.timestamp() / 86_400


def open_pairs(
    arms: int, admissible: np.ndarray | None, capacity: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """(bool mask (arms, 24), int capacity (24,)) with the defaults filled in; raises ValueError for another shape."""
    mask = np.ones((arms, HOURS), bool) if admissible is None else np.array(admissible, bool)
    room = np.full(HOURS, CAP_PER_HOUR) if capacity is None else np.array(capacity, int)
    if mask.shape != (arms, HOURS) or room.shape != (HOURS,):
        raise ValueError(
            f"expected pairs of shape ({arms}, {HOURS}) and {HOURS} capacities, got {mask.shape} and {room.shape}"
        )
    return mask, room
