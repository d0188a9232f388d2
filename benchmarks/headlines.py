"""Real randomised headline tests, replayed with the product's pooled, cooled Thompson sampling.

    python -m benchmarks.headlines --csv ../shared/data/upworthy_arms.csv --json

Skill = share of uniform's lost clicks that are saved, in percent.
"""

from __future__ import annotations

import numpy as np

from benchmarks.environment import add_environment_option, load_environment, print_result
from xbot_dagster.domain.learning.headlines import PooledTests


def factory(mask: np.ndarray, seed: int) -> PooledTests:
    """For `headline_replay.py --policy benchmarks.headlines:factory`."""
    return PooledTests(mask, np.random.default_rng([seed, 23]))


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, default=Path("../shared/data/upworthy_arms.csv"), help="arms of the tests")
    parser.add_argument("--seeds", type=int, default=1, help="how many replays")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    add_environment_option(parser, "headline_replay.py")
    options = parser.parse_args(argv)
    replay = load_environment(options.environment)
    if not options.csv.is_file():
        parser.error(f"there is no file {options.csv}; name the headline tests with --csv")
    mask, rate = replay.load(options.csv)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    ours = [replay.clicks_lost(factory(mask, seed), mask, rate, seed) for seed in seeds]
    uniform = [replay.clicks_lost(replay.Uniform(mask, seed), mask, rate, seed) for seed in seeds]
    print_result(
        {
            "tests": len(mask),
            "seeds": [seeds[0], seeds[-1]],
            "clicks_lost_per_test": round(float(np.mean(ours)), 2),
            "uniform": round(float(np.mean(uniform)), 2),
            "skill_percent": round(100 * float(np.mean([1 - a / b for a, b in zip(ours, uniform, strict=True)])), 1),
        },
        options.json,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
