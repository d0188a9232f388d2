"""What each experiment has shown so far: doubly robust lift per metric, or why nothing can be said yet; guardrails.

Belongs here: metrics and covariates of a trial, which experiments are looked at, pausing a harmful one. Not here: the
estimator (`domain/learning/lift.py`), planning and assignment (`stages/experiment_plan.py`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.experiments import TREATMENT
from xbot_dagster.domain.learning.lift import (
    PLANNED_POSTS,
    LiftEstimate,
    Refused,
    benjamini_hochberg,
    lift,
    standardised,
)
from xbot_dagster.domain.learning.reward import NORM_V1
from xbot_dagster.settings import Settings
from xbot_dagster.store import alerts, audit
from xbot_dagster.store import experiments as store
from xbot_dagster.store.experiments import Experiment, LiftRow, Trial

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("xbot")
PRIMARY: Final = "primary_rate"
# A treatment that costs this share of reach, beyond doubt at every daily look, is paused.
GUARDRAIL, GUARDRAIL_SHARE = "log_impressions", 0.3
STILL_MEASURED = timedelta(days=3)  # after its end, outcomes of an experiment's last posts still arrive


@dataclass(frozen=True)
class LiftReport:
    """One look: experiments seen, numbers given, numbers refused, experiments ended and paused."""

    day: str
    experiments: int = 0
    estimates: int = 0
    refused: int = 0
    ended: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()


def _rate(count: int | None, trial: Trial) -> float:
    return math.nan if count is None or trial.impressions < 1 else count / trial.impressions


def _sum(*counts: int | None) -> int | None:
    return None if any(count is None for count in counts) else sum(count for count in counts if count is not None)


# metric → a trial's value; NaN where a count is missing. fpki is per 1,000 impressions, rates per impression.
METRICS: Final[dict[str, Callable[[Trial], float]]] = {
    PRIMARY: lambda t: _rate(_sum(t.retweets, t.profile_visits), t),
    "retweet_rate": lambda t: _rate(t.retweets, t),
    "fpki": lambda t: 1000 * _rate(t.follows, t),
    "log_impressions": lambda t: math.log1p(t.impressions),
    "reward": lambda t: math.nan if t.reward is None else t.reward,
}


def run(engine: Engine, clock: Clock, settings: Settings, day: date) -> LiftReport:
    """Look at every experiment as of the end of `day` (UTC), or as of now when that is earlier. Replaces the day's rows."""
    now = clock.now()
    end = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
    with engine.begin() as conn:
        ended = store.end_past(conn)
        seen = [
            experiment
            for experiment in store.experiments(conn, states=("running", "paused", "ended"))
            if experiment.starts_at < end and (experiment.ends_at is None or experiment.ends_at + STILL_MEASURED > end)
        ]
        rows: list[LiftRow] = []
        found: dict[str, dict[str, LiftEstimate | Refused]] = {}
        for experiment in seen:
            trials = store.trials(
                conn,
                experiment.experiment_id,
                until=min(now, end),
                simulated=settings.simulated,
                reward_version=NORM_V1,
            )
            found[experiment.experiment_id] = estimates(trials, _planned_posts(experiment))
        flat = [(name, metric, result) for name, by_metric in found.items() for metric, result in by_metric.items()]
        q_values = benjamini_hochberg([r.p_value if isinstance(r, LiftEstimate) else None for _, _, r in flat])
        rows = [_row(name, metric, result, q) for (name, metric, result), q in zip(flat, q_values, strict=True)]
        accounts = {experiment.experiment_id: experiment.account for experiment in seen}
        for account in sorted(set(accounts.values())):
            store.save_lifts(conn, account, end, [row for row in rows if accounts[row.experiment_id] == account])
        paused = _guard(conn, seen, found) if end > now else []
    return LiftReport(
        day=day.isoformat(),
        experiments=len(seen),
        estimates=sum(row.verdict == "estimate" for row in rows),
        refused=sum(row.verdict == "refused" for row in rows),
        ended=tuple(ended),
        paused=tuple(paused),
    )


