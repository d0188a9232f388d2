"""Public bandit libraries in the same account: arms and hours each get a learner of the same kind.

They see final rows only (none of them can replace a provisional row by its final one) with the product's own reward in
[0, 1]. Installed by the extra `bench`; one that is not installed is reported as missing, never skipped in silence.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from xbot_dagster.domain.learning.policy import CAP_PER_HOUR
from xbot_dagster.domain.learning.reward import RewardReferences, outcome_reward, rates

FINAL_PASS = 2


class Pull(NamedTuple):
    """One measured choice of a learner."""

    context: Mapping[str, Any]
    option: int
    reward: float
    probability: float


class Learner(Protocol):
    """Chooses one of `size` options, is told the reward later."""

    def choose(self, context: Mapping[str, Any], allowed: np.ndarray) -> tuple[int, float]:
        """(option, probability) among the options where `allowed` is True."""
        ...

    def learn(self, pulls: Sequence[Pull]) -> None: ...


class Rival:
    """Two learners of one library as a policy of the environment."""

    def __init__(self, arms: Learner, hours: Learner, sizes: tuple[int, int], references: RewardReferences) -> None:
        self.arms, self.hours, self.sizes, self.references = arms, hours, sizes, references
        self.probabilities: dict[int, tuple[float, float]] = {}

    def observe(self, rows: Sequence[Mapping[str, Any]]) -> None:
        of_arms: list[Pull] = []
        of_hours: list[Pull] = []
        for row in rows:
            if row["pass"] != FINAL_PASS:
                continue
            measured = rates(**{name: row[name] for name in ("impressions", "follows", "retweets", "replies")})
            reward = outcome_reward(measured.fpki, measured.retweet_rate, measured.reply_rate, self.references)
            if reward is None:
                continue
            arm_probability, hour_probability = self.probabilities[row["id"]]
            of_arms.append(Pull(row["context"], row["arm"], reward, arm_probability))
            of_hours.append(Pull(row["context"], row["hour"], reward, hour_probability))
        if of_arms:
            self.arms.learn(of_arms)
            self.hours.learn(of_hours)

    def plan(self, day: int, contexts: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
        room, chosen = np.full(self.sizes[1], CAP_PER_HOUR), []
        for number, context in enumerate(contexts):
            arm, of_arm = self.arms.choose(context, np.ones(self.sizes[0], bool))
            hour, of_hour = self.hours.choose(context, room > 0)
            room[hour] -= 1
            self.probabilities[day * 1000 + number] = (of_arm, of_hour)  # the environment's row ids
            chosen.append((arm, hour))
        return chosen


class MabwiserLearner:
    """MABWiser's Thompson sampling (rewards above the running mean are successes) or LinTS."""

    def __init__(self, size: int, seed: int, linear: bool) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        self.linear, self.size, self.mean, self.fitted = linear, size, 0.5, False
        self.rng = np.random.default_rng([seed, 31])
        learning = (
            LearningPolicy.LinTS(alpha=0.1)
            if linear
            else LearningPolicy.ThompsonSampling(lambda _, reward: int(reward >= self.mean))
        )
        self.bandit = MAB(list(range(size)), learning, seed=seed)

    def choose(self, context: Mapping[str, Any], allowed: np.ndarray) -> tuple[int, float]:
        if not self.fitted:
            return int(self.rng.choice(np.flatnonzero(allowed))), 1.0
        values = (
            self.bandit.predict_expectations([_features(context)])
            if self.linear
            else self.bandit.predict_expectations()
        )
        scores = np.array([values[option] for option in range(self.size)])
        return int(np.where(allowed, scores, -np.inf).argmax()), 1.0

    def learn(self, pulls: Sequence[Pull]) -> None:
        self.mean += 0.2 * (sum(pull.reward for pull in pulls) / len(pulls) - self.mean)
        extra = {"contexts": [_features(pull.context) for pull in pulls]} if self.linear else {}
        fit = self.bandit.partial_fit if self.fitted else self.bandit.fit
        fit([pull.option for pull in pulls], [pull.reward for pull in pulls], **extra)
        self.fitted = True


class VowpalLearner:
    """Vowpal Wabbit's bagged contextual bandit."""

    def __init__(self, size: int, seed: int, bags: int = 5) -> None:
        from vowpalwabbit import Workspace

        self.rng = np.random.default_rng([seed, 37])
        self.workspace = Workspace(f"--cb_explore {size} --bag {bags} --epsilon 0.05 --quiet --random_seed {seed + 1}")

    def choose(self, context: Mapping[str, Any], allowed: np.ndarray) -> tuple[int, float]:
        shares = np.where(allowed, np.array(self.workspace.predict(f"| {_tokens(context)}")), 0)
        shares = shares / shares.sum() if shares.sum() > 0 else allowed / allowed.sum()
        option = int(self.rng.choice(len(shares), p=shares))
        return option, float(shares[option])

    def learn(self, pulls: Sequence[Pull]) -> None:
        for pull in pulls:
            label = f"{pull.option + 1}:{-pull.reward:.6f}:{pull.probability:.6f}"
            self.workspace.learn(f"{label} | {_tokens(pull.context)}")


def _features(context: Mapping[str, Any]) -> list[float]:
    topic, hook = np.eye(6)[int(context["topic"]) % 6], np.eye(5)[int(context["hook"]) % 5]
    return [1.0, *topic.tolist(), *hook.tolist(), float(context["novelty"])]


def _tokens(context: Mapping[str, Any]) -> str:
    return f"topic{context['topic']} hook{context['hook']} novelty:{context['novelty']:.3f}"


LEARNERS: Mapping[str, tuple[str, Callable[[int, int], Learner]]] = {
    "mabwiser_ts": ("mabwiser", lambda size, seed: MabwiserLearner(size, seed, linear=False)),
    "mabwiser_lints": ("mabwiser", lambda size, seed: MabwiserLearner(size, seed, linear=True)),
    "vowpalwabbit_bag": ("vowpalwabbit", VowpalLearner),
}


def installed() -> dict[str, bool]:
    """Which rivals can run here."""
    return {name: importlib.util.find_spec(package) is not None for name, (package, _) in LEARNERS.items()}


def rival(name: str, arms: int, hours: int, references: RewardReferences, seed: int) -> Rival:
    """The named rival as a policy of the environment."""
    make = LEARNERS[name][1]
    return Rival(make(arms, 2 * seed), make(hours, 2 * seed + 1), (arms, hours), references)
