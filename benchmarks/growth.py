"""Does the default policy earn its keep? In an account with known truth: ours, the seeds', public libraries.

    python -m benchmarks.growth --json --seeds 20 --posts 12 --regime mid

Skill = share of uniform choice's regret that is removed, in percent (oracle = 100). The policies are the classes the
product runs. `--prior-scale 2` gives the default policy priors twice as wide as shipped: what a wrong guess costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.environment import add_environment_option, load_environment, print_result
from benchmarks.rivals import installed, rival
from xbot_dagster.domain.learning.exploration import epsilon_at
from xbot_dagster.domain.learning.growth_config import GrowthConfig
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice, Outcome, Policy
from xbot_dagster.domain.learning.reward import RewardReferences
from xbot_dagster.domain.learning.seed_policy import SeedPolicy

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Account:
    """Stands between the environment's numbers and a policy: names for arms, instants for days, scheduled epsilon."""

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


def factories(config: GrowthConfig) -> dict[str, Callable[..., Any]]:
    """Everything that can run here, by name; all share the environment's policy interface."""
    found: dict[str, Callable[..., Any]] = {
        "growth": lambda arms, hours, references, seed: Account(
            GrowthPolicy(arm_names(arms), reward_references(references), config), seed
        ),
        "seed": lambda arms, hours, references, seed: Account(
            SeedPolicy(arm_names(arms), reward_references(references)), seed
        ),
    }
    for name, present in installed().items():
        if present:
            found[name] = lambda arms, hours, references, seed, name=name: rival(
                name, arms, hours, reward_references(references), seed
            )
    return found


def compare(
    environment: ModuleType,
    names: Sequence[str],
    config: GrowthConfig,
    seeds: range,
    regime: str,
    posts: int,
    days: int,
) -> dict[str, Any]:
    """Skill of every named policy over the same accounts, with its standard error over accounts."""
    uniform = [environment.run(environment.Uniform, seed, regime, posts, days) for seed in seeds]
    base_regret = np.array([regret for regret, _, _ in uniform])
    base_follows = float(np.mean([follows for _, follows, _ in uniform]))
    available = factories(config)
    policies: dict[str, Any] = {"uniform": {"skill_percent": 0.0, "regret": round(float(base_regret.mean()), 2)}}
    for name in names:
        if name not in available:
            policies[name] = {"missing": "not installed: pip install 'xbot_dagster[bench]'"}
            continue
        runs = [environment.run(available[name], seed, regime, posts, days) for seed in seeds]
        skill = 100 * (1 - np.array([regret for regret, _, _ in runs]) / base_regret)
        policies[name] = {
            "skill_percent": round(float(skill.mean()), 1),
            "standard_error": round(float(skill.std(ddof=1) / len(skill) ** 0.5), 1) if len(skill) > 1 else None,
            "regret": round(float(np.mean([regret for regret, _, _ in runs])), 2),
            "follows_vs_uniform_percent": round(
                100 * (float(np.mean([follows for _, follows, _ in runs])) / base_follows - 1), 1
            ),
            "policy_seconds_per_account": round(float(np.mean([seconds for _, _, seconds in runs])), 2),
        }
    libraries = [policies[name].get("skill_percent") for name in installed() if name in policies]
    best = max((skill for skill in libraries if skill is not None), default=None)
    ours = policies.get("growth", {}).get("skill_percent")
    return {
        "regime": regime,
        "posts_per_day": posts,
        "days": days,
        "seeds": [seeds[0], seeds[-1]],
        "policies": policies,
        "best_library_skill_percent": best,
        "ratio_to_best_library": round(ours / best, 2) if best and best > 0 and ours is not None else None,
    }


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="how many accounts")
    parser.add_argument("--first-seed", type=int, default=0, help="tuning used the seeds from 100 on")
    parser.add_argument("--posts", type=int, default=12, help="posts a day")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--regime", default="mid", help="mid or sparse")
    parser.add_argument("--policies", nargs="+", default=["growth", "seed", *installed()], help="which ones to run")
    parser.add_argument("--prior-scale", type=float, default=1.0, help="factor on the default policy's prior widths")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    add_environment_option(parser, "growth_env.py")
    options = parser.parse_args(argv)
    environment = load_environment(options.environment)
    if options.regime not in environment.REGIMES:
        parser.error(f"the environment has the regimes {', '.join(environment.REGIMES)}, not {options.regime}")
    known = {"growth", "seed", *installed()}
    if unknown := set(options.policies) - known:
        parser.error(f"unknown policies {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    if options.seeds < 1 or options.days < 1 or not 1 <= options.posts <= 48:
        parser.error("--seeds and --days must be at least 1, --posts between 1 and 48")
    config = GrowthConfig().with_prior_scale(options.prior_scale)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    result = compare(environment, options.policies, config, seeds, options.regime, options.posts, options.days)
    print_result(result, options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
