"""Benchmark of off-policy evaluation and lift against frozen reference values.

    python -m benchmarks.ope --fixtures DIR --json

Prints `{max_abs_error, coverage, peeking_false_positive, refused_low_ess}`: the largest difference from the values of
obp (IPS, SNIPS, DM, DR, SNDR) and of the lift reference; the coverage of the lift's 95 % interval in replications of 120
posts; how often an experiment without any effect looks significant on at least one of 86 daily looks; whether a log
with an effective sample size of 2 of 10,000 is refused. `details` holds each part.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from xbot_dagster.domain.learning import offpolicy
from xbot_dagster.domain.learning.lift import LiftEstimate, lift

FILES = ("obp_reference.json", "obp_synthetic_seed12345.npz", "lift_reference.json", "lift_seed7.npz")
POSTS = 120
TRUE_LIFT = 0.1
LOOKS = 86
POSTS_PER_DAY = 5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ope",
        description="Off-policy estimators and lift against reference values, coverage, peeking, refusal.",
        epilog="example: python -m benchmarks.ope --fixtures data/ope --json",
    )
    parser.add_argument("--fixtures", required=True, type=Path, help=f"folder with {', '.join(FILES)}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--replications", type=int, default=1000, help="for the coverage (default 1000)")
    parser.add_argument("--experiments", type=int, default=200, help="for the daily looks (default 200)")
    parser.add_argument("--seed", type=int, default=11, help="of the replications (default 11)")
    options = parser.parse_args(arguments)
    missing = [name for name in FILES if not (options.fixtures / name).is_file()]
    if missing:
        print(f"The folder {options.fixtures} has no {', '.join(missing)}; give it with --fixtures.", file=sys.stderr)
        return 2
    found = run(options.fixtures, options.replications, options.experiments, options.seed)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(f"{name}={value}" for name, value in found.items()))
    return 0


def run(fixtures: Path, replications: int, experiments: int, seed: int) -> dict[str, Any]:
    errors = {**_policy_errors(fixtures), **_lift_errors(fixtures)}
    rng = np.random.default_rng(seed)
    covered = _coverage(rng, replications)
    return {
        "max_abs_error": max(errors.values()),
        "coverage": covered["fixed"],
        "peeking_false_positive": _peeking(rng, experiments),
        "refused_low_ess": _refuses_low_ess(),
        "details": {
            "abs_errors": errors,
            "coverage": covered,
            "replications": replications,
            "experiments": experiments,
        },
    }


def _policy_errors(fixtures: Path) -> dict[str, float]:
    reference = json.loads((fixtures / "obp_reference.json").read_text())["synthetic"]["est"]
    log = np.load(fixtures / "obp_synthetic_seed12345.npz")
    rows = np.arange(len(log["action"]))
    action = log["action"].astype(int)
    found = offpolicy.evaluate(
        log["reward"].astype(float),
        log["pscore"],
        log["pi"][rows, action],
        q_logged=log["q"][rows, action],
        q_target=(log["pi"] * log["q"]).sum(axis=1),
    )
    if isinstance(found, offpolicy.Refused):
        raise SystemExit(f"the reference log was refused: {found.reason}")
    return {name: abs(found.estimates[name].value - value) for name, value in reference.items()}


def _lift_errors(fixtures: Path) -> dict[str, float]:
    reference = json.loads((fixtures / "lift_reference.json").read_text())
    trials = np.load(fixtures / "lift_seed7.npz")
    found = lift(trials["Y"], trials["D"], trials["e"], trials["X"], np.arange(len(trials["Y"])))
    if not isinstance(found, LiftEstimate):
        raise SystemExit(f"the reference experiment was refused: {found.reason}")
    value, se = reference["aipw_logged_e"]
    return {
        "lift": abs(found.lift - value),
        "lift_se": abs(found.se - se),
        "lift_naive": abs(found.naive - reference["naive_diff"]),
    }


def _experiment(
    rng: np.random.Generator, n: int, effect: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The generator of the reference: outcome, treatment, propensity, covariates."""
    x = rng.normal(size=(n, 5))
    propensity = np.clip(1 / (1 + np.exp(-(0.8 * x[:, 0] - 0.5 * x[:, 1]))), 0.1, 0.9)
    treated = (rng.random(n) < propensity).astype(int)
    outcome = 0.3 + 0.2 * x[:, 0] + 0.1 * x[:, 2] ** 2 + effect * treated + 0.3 * rng.normal(size=n)
    return outcome, treated, propensity, x


def _coverage(rng: np.random.Generator, replications: int) -> dict[str, float]:
    fixed, sequence, naive, estimated = 0, 0, 0, 0
    for _ in range(replications):
        outcome, treated, propensity, x = _experiment(rng, POSTS, TRUE_LIFT)
        found = lift(outcome, treated, propensity, x, np.arange(POSTS))
        if not isinstance(found, LiftEstimate):
            continue
        estimated += 1
        fixed += found.low <= TRUE_LIFT <= found.high
        sequence += found.cs_low <= TRUE_LIFT <= found.cs_high
        naive += abs(found.naive - TRUE_LIFT) <= (found.high - found.low) / 2
    return {
        "fixed": fixed / estimated,
        "sequence": sequence / estimated,
        "naive": naive / estimated,
        "refused": (replications - estimated) / replications,
    }


def _peeking(rng: np.random.Generator, experiments: int) -> float:
    false = 0
    day = np.repeat(np.arange(LOOKS), POSTS_PER_DAY)
    for _ in range(experiments):
        outcome, treated, propensity, x = _experiment(rng, len(day), 0.0)
        for look in range(1, LOOKS + 1):
            seen = day < look
            found = lift(outcome[seen], treated[seen], propensity[seen], x[seen], day[seen])
            if isinstance(found, LiftEstimate) and not found.cs_low <= 0 <= found.cs_high:
                false += 1
                break
    return false / experiments


def _refuses_low_ess() -> bool:
    weights = np.ones(10_000)
    weights[0] = 20_000.0
    found = offpolicy.evaluate(np.ones(10_000), 0.5 / weights, np.full(10_000, 0.5))
    return isinstance(found, offpolicy.Refused) and round(found.diagnostics.effective_n) == 2


if __name__ == "__main__":
    sys.exit(main())
