"""What training and back-testing report; assets and commands show the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Engine

from xbot_dagster.store import predictors

SCORED_DAYS = 7  # a back-test partition is scored on the week after its day


@dataclass(frozen=True)
class TrainReport:
    """One account, one kind, one partition. `version` None: nothing was stored, `reason` says why.

    `state` is champion, candidate or backtest; `scores` target → model → walk-forward or following-week scores.
    """

    account: str
    kind: str
    day: str
    version: int | None
    state: str | None
    n: int
    reason: str
    scores: dict[str, Any] = field(default_factory=dict)
    gain: tuple[float, float, float] | None = None


def untrained(engine: Engine, account: str, kind: str, day: date, reason: str) -> TrainReport:
    """A back-test partition that holds nothing: what it held before is forgotten."""
    with engine.begin() as conn:
        predictors.drop_backtest(conn, account, kind, day)
    return TrainReport(account, kind, day.isoformat(), None, None, 0, reason)


@dataclass(frozen=True)
class TrainingSummary:
    """Many reports in one: counts, the newest reasons, and the mean gain over the rolling mean (share of variance)."""

    partitions: int
    trained: int
    promoted: int
    skipped: dict[str, int]
    versions: tuple[str, ...]
    mean_gain: float | None

    @classmethod
    def of(cls, reports: Sequence[TrainReport]) -> TrainingSummary:
        skipped: dict[str, int] = {}
        for report in reports:
            if report.version is None:
                skipped[report.reason] = skipped.get(report.reason, 0) + 1
        gains = [report.gain[0] for report in reports if report.gain is not None]
        made = [report for report in reports if report.version is not None]
        return cls(
            partitions=len(reports),
            trained=len(made),
            promoted=sum(report.state == "champion" for report in made),
            skipped=skipped,
            versions=tuple(f"{report.account} {report.kind} v{report.version} {report.state}" for report in made[-20:]),
            mean_gain=sum(gains) / len(gains) if gains else None,
        )
