"""Walk-forward back-test by backfill: what would have been trained on day D, scored on the seven days after it.

Belongs here: partitions, what was known on a day, the stored scores. Not here: production training (`stages/train.py`),
the curve (`stages/backtest_plot.py`).

Partition D learns from outcomes collected before the end of D (UTC) and predicts the posts planned in the seven days
after, each with the history known when it was planned. Nothing is promoted. Running a partition again, alone or within a
range, today or next month, gives the same numbers bit for bit: whatever happened after its week is cut away first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.one_thread import one_thread
from xbot_dagster.domain.learning.predictors import known_posts, seconds
from xbot_dagster.domain.learning.predictors_design import BEATS_MEDIAN, MODELS, Fitted, Material, all_features, beats
from xbot_dagster.domain.learning.predictors_frame import LOG_TARGETS, NEVER
from xbot_dagster.domain.learning.predictors_history import DAY_SECONDS, cadence, history_at
from xbot_dagster.domain.learning.walkforward import (
    MIN_OUTCOMES,
    WalkForward,
    block_bootstrap,
    observed_range,
    pooled_gain,
    scores,
)
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.settings import Settings
from xbot_dagster.stages import features
from xbot_dagster.stages.backtest_timing import run_timing_range
from xbot_dagster.stages.trained import SCORED_DAYS, TrainReport, untrained
from xbot_dagster.stages.training_state import random_state
from xbot_dagster.store import deployment, frames, predictors
from xbot_dagster.store.frames import FrameQuery
from xbot_dagster.store.predictors import NewVersion

if TYPE_CHECKING:
    import numpy as np

ALGORITHM = "stack/1"
LAST_READ_SECONDS = 4 * DAY_SECONDS  # planned a day ahead, read a day after, a day or two late


def run_partition(
    engine: Engine, clock: Clock, settings: Settings, account: str, day: date, kind: str = "content"
) -> TrainReport:
    """One account's partition; see `run_range`."""
    return run_range(engine, clock, settings, account, day, day, kind)[0]


def run_range(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    account: str,
    first: date,
    last: date,
    kind: str = "content",
    embedder: Embedder | None = None,
) -> list[TrainReport]:
    """The partitions `first` to `last`, both included, from one reading of the account's posts.

    Each is stored with state 'backtest' under its day, replacing an earlier answer; one with too few outcomes, or whose
    seven days hold no measured post, is reported with its reason and not stored, and an earlier answer is forgotten.
    """
    if kind == "timing":
        return run_timing_range(engine, clock, settings, account, first, last)
    material, state = _material(engine, clock, settings, account, embedder or WordLlamaEmbedder(), first)
    reports = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        partition = None if material is None else partition_of(material, day, state)
        if partition is None or isinstance(partition, str):
            reports.append(untrained(engine, account, kind, day, partition or "no post was published"))
            continue
        reports.append(_store(engine, settings, account, day, partition))
    return reports


@dataclass(frozen=True)
class Partition:
    """One day's fit and how it did. `gain`: mean squared error saved against the rolling mean, in shares of variance,
    with its block-bootstrap 95 % interval; `predictions` by decision and target."""

    as_of: datetime
    n: int
    scored: int
    features: tuple[str, ...]
    scores: dict[str, Any]
    gain: tuple[float, float, float] | None
    predictions: dict[str, dict[str, float]]


def _material(
    engine: Engine, clock: Clock, settings: Settings, account: str, embedder: Embedder, first: date
) -> tuple[Material | None, int]:
    now = clock.now()
    with engine.begin() as conn:
        zone = deployment.account(conn, account).zone
        state = random_state(conn, account, "content")
    query = FrameQuery(account, settings.simulated, now, features.version())
    frame = frames.training_frame(engine, query)
    if len(frame) == 0:
        return None, state
    posts = known_posts(frame, zone, now)
    return Material.build(posts, frame, LOG_TARGETS, embedder, seconds(_end_of(first))), state


def partition_of(material: Material, day: date, state: int) -> Partition | str:
    """Fit on what was known at the end of `day` and score the posts planned in the following seven days.

    A sentence instead where there is nothing to fit or to score.
    """
    import numpy as np

    end = _end_of(day)
    second = seconds(end)
    material = until(material, second + SCORED_DAYS * DAY_SECONDS)
    known = material.known_at(second)
    if len(known) < MIN_OUTCOMES:
        return f"insufficient real outcomes (need {MIN_OUTCOMES})"
    planned, posts = material.posts.planned, material.posts
    rows = np.flatnonzero((planned > second) & (posts.collected < NEVER))
    if len(rows) == 0:
        return f"no measured post was planned in the {SCORED_DAYS} days after"
    with one_thread("lightgbm"):
        fitted = Fitted.fit(material, known, state)
        vectors = None if material.vectors is None else material.vectors[rows]
        found = fitted.predict(material.base[rows], tuple(posts.texts[row] for row in rows), vectors)
    result = _scored(material, fitted, known, rows, found)
    usable = tuple(name for name in material.targets if name in fitted.stacks)
    gains = pooled_gain(result, usable, "stack", "rolling")
    gain = block_bootstrap(gains, state) if len(gains) else None
    return Partition(
        as_of=end,
        n=len(known),
        scored=len(rows),
        features=all_features(material.targets, words=fitted.words is not None, embedding=fitted.embedding is not None),
        scores={name: scores(result, name, state) for name in (*usable, BEATS_MEDIAN) if name in found},
        gain=(gain.value, gain.low, gain.high) if gain else None,
        predictions={
            posts.decision_id[row]: {name: float(result.predictions[name]["stack"][at]) for name in usable}
            for at, row in enumerate(rows.tolist())
        },
    )


