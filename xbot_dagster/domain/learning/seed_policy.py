"""The documents' policy `seed`: Thompson sampling over arms with uncertainty-epsilon, UCB1 over hours.

Each arm holds a Beta distribution, each hour a mean and a number of posts; context is ignored and nothing is forgotten.
The reward is `outcome_reward` with the exposure weight as sample weight: the documented composite taken literally
rewards novelty, which we choose ourselves (learning.md section 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import numpy as np

from xbot_dagster.domain.learning.ledger import Ledger
from xbot_dagster.domain.learning.policy import (
    Belief,
    Choice,
    NoChoice,
    Outcome,
    Pending,
    Policy,
    UpdateSummary,
    open_pairs,
)
from xbot_dagster.domain.learning.propensity import MIN_DRAWS, choose
from xbot_dagster.domain.learning.reward import DEFAULT_REFERENCES, RewardReferences, exposure_weight
from xbot_dagster.domain.learning.tallies import Tallies, outcome_value, references_state
from xbot_dagster.domain.learning.timing import HOURS, ucb1_scores
from xbot_dagster.errors import UserError

FORMAT = "seed/1"


class SeedPolicy(Policy):
    """Implements `policy.Policy`."""

    name = "seed"
    version = "seed_v1"

    def __init__(self, arms: Sequence[str], references: RewardReferences = DEFAULT_REFERENCES) -> None:
        """`arms`: names, at least one, without repetition."""
        self.arms = tuple(arms)
        if not self.arms or len(set(self.arms)) != len(self.arms):
            raise UserError(
                "A policy needs at least one arm and no arm twice.", f"Arms: {', '.join(self.arms) or 'none'}."
            )
        self.references = references
        self.evidence: dict[str, list[float]] = {}  # arm -> [weight of success, weight of failure], without the prior
        self.ledger, self.tallies = Ledger(), Tallies()

    def update(self, outcomes: Sequence[Outcome], *, now: datetime) -> UpdateSummary:
        """See `policy.Policy`."""
        fresh, replaced, skipped = self.ledger.sort(outcomes, now)
        for row in fresh:
            _add(self.evidence, self.tallies, row, self.references)
        return UpdateSummary(len(fresh), len(self.ledger.provisional), replaced, skipped)

    def _with_provisional(self) -> tuple[dict[str, list[float]], Tallies]:
        evidence = {arm: list(pair) for arm, pair in self.evidence.items()}
        tallies = Tallies.from_state(self.tallies.state())
        for row in self.ledger.provisional.values():
            _add(evidence, tallies, row, self.references)
        return evidence, tallies

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
        """See `policy.Policy`. A pending post counts as one pull with the mean reward, for its arm and for its hour."""
        mask, room = open_pairs(len(self.arms), admissible, capacity)
        evidence, tallies = self._with_provisional()
        mean = tallies.total.reward / tallies.total.samples if tallies.total.samples else 0.5
        alpha, beta = np.array([np.add(1.0, evidence.get(arm, (0.0, 0.0))) for arm in self.arms]).T
        hours = [tallies.of("timing", str(hour)) for hour in range(HOURS)]
        pulls = np.array([hour.samples for hour in hours], float)
        rewards = np.array([hour.reward for hour in hours])

        def count(arm: str, hour: int) -> None:
            if arm in self.arms:
                alpha[self.arms.index(arm)] += mean
                beta[self.arms.index(arm)] += 1 - mean
            pulls[hour] += 1
            rewards[hour] += mean

        for post in pending:
            count(post.arm, post.hour)
        choices: list[Choice | NoChoice] = []
        for context in contexts:
            pairs = mask & (room > 0)
            if not pairs.any():
                choices.append(NoChoice("no admissible arm and hour is left", context))
                continue
            spread = np.sqrt(alpha * beta / (alpha + beta + 1)) / (alpha + beta)
            choice = choose(
                self,
                context,
                _pick_shares(alpha, beta, ucb1_scores(pulls, rewards), pairs, rng),
                pairs,
                epsilon,
                rng,
                expected_reward=dict(
                    zip(self.arms, zip((alpha / (alpha + beta)).tolist(), spread.tolist(), strict=True), strict=True)
                ),
                fallback=None if tallies.total.samples else "no outcome yet: every arm and hour is alike",
            )
            room[choice.hour] -= 1
            count(choice.arm, choice.hour)
            choices.append(choice)
        return choices

    def beliefs(self, *, now: datetime) -> list[Belief]:
        """Arms from their Beta distributions, hours from their counts; see `policy.Policy`."""
        evidence, tallies = self._with_provisional()
        found = [self._belief("content", arm, tallies, *evidence.get(arm, (0.0, 0.0))) for arm in self.arms]
        for hour in range(HOURS):
            tally = tallies.of("timing", str(hour))
            found.append(self._belief("timing", str(hour), tallies, tally.reward, tally.samples - tally.reward))
        return found

    def _belief(self, scope: str, name: str, tallies: Tallies, success: float, failure: float) -> Belief:
        from scipy.special import betaincinv

        tally, alpha, beta = tallies.of(scope, name), 1 + success, 1 + failure
        low, high = betaincinv(alpha, beta, 0.025), betaincinv(alpha, beta, 0.975)
        mean = alpha / (alpha + beta)
        lost = tally.samples - tally.successes
        return Belief(scope, name, tally.samples, tally.successes, lost, mean, float(low), float(high), alpha, beta)

    def state(self) -> dict[str, Any]:
        """See `policy.Policy`."""
        return {
            "format": FORMAT,
            "policy": self.name,
            "version": self.version,
            "arms": list(self.arms),
            "references": references_state(self.references),
            "evidence": self.evidence,
            "ledger": self.ledger.state(),
            "tallies": self.tallies.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """See `policy.Policy`."""
        if state.get("format") != FORMAT:
            raise UserError(f"This stored policy is not of the format {FORMAT!r}.", "Train again from the outcomes.")
        try:
            policy = cls(state["arms"], RewardReferences(**state["references"]))
            policy.evidence = {arm: [float(won), float(lost)] for arm, (won, lost) in state["evidence"].items()}
            policy.ledger, policy.tallies = Ledger.from_state(state["ledger"]), Tallies.from_state(state["tallies"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"The stored policy is damaged: {error}.", "Train again from the outcomes.") from error
        return policy


def _add(evidence: dict[str, list[float]], tallies: Tallies, row: Outcome, references: RewardReferences) -> None:
    reward, weight = outcome_value(row, references), exposure_weight(row.impressions)
    if reward is None or weight is None:
        return
    pair = evidence.setdefault(row.arm, [0.0, 0.0])
    pair[0] += weight * reward
    pair[1] += weight * (1 - reward)
    tallies.add(row, reward)


def _pick_shares(
    alpha: np.ndarray, beta: np.ndarray, scores: np.ndarray, pairs: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """P(arm, hour), shape (arms, 24): the hours of highest index share evenly, arms win as their samples do."""
    scores = np.where(pairs.any(0), scores, -np.inf)
    best = np.flatnonzero(scores == scores.max())
    sampled = rng.beta(alpha, beta, (MIN_DRAWS, len(alpha)))
    shares = np.zeros(pairs.shape)
    for hour in best:
        won = np.where(pairs[:, hour], sampled, -1.0).argmax(1)
        shares[:, hour] = np.bincount(won, minlength=len(alpha)) / (MIN_DRAWS * len(best))
    return shares
