"""Walk-forward benchmark of the content predictor on a real account's posts.

    python -m benchmarks.predictors --csv debruine.csv --json

Prints `{target: {model: {spearman, r2, mae, n, …}}}` for the targets whose columns exist. Every post after the warm-up is
predicted by models refitted every 25 posts on outcomes at least 24 hours old, by the same `train_content` that the
product runs. `gain`, `gain_low`, `gain_high`: R² gained over the rolling mean with its paired block-bootstrap 95 %
interval; `coverage`: share of outcomes inside the 90 % interval.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xbot_dagster.domain.learning.predictors import ContentPredictor, train_content
from xbot_dagster.domain.learning.predictors_design import MODELS
from xbot_dagster.domain.learning.predictors_frame import LOG_TARGETS, POOLED_TARGETS, FrameError
from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder

TARGETS = ("log_retweets", "log_impressions", "log_engagement_rate", "log_profile_visits", "log_follows")
# Hours between a post and the collection of its outcome.
LAG_HOURS = 24


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.predictors",
        description="Walk-forward scores of rolling mean, ridge, LightGBM and stack on one account's posts.",
        epilog="example: python -m benchmarks.predictors --csv posts.csv --json",
    )
    parser.add_argument("--csv", required=True, type=Path, help="posts: text, posted_at (UTC), retweets, impressions …")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--zone", default="UTC", help="the account's IANA time zone (default UTC)")
    parser.add_argument("--warm-up", type=int, default=100, help="first posts that are learned from but not scored")
    parser.add_argument("--last", type=int, default=None, help="score only this many last posts (default all)")
    parser.add_argument("--seed", type=int, default=7, help="random state (default 7)")
    options = parser.parse_args(arguments)
    if not options.csv.is_file():
        print(f"There is no file {options.csv}; give a CSV of posts with --csv.", file=sys.stderr)
        return 2
    started = time.perf_counter()
    try:
        scores = run(options.csv, options.zone, options.warm_up, options.last, options.seed)
    except FrameError as error:
        print(error, file=sys.stderr)
        return 1
    if scores is None:
        print("The file holds too few measured posts to train on.", file=sys.stderr)
        return 1
    print(json.dumps(scores, indent=1) if options.json else table(scores))
    print(f"seconds={time.perf_counter() - started:.1f}", file=sys.stderr)
    return 0


def run(csv: Path, zone: str, warm_up: int, last: int | None, seed: int) -> dict[str, Any] | None:
    """target → model → scores; None if there is nothing to train on."""
    frame = read(csv)
    trained = train_content(
        frame,
        as_of=datetime.max.replace(year=2200, tzinfo=UTC),
        random_state=seed,
        zone=zone,
        embedder=WordLlamaEmbedder(),
        targets=(*LOG_TARGETS, *POOLED_TARGETS),
        evaluated_posts=last,
        warm_up=warm_up,
    )
    if not isinstance(trained, ContentPredictor):
        return None
    return {
        target: {model: trained.metrics[target][model] for model in MODELS}
        for target in TARGETS
        if target in trained.metrics
    }


def read(csv: Path) -> Any:
    """The posts as a training frame whose outcomes were collected LAG_HOURS after posting."""
    import pandas as pd

    # Texts may hold bare carriage returns; only a newline ends a row.
    frame = pd.read_csv(csv, lineterminator="\n")
    if "posted_at" not in frame.columns:
        raise FrameError(f"{csv.name} has no column 'posted_at'.", "Give posts in the one-schema form.")
    try:
        frame["posted_at"] = pd.to_datetime(frame["posted_at"], utc=True)
    except ValueError as error:
        raise FrameError(f"{csv.name} holds a posting time that is none.", "Use UTC timestamps.") from error
    frame["collected_at"] = frame["posted_at"] + pd.Timedelta(hours=LAG_HOURS)
    return frame


def table(scores: dict[str, Any]) -> str:
    lines = [
        f"{'target':22}{'model':10}{'rho':>8}{'R2':>8}{'MAE':>8}{'gain':>8}{'95 % interval':>18}{'cover':>8}{'n':>7}"
    ]
    for target, models in scores.items():
        for model, row in models.items():
            interval = "" if row.get("gain_low") is None else f"{row['gain_low']:.3f} .. {row['gain_high']:.3f}"
            lines.append(
                f"{target:22}{model:10}{number(row['spearman'])}{number(row['r2'])}{number(row['mae'])}"
                f"{number(row.get('gain'))}{interval:>18}{number(row.get('coverage'))}{row['n']:>7}"
            )
    return "\n".join(lines)


def number(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.3f}':>8}"


if __name__ == "__main__":
    sys.exit(main())
