"""Train predictor versions: from the outcomes known now to a candidate, and to the champion when it has earned it.

Belongs here: when a version is due, what it is trained on, storing it, the promotion gate's question, drift. Not here: the
models and the gate itself (`domain/learning/`), serving (`stages/serving.py`), the past (`stages/backtest.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning import promotion
from xbot_dagster.domain.learning.drift import detect
from xbot_dagster.domain.learning.predictors import ContentPredictor, TooFewOutcomes, known_posts, train_content
from xbot_dagster.domain.learning.predictors_payload import to_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor, train_timing
from xbot_dagster.domain.learning.promotion import Hold, Promote
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.settings import Settings
from xbot_dagster.stages import backtest, backtest_timing, features, promoting
from xbot_dagster.stages.trained import TrainingSummary, TrainReport
from xbot_dagster.stages.training_state import random_state
from xbot_dagster.store import alerts, audit, deployment, frames, learning, predictors
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.frames import FrameQuery
from xbot_dagster.store.predictors import KINDS, NewVersion

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainReport", "TrainingSummary", "run", "train_due"]

log = logging.getLogger("xbot")
NEW_OUTCOMES = 25
LEAST_OUTCOMES = 5
RETRAIN_AFTER = timedelta(days=7)


def train_due(conn: Connection) -> tuple[tuple[str, str], ...]:
    """(account, kind) pairs that have 25 new final outcomes since their last version, or any after a week, and five in all."""
    simulated = learning.family_is_simulated(conn)
    return tuple(
        learning.trainable(
            conn, KINDS, least=LEAST_OUTCOMES, new=NEW_OUTCOMES, again=RETRAIN_AFTER, simulated=simulated
        )
    )


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    cache: Cache | None,
    account: str,
    kind: str,
    day: date,
    *,
    embedder: Embedder | None = None,
) -> TrainReport:
    """Train on everything known now, store the version, and promote it when the gate lets it through.

    `day` labels the partition. Nothing is stored without at least five final outcomes, or when none is new since the
    last version.
    """
    now = clock.now()
    with engine.begin() as conn:
        zone = deployment.account(conn, account).zone
        state = random_state(conn, account, kind)
        newest = predictors.newest(conn, account, kind)
        fresh = newest is None or learning.final_outcomes(
            conn, account, simulated=settings.simulated, up_to=1, written_after=newest.created_at
        )
        champion = predictors.champion(conn, account, kind)
        serving = promoting.predictor_of(conn, account, kind, champion.version) if champion else None
    if not fresh:
        return _nothing(account, kind, day, "no new outcome since the last version")
    query = FrameQuery(account, settings.simulated, now, features.version())
    frames.keep_months(engine, query)
    frame = frames.training_frame(engine, query)
    fit = _fitter(kind, now, state, zone, embedder or WordLlamaEmbedder())
    trained = fit(frame)
    if isinstance(trained, TooFewOutcomes):
        log.info("[LEARN_JOB] ⚠️ Training skipped: %s", trained.reason)
        return _nothing(account, kind, day, trained.reason)
    decision = promotion.decide(trained, serving, frame)
    changed = change_of(trained, frame) if isinstance(trained, ContentPredictor) else None
    since = None
    if changed is not None:
        recent = frame.loc[frame["posted_at"] >= changed.since, :]
        shorter = fit(recent)
        judged = Hold("too few outcomes since the change", None)
        if not isinstance(shorter, TooFewOutcomes):
            judged = promotion.decide(shorter, serving, recent)
        if isinstance(judged, Promote) and not isinstance(shorter, TooFewOutcomes):
            trained, decision, since = shorter, judged, changed.since
    promoted, reason = isinstance(decision, Promote), decision.reason
    with engine.begin() as conn:
        number = predictors.add_candidate(conn, _version(settings, account, kind, trained, since), reason)
        audit.record(
            conn,
            "PREDICTOR_TRAINED",
            "train",
            {"kind": kind, "version": number, "n": trained.n, "promoted": promoted, "reason": reason, "since": since},
            account=account,
        )
        if kind == "content":
            _alert(conn, account, changed)
    if promoted:
        promoting.promote(engine, cache, account, kind, number, by="gate", reason=reason)
    log.info(
        "[PREDICTOR] ✅ %s v%d trained on %d outcomes, %s: %s",
        kind, number, trained.n, "promoted" if promoted else "not promoted", reason,
    )  # fmt: skip
    gain = trained.gain
    return TrainReport(
        account, kind, day.isoformat(), number, "champion" if promoted else "candidate", trained.n, reason,
        trained.metrics, (gain.value, gain.low, gain.high) if gain else None,
    )  # fmt: skip


Trained = ContentPredictor | TimingPredictor


def _fitter(
    kind: str, now: datetime, state: int, zone: str, embedder: Embedder
) -> Callable[[pd.DataFrame], Trained | TooFewOutcomes]:
    if kind == "content":
        return lambda frame: train_content(frame, as_of=now, random_state=state, zone=zone, embedder=embedder)
    return lambda frame: train_timing(frame, as_of=now, random_state=state, zone=zone)


@dataclass(frozen=True)
class Change:
    """Since when a target's walk-forward errors are larger, and their mean absolute size before and after."""

    target: str
    since: datetime
    before: float
    after: float