def estimates(trials: Sequence[Trial], planned_posts: int = PLANNED_POSTS) -> dict[str, LiftEstimate | Refused]:
    """Metric → estimate or refusal. Trials of one experiment, in order of publication."""
    import numpy as np

    if not trials:
        return {name: Refused("no published post of it has been measured", 0, 0.0, 0) for name in METRICS}
    treated = np.array([trial.arm == TREATMENT for trial in trials], dtype=int)
    own = np.array([trial.propensity for trial in trials])
    propensity = np.where(treated == 1, own, 1 - own)
    days = np.array([trial.day for trial in trials])
    covariates = _covariates(trials)
    return {
        name: lift(
            np.array([value(trial) for trial in trials]),
            treated,
            propensity,
            covariates,
            days,
            planned_posts=planned_posts,
        )
        for name, value in METRICS.items()
    }


def _covariates(trials: Sequence[Trial]) -> np.ndarray:
    """What was known before the draw: novelty, hour and weekday of the plan, style, topic, kind."""
    import numpy as np

    hour = 2 * np.pi * np.array([trial.hour for trial in trials]) / 24
    novelty = np.array([math.nan if trial.novelty is None else trial.novelty for trial in trials])
    weekend = np.array([float(trial.weekday >= 5) for trial in trials])
    categories = [
        np.array([getattr(t, name) for t in trials], dtype=object) for name in ("style", "topic", "decision_type")
    ]
    return standardised([np.sin(hour), np.cos(hour), novelty, weekend], categories)


def _planned_posts(experiment: Experiment) -> int:
    posts = experiment.plan.get("posts")
    return max(1, int(posts)) if isinstance(posts, int | float) else PLANNED_POSTS


def _row(experiment_id: str, metric: str, result: LiftEstimate | Refused, q_value: float | None) -> LiftRow:
    if isinstance(result, Refused):
        return LiftRow(
            experiment_id, metric, "refused", result.reason, result.n, result.effective_n, details={"days": result.days}
        )
    details: dict[str, Any] = asdict(result)
    stored = ("n", "effective_n", "lift", "se", "low", "high", "cs_low", "cs_high")
    for name in stored:
        details.pop(name)
    return LiftRow(
        experiment_id,
        metric,
        "estimate",
        None,
        result.n,
        result.effective_n,
        result.lift,
        result.se,
        result.low,
        result.high,
        result.cs_low,
        result.cs_high,
        q_value,
        details,
    )


def _guard(
    conn: Connection, seen: Sequence[Experiment], found: dict[str, dict[str, LiftEstimate | Refused]]
) -> list[str]:
    """Pause running experiments whose treatment costs reach beyond doubt, and say so."""
    paused = []
    for experiment in seen:
        result = found[experiment.experiment_id][GUARDRAIL]
        if (
            experiment.state != "running"
            or isinstance(result, Refused)
            or result.cs_high >= math.log(1 - GUARDRAIL_SHARE)
        ):
            continue
        name = experiment.experiment_id
        lost = 1 - math.exp(result.lift)
        store.set_state(conn, name, "paused")
        message = f"Experiment {name} costs {lost:.0%} of the impressions of its treated posts: it is paused."
        alerts.raise_alert(
            conn, "experiment_guardrail", name, "warning", message,
            fix=f"Look at: xbot experiments report; end it: xbot experiments stop {name}", account=experiment.account,
        )  # fmt: skip
        audit.record(
            conn,
            "EXPERIMENT_PAUSED",
            "experiments",
            {"experiment": name, "reason": message},
            account=experiment.account,
        )
        log.warning("[EXPERIMENT] ⚠️ paused experiment=%s reason=%s", name, message)
        paused.append(name)
    return paused


def verdict(row: LiftRow) -> str:
    """One sentence for people: what was found, or that nothing can be said yet. Daily looks rest on the sequence."""
    if row.lift is None or row.cs_low is None or row.cs_high is None:
        return f"Cannot tell yet: {row.reason}."
    shown = f"{row.lift:+.4g}, at any daily look [{row.cs_low:+.4g}, {row.cs_high:+.4g}]"
    if row.cs_low > 0:
        return f"Better: {shown}."
    if row.cs_high < 0:
        return f"Worse: {shown}."
    return f"Cannot tell yet: {shown}."
