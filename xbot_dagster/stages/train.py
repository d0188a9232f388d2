"""Train predictor versions: from the outcomes known now to a candidate, and to the champion when it has earned it.

Belongs here: when a version is due, what it is trained on, storing it, the promotion gate's question, drift. Not here: the
models and the gate itself (`domain/learning/`), serving (`stages/serving.py`), the past (`stages/backtest.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.predictors import ContentPredictor, TooFewOutcomes, train_content
from xbot_dagster.domain.learning.predictors_payload import to_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor, train_timing
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.settings import Settings
from xbot_dagster.stages import backtest, backtest_timing, features, promoting
from xbot_dagster.stages.trained import TrainingSummary, TrainReport
from xbot_dagster.stages.training_state import random_state
from xbot_dagster.store import audit, deployment, frames, learning, predictors
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.frames import FrameQuery
from xbot_dagster.store.predictors import KINDS, Kind, NewVersion

__all__ = ["TrainDue", "TrainReport", "TrainingSummary", "run", "train_due"]

log = logging.getLogger("xbot")
NEW_OUTCOMES = 25
LEAST_OUTCOMES = 5
RETRAIN_AFTER = timedelta(days=7)


@dataclass(frozen=True)
class TrainDue:
    """(account, kind) pairs that deserve a new version; `reason` when there is none."""

    wanted: tuple[tuple[str, Kind], ...] = ()
    reason: str | None = None

    def __bool__(self) -> bool:
        return bool(self.wanted)


def train_due(conn: Connection, now: datetime) -> TrainDue:
    """Which accounts have 25 new final outcomes since their last version, or any after a week, and five in all."""
    simulated = learning.family_is_simulated(conn)
    wanted: list[tuple[str, Kind]] = []
    for account in deployment.accounts(conn):
        for kind in KINDS:
            if _due(conn, account.account, kind, simulated, now):
                wanted.append((account.account, kind))
    return TrainDue(tuple(wanted), None if wanted else f"fewer than {NEW_OUTCOMES} new outcomes since the last version")


def _due(conn: Connection, account: str, kind: Kind, simulated: bool, now: datetime) -> bool:
    newest = predictors.newest(conn, account, kind)
    if newest is None:
        found = learning.final_outcomes(conn, account, simulated=simulated, up_to=LEAST_OUTCOMES)
        return found >= LEAST_OUTCOMES
    needed = 1 if now - newest.created_at >= RETRAIN_AFTER else NEW_OUTCOMES
    fresh = learning.final_outcomes(conn, account, simulated=simulated, up_to=needed, written_after=newest.created_at)
    return fresh >= needed


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
    frame = frames.training_frame(engine, query)
    if kind == "content":
        trained = train_content(
            frame, as_of=now, random_state=state, zone=zone, embedder=embedder or WordLlamaEmbedder()
        )
    else:
        trained = train_timing(frame, as_of=now, random_state=state, zone=zone)
    if isinstance(trained, TooFewOutcomes):
        log.info("[LEARN_JOB] ⚠️ Training skipped: %s", trained.reason)
        return _nothing(account, kind, day, trained.reason)
    new = _version(settings, account, kind, trained, None)
    promoted, reason = _gate(trained, serving)
    with engine.begin() as conn:
        number = predictors.add_candidate(conn, new, reason)
        audit.record(
            conn,
            "PREDICTOR_TRAINED",
            "train",
            {"kind": kind, "version": number, "n": trained.n, "promoted": promoted, "reason": reason},
            account=account,
        )
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


def _nothing(account: str, kind: str, day: date, reason: str) -> TrainReport:
    return TrainReport(account, kind, day.isoformat(), None, None, 0, reason)


def _version(
    settings: Settings, account: str, kind: str, trained: ContentPredictor | TimingPredictor, since: datetime | None
) -> NewVersion:
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


def _gate(
    trained: ContentPredictor | TimingPredictor, serving: ContentPredictor | TimingPredictor | None
) -> tuple[bool, str]:
    gain = trained.gain
    if gain is None:
        return False, "too few scored posts to compare it with the rolling mean"
    shown = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] of the variance"
    if gain.low <= 0:
        return False, f"the gain over the rolling mean may be nothing: {shown}"
    if serving is not None and serving.gain is not None and gain.high < serving.gain.low:
        return False, f"worse than the champion: {shown}"
    return True, f"better than the rolling mean by {shown}"