def change_of(predictor: ContentPredictor, frame: pd.DataFrame) -> Change | None:
    """The first target whose errors on posts it had not seen have grown; None while none has."""
    import numpy as np

    posts = known_posts(frame, predictor.zone, predictor.as_of)
    for target in predictor.targets:
        predicted = [predictor.forward.get(name, {}).get(target, np.nan) for name in posts.decision_id]
        rows = np.flatnonzero(~np.isnan(predicted) & ~np.isnan(posts.targets[target]))
        found = detect((posts.targets[target] - predicted)[rows].tolist())
        if found.drifted and found.since is not None and found.before is not None and found.after is not None:
            since = datetime.fromtimestamp(int(posts.posted[rows[found.since]]), UTC)
            return Change(target, since, found.before, found.after)
    return None


def _alert(conn: Connection, account: str, changed: Change | None) -> None:
    """Say that the account's audience changed, once; take it back when the errors are even again."""
    if changed is None:
        alerts.close_alert(conn, "predictor_drift", account)
        return
    message = (
        f"Predictions of {changed.target} got worse around {changed.since:%Y-%m-%d}: mean error {changed.before:.2f} before, "
        f"{changed.after:.2f} since."
    )
    fix = "Compare versions: xbot predictors compare; raise exploration: xbot config set learning_config epsilon 0.3"
    if alerts.raise_alert(conn, "predictor_drift", account, "warning", message, fix=fix, account=account):
        log.warning("[PREDICTOR] ⚠️ drift account=%s target=%s since=%s", account, changed.target, changed.since.date())


def _nothing(account: str, kind: str, day: date, reason: str) -> TrainReport:
    return TrainReport(account, kind, day.isoformat(), None, None, 0, reason)


def _version(settings: Settings, account: str, kind: str, trained: Trained, since: datetime | None) -> NewVersion:
    content = isinstance(trained, ContentPredictor)
    gain = trained.gain
    return NewVersion(
        account=account,
        kind=kind,
        algorithm=backtest.ALGORITHM if content else backtest_timing.ALGORITHM,
        as_of=trained.as_of,
        window_start=since,
        n=trained.n,
        features=list(trained.fitted.features) if isinstance(trained, ContentPredictor) else ["hour", "weekday"],
        refs={name: list(bounds) for name, bounds in trained.ranges.items()}
        if isinstance(trained, ContentPredictor)
        else {},
        metrics={
            "targets": trained.metrics if content else {trained.target: trained.metrics},
            "gain": [gain.value, gain.low, gain.high] if gain else None,
        },
        payload=to_payload(trained),
        simulated=settings.simulated,
    )
