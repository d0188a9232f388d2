"""The default policy `growth`: cooled contextual Thompson sampling on counts with exposure, arm and hour jointly.

Follows, retweets and replies share one drifting count model (`glm.py`): what one count says about an arm informs the
others through their prior correlation. What a pair is worth is the reward of a post there times the people its hour
reaches (`reach.py`). Final rows are learned for good; first passes are added to a copy of the
posterior whenever something is planned, so that a final row replaces its provisional one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Self

import numpy as np

from xbot_dagster.domain.learning.beliefs import beliefs_of
from xbot_dagster.domain.learning.change import ArmWatch
from xbot_dagster.domain.learning.coefficients import (
    Key,
    PooledLevel,
    Prior,
    hour_keys,
    post_features,
)
from xbot_dagster.domain.learning.glm import DriftingCounts, Surprise
from xbot_dagster.domain.learning.growth_config import METRICS, REWARD_WEIGHTS, GrowthConfig
from xbot_dagster.domain.learning.ledger import Ledger
from xbot_dagster.domain.learning.one_thread import one_thread
from xbot_dagster.domain.learning.policy import (
    Belief,
    Choice,
    NoChoice,
    Outcome,
    Pending,
    Policy,
    UpdateSummary,
    days_since_epoch,
    open_pairs,
)
from xbot_dagster.domain.learning.pooling import LearnedLevel
from xbot_dagster.domain.learning.propensity import choose
from xbot_dagster.domain.learning.reach import HourReach
from xbot_dagster.domain.learning.reward import DEFAULT_REFERENCES, RewardReferences
from xbot_dagster.domain.learning.sampling import sample_rewards, standard_noise
from xbot_dagster.domain.learning.tallies import Tallies, outcome_value, references_state
from xbot_dagster.errors import UserError

FORMAT = "growth/3"
ROWS_PER_STEP = 64  # a longer day is learned in steps, so that an imported history costs memory by the step


class GrowthPolicy(Policy):
    """Implements `policy.Policy`. References and configuration are frozen for the life of a version."""

    name = "growth"
    version = "growth_v1"

    def __init__(
        self,
        arms: Sequence[str],
        references: RewardReferences = DEFAULT_REFERENCES,
        config: GrowthConfig | None = None,
        pooled: Mapping[Key, PooledLevel] | None = None,
    ) -> None:
        """`arms`: names, at least one, none twice. `pooled`: levels known from other accounts (`pooling.py`)."""
        self.arms = tuple(arms)
        if not self.arms or len(set(self.arms)) != len(self.arms):
            raise UserError(
                "A policy needs at least one arm and no arm twice.", f"Arms given: {', '.join(self.arms) or 'none'}."
            )
        self.references, self.config = references, config or GrowthConfig()
        self.pooled = dict(pooled or {})
        self._rates = np.array([references.per_impression()[metric] for metric in METRICS])
        self._weights = np.array([REWARD_WEIGHTS[metric] for metric in METRICS])
        self.model = DriftingCounts(self._prior(), len(METRICS), self.config.dispersion)
        self.model.ensure([("base",), ("novelty",), *(("arm", arm) for arm in self.arms), *hour_keys()])
        self.reach = HourReach()
        self.ledger, self.tallies, self.watch = Ledger(), Tallies(), ArmWatch()

    def _prior(self) -> Prior:
        base = PooledLevel(
            tuple(np.log(self._rates * self.config.typical_share)), (self.config.base_sd,) * len(METRICS)
        )
        return Prior(self.config.block_priors(), {**self.pooled, ("base",): base})

    @one_thread("scipy.linalg")
    def update(self, outcomes: Sequence[Outcome], *, now: datetime) -> UpdateSummary:
        """Learn final rows in the order they were posted, keep first passes as provisional; see `policy.Policy`."""
        fresh, replaced, skipped = self.ledger.sort(outcomes, now)
        fallen: list[str] = []
        for group in _by_day(fresh):
            surprise = self._learn(self.model, self.reach, group)
            fallen += self._loosen(self.watch.observe([row.arm for row in group], surprise))
        for row in fresh:
            value = outcome_value(row, self.references)
            if value is not None:
                self.tallies.add(row, value)
        self._forget_surplus()
        changes = tuple(f"arm {arm} fell" for arm in dict.fromkeys(fallen))
        return UpdateSummary(len(fresh), len(self.ledger.provisional), replaced, skipped, changes)

    def _loosen(self, fallen: list[str]) -> list[str]:
        """After a fall the old order of the arms is in doubt: most of the fallen arm's, much of the others'."""
        if fallen:
            arms = [key for key in self.model.keys if key[0] == "arm"]
            keep = {key: self.config.fallen_keep if key[1] in fallen else self.config.others_keep for key in arms}
            self.model.loosen(keep)
        return fallen

    def _learn(self, model: DriftingCounts, reach: HourReach, rows: Sequence[Outcome]) -> Surprise:
        day = float(np.floor(days_since_epoch(rows[0].posted_at)))
        reach.advance(day)
        reach.learn(rows)
        model.advance(day)
        counts = np.array([[_count(getattr(row, metric)) for metric in METRICS] for row in rows])
        exposure = np.array([row.impressions for row in rows], float)
        return model.observe([post_features(row.arm, row.hour, row.context) for row in rows], counts, exposure)

    def _forget_surplus(self) -> None:
        """Keep the posteriors small: of each open-ended block the levels with fewest posts give way."""
        for model in (self.model, self.reach):
            for block, limit in self.config.level_limits().items():
                keys = [key for key in model.keys if key[0] == block]
                if len(keys) > limit:
                    spread = {key: model.cov[k, k] for key in keys for k in [model.index[key] * model.metrics]}
                    model.drop(sorted(keys, key=lambda key: -spread[key])[: len(keys) - limit])

    def _belief_at(self, now: datetime, pending: Sequence[Pending]) -> tuple[DriftingCounts, HourReach]:
        """The posteriors as of `now`: final rows, provisional rows, and the narrowing that pending posts promise."""
        model, reach = self.model.copy(), self.reach.copy()
        for group in _by_day(
            sorted(self.ledger.provisional.values(), key=lambda row: (days_since_epoch(row.posted_at), row.id))
        ):
            self._learn(model, reach, group)
        model.advance(days_since_epoch(now))
        reach.advance(days_since_epoch(now))
        if pending:
            model.expect(
                [post_features(post.arm, post.hour, post.context) for post in pending], self.config.usual_exposure
            )
        return model, reach

    @one_thread("scipy.linalg")
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
        """See `policy.Policy`."""
        mask, room = open_pairs(len(self.arms), admissible, capacity)
        model, reach = self._belief_at(now, pending)
        of_hour = reach.sample(self.config.temperature, self.config.draws, rng)
        noise = standard_noise(len(self.arms), len(METRICS), self.config.draws, rng)
        choices: list[Choice | NoChoice] = []
        for context in contexts:
            pairs = mask & (room > 0)
            if not pairs.any():
                choices.append(NoChoice("no admissible arm and hour is left", context))
                continue
            choice = self._choose(model, of_hour, context, pairs, noise, epsilon, rng)
            room[choice.hour] -= 1
            choices.append(choice)
        return choices

    def _choose(
        self,
        model: DriftingCounts,
        reach: np.ndarray,
        context: Mapping[str, Any],
        pairs: np.ndarray,
        noise: np.ndarray,
        epsilon: float,
        rng: np.random.Generator,
    ) -> Choice:
        config = self.config
        fallback = (
            None if self.tallies.total.samples or self.ledger.provisional else "no outcome yet: the prior chooses"
        )
        try:
            sampled = sample_rewards(
                model,
                self.arms,
                context,
                noise,
                weights=self._weights,
                references=self._rates,
                temperature=config.temperature,
                interaction_share=config.interaction_share,
            )
        except np.linalg.LinAlgError as error:
            picked, mean, sd = pairs / pairs.sum(), np.zeros(len(self.arms)), np.zeros(len(self.arms))
            fallback = f"the posterior cannot be sampled ({error}): every admissible pair is alike"
        else:
            sampled = replace(sampled, reach=reach)
            picked = sampled.pick_shares(pairs)
            mean, sd = sampled.arm_values(pairs)
        widths = sd / config.temperature**0.5
        expected = dict(zip(self.arms, zip(mean.tolist(), widths.tolist(), strict=True), strict=True))
        return choose(self, context, picked, pairs, epsilon, rng, expected_reward=expected, fallback=fallback)

    @one_thread("scipy.linalg")
    def beliefs(self, *, now: datetime) -> list[Belief]:
        """Arms, hours, topics and hooks at an otherwise ordinary post; see `policy.Policy`."""
        model, reach = self._belief_at(now, ())
        return beliefs_of(model, reach, self.arms, self._weights, self._rates, self.tallies)

    def posterior(self) -> dict[Key, LearnedLevel]:
        """Every coefficient with the prior it started from, for `pooling.pooled_prior`."""
        mean = self.model.mean.reshape(-1, len(METRICS))
        sd = np.sqrt(np.diag(self.model.cov)).reshape(-1, len(METRICS))
        levels: dict[Key, LearnedLevel] = {}
        for key, m, s in zip(self.model.keys, mean.tolist(), sd.tolist(), strict=True):
            prior_mean, prior_cov, _ = self.model.prior.of(key, len(METRICS))
            prior_sd = np.sqrt(np.diag(prior_cov))
            levels[key] = LearnedLevel(tuple(m), tuple(s), tuple(prior_mean.tolist()), tuple(prior_sd.tolist()))
        return levels

    def state(self) -> dict[str, Any]:
        """See `policy.Policy`."""
        return {
            "format": FORMAT,
            "policy": self.name,
            "version": self.version,
            "arms": list(self.arms),
            "references": references_state(self.references),
            "config": asdict(self.config),
            "pooled": [[list(key), list(level.mean), list(level.sd)] for key, level in self.pooled.items()],
            "model": self.model.state(),
            "reach": self.reach.state(),
            "ledger": self.ledger.state(),
            "tallies": self.tallies.state(),
            "watch": self.watch.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """See `policy.Policy`."""
        if state.get("format") != FORMAT:
            raise UserError(
                f"This stored policy has the format {state.get('format')!r}, not {FORMAT!r}.",
                "Train again from the outcomes.",
            )
        try:
            pooled = {tuple(key): PooledLevel(tuple(mean), tuple(sd)) for key, mean, sd in state["pooled"]}
            config = GrowthConfig.from_state(state["config"])
            policy = cls(state["arms"], RewardReferences(**state["references"]), config, pooled)
            policy.model = DriftingCounts.from_state(state["model"], policy._prior(), len(METRICS))
            policy.reach = HourReach.restored(state["reach"])
            policy.ledger, policy.tallies = Ledger.from_state(state["ledger"]), Tallies.from_state(state["tallies"])
            policy.watch = ArmWatch({arm: float(total) for arm, total in state["watch"].items()})
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"The stored policy is damaged: {error}.", "Train again from the outcomes.") from error
        return policy


def _count(value: float | None) -> float:
    """A count for the model: NaN (not measured) for None, and for attributed follows below zero."""
    return float("nan") if value is None or not np.isfinite(value) or value < 0 else float(value)


def _by_day(rows: Iterable[Outcome]) -> Iterable[list[Outcome]]:
    """Rows of one UTC day at a time, at most `ROWS_PER_STEP` each; `rows` in order of posting."""
    group: list[Outcome] = []
    for row in rows:
        same_day = group and np.floor(days_since_epoch(row.posted_at)) == np.floor(days_since_epoch(group[0].posted_at))
        if group and (not same_day or len(group) == ROWS_PER_STEP):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
