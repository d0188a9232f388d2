"""Plain counts beside a policy's model: how many posts each arm, hour, topic and hook has had, and how they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xbot_dagster.domain.learning.coefficients import level
from xbot_dagster.domain.learning.policy import Outcome
from xbot_dagster.domain.learning.reward import RewardReferences, outcome_reward, rates


@dataclass
class Tally:
    """Posts of one level: how many, how many reached the account's running mean reward, the sum of their rewards."""

    samples: int = 0
    successes: int = 0
    reward: float = 0.0


def outcome_value(row: Outcome, references: RewardReferences) -> float | None:
    """The learned reward of one row, in [0, 1]; None when nothing was measured."""
    measured = rates(impressions=row.impressions, retweets=row.retweets, replies=row.replies, follows=row.follows)
    return outcome_reward(measured.fpki, measured.retweet_rate, measured.reply_rate, references)


@dataclass
class Tallies:
    """Counts per (scope, name); `total` is the whole account."""

    total: Tally = field(default_factory=Tally)
    by_level: dict[tuple[str, str], Tally] = field(default_factory=dict)

    def add(self, row: Outcome, reward: float) -> None:
        """Count one final row."""
        mean = self.total.reward / self.total.samples if self.total.samples else reward
        names = [("content", row.arm), ("timing", str(row.hour))]
        names += [(scope, name) for scope in ("topic", "hook") if (name := level(row.context.get(scope))) is not None]
        for tally in (self.total, *(self.by_level.setdefault(key, Tally()) for key in names)):
            tally.samples += 1
            tally.successes += reward >= mean
            tally.reward += reward

    def of(self, scope: str, name: str) -> Tally:
        """The tally of a level; an empty one when it was never shown."""
        return self.by_level.get((scope, name), Tally())

    def state(self) -> list[list[Any]]:
        """JSON-serialisable rows, the account's own first."""
        rows: list[tuple[str, str, Tally]] = [("", "", self.total)]
        rows += [(scope, name, tally) for (scope, name), tally in self.by_level.items()]
        return [[scope, name, tally.samples, tally.successes, tally.reward] for scope, name, tally in rows]

    @classmethod
    def from_state(cls, rows: list[list[Any]]) -> Tallies:
        tallies = cls()
        for scope, name, samples, successes, reward in rows:
            tally = Tally(int(samples), int(successes), float(reward))
            if scope:
                tallies.by_level[(scope, name)] = tally
            else:
                tallies.total = tally
        return tallies


def references_state(references: RewardReferences) -> Mapping[str, float]:
    """The references as a JSON object."""
    return {"fpki": references.fpki, "retweet_rate": references.retweet_rate, "reply_rate": references.reply_rate}
