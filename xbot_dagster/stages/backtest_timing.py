"""Back-test partitions of the timing predictor: hours learned until day D, tried on the posts of the seven days after."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.predictors import TooFewOutcomes, known_posts, seconds
from xbot_dagster.domain.learning.predictors_frame import NEVER, Posts
from xbot_dagster.domain.learning.predictors_history import history_at
from xbot_dagster.domain.learning.predictors_payload import to_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor, train_timing
from xbot_dagster.domain.learning.walkforward import block_bootstrap, rank_correlation, spread
from xbot_dagster.settings import Settings
from xbot_dagster.stages import features
from xbot_dagster.stages.trained import SCORED_DAYS, TrainReport, untrained
from xbot_dagster.stages.training_state import random_state
from xbot_dagster.store import deployment, frames, predictors
from xbot_dagster.store.frames import FrameQuery
from xbot_dagster.store.predictors import NewVersion

if TYPE_CHECKING:
    import pandas as pd

ALGORITHM = "harmonics/3"


def run_timing_range(
    engine: Engine, clock: Clock, settings: Settings, account: str, first: date, last: date
) -> list[TrainReport]:
    """The partitions `first` to `last`, both included; see `stages.backtest.run_range`."""
    now = clock.now()
    with engine.begin() as conn:
        zone = deployment.account(conn, account).zone
        state = random_state(conn, account, "timing")
    frame = frames.training_frame(engine, FrameQuery(account, settings.simulated, now, features.version()))
    posts = known_posts(frame, zone, now) if len(frame) else None
    reports = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        found = "no post was published" if posts is None else _partition(frame, posts, zone, day, state)
        if isinstance(found, str):
            reports.append(untrained(engine, account, "timing", day, found))
        else:
            reports.append(_store(engine, settings, account, day, *found))
    return reports


def _partition(
    frame: pd.DataFrame, posts: Posts, zone: str, day: date, state: int
) -> tuple[TimingPredictor, dict[str, Any]] | str:
    import numpy as np

    end = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
    second = seconds(end)
    known = posts.collected <= second
    if not known.any():
        return TooFewOutcomes(0).reason
    predictor = train_timing(frame, as_of=end, random_state=state, zone=zone)
    if isinstance(predictor, TooFewOutcomes):
        return predictor.reason
    week = (posts.planned > second) & (posts.planned <= second + SCORED_DAYS * 86_400) & (posts.collected < NEVER)
    rows = np.flatnonzero(week & ~np.isnan(posts.targets[predictor.target]))
    if len(rows) == 0:
        return f"no measured post was planned in the {SCORED_DAYS} days after"
    usual = history_at(posts, (predictor.target,), posts.planned, posts.groups).rolling[rows, 0]
    outcome = posts.targets[predictor.target][rows] - usual - predictor.centre
    slots = [datetime.fromtimestamp(int(posts.posted[row]), UTC) for row in rows]
    expected = np.array([predictor.at(slot).value for slot in slots])
    variance = spread(outcome)
    gain = block_bootstrap((outcome**2 - (outcome - expected) ** 2) / variance, state) if variance > 0 else None
    return predictor, {
        "scored": len(rows),
        "gain": [gain.value, gain.low, gain.high] if gain else None,
        "targets": {predictor.target: {"spearman": rank_correlation(expected, outcome), "n": len(rows)}},
    }


def _store(
    engine: Engine,
    settings: Settings,
    account: str,
    day: date,
    predictor: TimingPredictor,
    metrics: dict[str, Any],
) -> TrainReport:
    new = NewVersion(
        account=account,
        kind="timing",
        algorithm=ALGORITHM,
        as_of=predictor.as_of,
        window_start=None,
        n=predictor.n,
        features=["hour", "weekday"],
        refs={},
        metrics=metrics,
        payload=to_payload(predictor),
        simulated=settings.simulated,
    )
    with engine.begin() as conn:
        number = predictors.put_backtest(conn, new, day)
    gain = metrics["gain"]
    reason = f"{metrics['scored']} posts of the {SCORED_DAYS} days after scored"
    return TrainReport(
        account,
        "timing",
        day.isoformat(),
        number,
        "backtest",
        predictor.n,
        reason,
        metrics["targets"],
        (gain[0], gain[1], gain[2]) if gain else None,
    )