def _end_of(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)


def until(material: Material, second: int) -> Material:
    """The material with the posts planned by `second` alone, and the outcomes collected soon enough after it.

    A sum of floating-point numbers depends in its last bit on what else is summed, so later posts must be gone, not ignored.
    """
    import numpy as np

    posts = material.posts
    kept = int(np.searchsorted(posts.planned, second, side="right"))
    measured = posts.collected[:kept] <= second + LAST_READ_SECONDS
    terms = copy(material.terms)
    terms.rows = material.terms.rows[:kept]
    cut = replace(
        posts,
        order=posts.order[:kept],
        decision_id=posts.decision_id[:kept],
        texts=posts.texts[:kept],
        planned=posts.planned[:kept],
        posted=posts.posted[:kept],
        collected=np.where(measured, posts.collected[:kept], NEVER),
        static=posts.static[:kept],
        groups={name: values[:kept] for name, values in posts.groups.items()},
        targets={name: np.where(measured, values[:kept], np.nan) for name, values in posts.targets.items()},
    )
    history = history_at(cut, material.targets, cut.planned, cut.groups)
    return replace(
        material,
        posts=cut,
        history=history,
        base=np.column_stack([cut.static, cadence(cut.posted, cut.posted[:0]), history.matrix()]),
        y=np.column_stack([cut.targets[name] for name in material.targets]),
        terms=terms,
        vectors=None if material.vectors is None else material.vectors[:kept],
    )


def _scored(
    material: Material, fitted: Fitted, known: np.ndarray, rows: np.ndarray, found: dict[str, dict[str, np.ndarray]]
) -> WalkForward:
    """Predictions clipped to the range observed by then, beside the rolling mean each post had when it was planned."""
    import numpy as np

    outcomes: dict[str, np.ndarray] = {}
    predictions: dict[str, dict[str, np.ndarray]] = {}
    for column, name in enumerate(material.targets):
        if name not in found:
            continue
        least, most = observed_range(material.y[known, column])
        outcomes[name] = material.y[rows, column]
        predictions[name] = {model: np.clip(found[name][model], least, most) for model in MODELS if model != "rolling"}
        predictions[name]["rolling"] = material.history.rolling[rows, column]
    if BEATS_MEDIAN in found and fitted.median_of is not None and fitted.median is not None:
        column = material.targets.index(fitted.median_of)
        outcomes[BEATS_MEDIAN] = beats(material.y[rows, column], fitted.median)
        base_rate = float(np.nanmean(beats(material.y[known, column], fitted.median)))
        predictions[BEATS_MEDIAN] = {**found[BEATS_MEDIAN], "rolling": np.full(len(rows), base_rate)}
    return WalkForward(rows, outcomes, predictions, {}, {}, 1)


def _store(engine: Engine, settings: Settings, account: str, day: date, partition: Partition) -> TrainReport:
    digest = hashlib.sha256(json.dumps(partition.predictions, sort_keys=True).encode()).hexdigest()
    new = NewVersion(
        account=account,
        kind="content",
        algorithm=ALGORITHM,
        as_of=partition.as_of,
        window_start=None,
        n=partition.n,
        features=list(partition.features),
        refs={},
        metrics={"targets": partition.scores, "gain": partition.gain, "scored": partition.scored, "digest": digest},
        payload={"predictions": partition.predictions},
        simulated=settings.simulated,
    )
    with engine.begin() as conn:
        number = predictors.put_backtest(conn, new, day)
    reason = f"{partition.scored} posts of the {SCORED_DAYS} days after scored"
    return TrainReport(
        account, "content", day.isoformat(), number, "backtest", partition.n, reason, partition.scores, partition.gain
    )


def curve(versions: Sequence[predictors.VersionHead]) -> list[dict[str, Any]]:
    """One row per stored partition: day, n, scored posts, gain with its interval."""
    rows = []
    for head in versions:
        gain = head.metrics.get("gain") or (None, None, None)
        rows.append(
            {
                "day": head.partition_day,
                "n": head.n,
                "scored": head.metrics.get("scored"),
                "gain": gain[0],
                "low": gain[1],
                "high": gain[2],
            }
        )
    return rows
