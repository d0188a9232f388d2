"""The numbers of the growth policy, with their units and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from xbot_dagster.domain.learning.coefficients import BlockPrior
from xbot_dagster.domain.learning.reward import WEIGHTS

METRICS = ("follows", "retweets", "replies")
_OUTCOME_WEIGHT = WEIGHTS["fpki"] + WEIGHTS["retweet_rate"] + WEIGHTS["reply_rate"]
REWARD_WEIGHTS = {
    "follows": WEIGHTS["fpki"] / _OUTCOME_WEIGHT,
    "retweets": WEIGHTS["retweet_rate"] / _OUTCOME_WEIGHT,
    "replies": WEIGHTS["reply_rate"] / _OUTCOME_WEIGHT,
}


@dataclass(frozen=True)
class GrowthConfig:
    """Standard deviations are of log rates; retentions are per day.

    `dispersion`: negative-binomial alpha of follows, retweets, replies in real exports (learning.md section 1).
    `temperature` scales the sampled covariance: short horizons punish full-width sampling, greedy is worst (section 3).
    `interaction_share`: how much of their own variance arm x topic cells bring into sampling; their means always count,
    so they take effect as data narrow them. `fallen_keep`, `others_keep`: share of what was believed about an arm, and
    about the other arms, that stands after a sudden fall was noticed. `typical_share`: an ordinary post's rate over the full-mark reference.
    """

    temperature: float = 0.2
    interaction_share: float = 0.0
    draws: int = 1024
    dispersion: tuple[float, ...] = (0.8, 0.25, 0.5)
    typical_share: float = 1 / 3
    base_sd: float = 0.7
    usual_exposure: float = 1000.0
    arm_sd: float = 0.35
    arm_correlation: float = 0.6
    arm_retention: float = 0.97
    cell_sd: float = 0.25
    topic_sd: float = 0.2
    hook_sd: float = 0.2
    novelty_sd: float = 0.3
    context_retention: float = 0.99
    hour_sd: float = 0.12
    hour_correlation: float = 0.8
    hour_retention: float = 0.985
    second_harmonic_sd: float = 0.04
    fallen_keep: float = 0.2
    others_keep: float = 0.55
    max_topics: int = 24
    max_hooks: int = 12
    max_cells: int = 96

    def block_priors(self) -> dict[str, BlockPrior]:
        """Priors by block name, as `coefficients.py` names the blocks."""
        return {
            "base": BlockPrior(self.base_sd, 0.0, 0.999),
            "arm": BlockPrior(self.arm_sd, self.arm_correlation, self.arm_retention),
            "cell": BlockPrior(self.cell_sd, 0.0, self.context_retention),
            "topic": BlockPrior(self.topic_sd, 0.0, self.context_retention),
            "hook": BlockPrior(self.hook_sd, 0.0, self.context_retention),
            "novelty": BlockPrior(self.novelty_sd, 0.5, self.context_retention),
            "hour": BlockPrior(self.hour_sd, self.hour_correlation, self.hour_retention),
            "hour2": BlockPrior(self.second_harmonic_sd, self.hour_correlation, self.hour_retention),
        }

    def level_limits(self) -> dict[str, int]:
        """How many levels of each open-ended block the posterior keeps."""
        return {"topic": self.max_topics, "hook": self.max_hooks, "cell": self.max_cells}

    def with_prior_scale(self, factor: float) -> Self:
        """The same configuration with every effect's prior standard deviation multiplied by `factor`."""
        names = ("arm_sd", "cell_sd", "topic_sd", "hook_sd", "novelty_sd", "hour_sd", "second_harmonic_sd")
        return replace(self, **{name: factor * getattr(self, name) for name in names})

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The configuration as `dataclasses.asdict` and JSON left it."""
        return cls(**{**state, "dispersion": tuple(state["dispersion"])})
