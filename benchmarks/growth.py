"""Does the default policy earn its keep? Runs it, as the product does, in an account with known truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from xbot_dagster.domain.learning.exploration import epsilon_at
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice, Outcome, Policy
from xbot_dagster.domain.learning.reward import RewardReferences

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Account:
    """Stands between the environment's numbers and a policy: names for arms, instants for days, epsilon by the schedule."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy, self.rng = policy, np.random.default_rng([seed, 17])
        self.first_outcome_at: datetime | None = None
        self.unread: list[Outcome] = []

    def observe(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of the environment, as its docstring describes them."""
        self.unread += [
            Outcome(
                id=str(row["id"]),
                arm=self.policy.arms[row["arm"]],
                hour=row["hour"],
                posted_at=FIRST_DAY + timedelta(days=row["day"], hours=row["hour"]),
                collected_pass=row["pass"],
                impressions=row["impressions"],
                follows=row["follows"],
                retweets=row["retweets"],
                replies=row["replies"],
                context=row["context"],
            )
            for row in rows
        ]

    def plan(self, day: int, contexts: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
        """(arm, hour) per context of one day."""
        now = FIRST_DAY + timedelta(days=day)
        if self.unread:
            self.first_outcome_at = self.first_outcome_at or now
            self.policy.update(self.unread, now=now)
            self.unread = []
        choices = self.policy.propose_day(contexts, self.rng, now=now, epsilon=epsilon_at(now, self.first_outcome_at))
        return [(self.policy.arms.index(c.arm), c.hour) for c in choices if isinstance(c, Choice)]


def arm_names(arms: int) -> list[str]:
    return [f"arm{index}" for index in range(arms)]


def reward_references(references: Mapping[str, float]) -> RewardReferences:
    """The environment's references per impression, in the reward's units."""
    return RewardReferences(1000 * references["follows"], references["retweets"], references["replies"])


def factory(arms: int, hours: int, references: Mapping[str, float], seed: int) -> Account:
    """The default policy for `growth_env.py --policy benchmarks.growth:factory`."""
    if hours != 24:
        raise ValueError("policies choose among the 24 hours of a day")
    return Account(GrowthPolicy(arm_names(arms), reward_references(references)), seed)
