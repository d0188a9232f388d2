"""Plan, start and stop experiments, and put decisions into their arms.

Belongs here: windows, the history a plan's power is computed from, sticky assignment of slots. Not here: what the presets
change and who is drawn (`domain/learning/experiments.py`), what came of it (`stages/lift.py`).
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.experiments import (
    CONTROL,
    REPLIES,
    SEVEN_DAY_PLAN,
    TREATMENT,
    Power,
    draw,
    power,
    preset,
    uniform,
)
from xbot_dagster.errors import UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.stages.slot import Assign, Assignment, Slot
from xbot_dagster.store import audit, deployment, learning, measured
from xbot_dagster.store import experiments as store
from xbot_dagster.store.experiments import Assigned, Experiment

SEVEN_DAY = "seven-day"
HISTORY = timedelta(days=90)
DEFAULT_DAYS = 14.0


@dataclass(frozen=True)
class Planned:
    """A registered experiment and what its window can show."""

    experiment: Experiment
    power: Power


def plan(
    conn: Connection,
    settings: Settings,
    account: str,
    name: str,
    *,
    starts_at: datetime,
    days: float = DEFAULT_DAYS,
    share: float | None = None,
    unit: str = "decision",
    experiment_id: str | None = None,
) -> Planned:
    """Register an experiment that does nothing yet. Raises UsageError, NotFound, or Conflict when the id is taken."""
    chosen = preset(name)
    if unit not in ("decision", "day"):
        raise UsageError(f"The unit of an experiment cannot be '{unit}'.", "It is decision or day.")
    share = chosen.share if share is None else share
    if not 0 < share < 1:
        raise UsageError(
            f"A traffic share of {share:g} leaves one arm empty.", "It lies between 0 and 1, for example 0.3."
        )
    if not (math.isfinite(days) and days > 0):
        raise UsageError(f"An experiment cannot last {days:g} days.", "Give more than 0.")
    row = deployment.account(conn, account)
    spread = measured.spread(
        conn,
        account,
        since=learning.now(conn) - HISTORY,
        simulated=settings.simulated,
        replies=chosen.applies_to == REPLIES,
    )
    found = power(
        mean=spread.mean,
        deviation=spread.sd,
        measured=spread.posts,
        posts_per_day=spread.per_day,
        share=share,
        days=days,
    )
    experiment = Experiment(
        experiment_id=experiment_id or f"{account}-{name}-{starts_at.astimezone(ZoneInfo(row.zone)):%Y%m%d}",
        account=account,
        preset=name,
        share=share,
        arms=[CONTROL, TREATMENT],
        unit=unit,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(days=days),
        state="planned",
        plan={
            "asks": chosen.asks,
            "days": days,
            "posts": found.posts,
            "detectable": found.detectable,
            "wanted": found.wanted,
            "days_needed": found.days_needed,
            "reason": found.reason,
        },
    )
    store.add(conn, experiment)
    audit.record(conn, "EXPERIMENT_PLANNED", "experiments", {"experiment": experiment.experiment_id}, account=account)
    return Planned(experiment, found)


def plan_seven_days(conn: Connection, settings: Settings, account: str, *, starts_at: datetime) -> list[Planned]:
    """The runbook's week from the next local midnight after `starts_at` on; raises like `plan`."""
    zone = ZoneInfo(deployment.account(conn, account).zone)
    first = starts_at.astimezone(zone).date() + timedelta(days=1)
    return [
        plan(
            conn,
            settings,
            account,
            window.preset,
            starts_at=datetime.combine(first + timedelta(days=window.first_day - 1), datetime.min.time(), zone),
            days=window.days,
        )
        for window in SEVEN_DAY_PLAN
        if window.preset is not None
    ]


def start(conn: Connection, experiment_id: str, now: datetime) -> Experiment:
    """Switch an experiment on: at once, or when its window opens. A late start moves the window and keeps its length.

    Raises NotFound, or UsageError for one that has ended.
    """
    found = store.experiment(conn, experiment_id)
    if found.state == "ended":
        raise UsageError(
            f"The experiment '{experiment_id}' has ended.",
            f"Plan another: xbot experiments plan --preset {found.preset}",
        )
    starts_at, ends_at = found.starts_at, found.ends_at
    if found.state == "planned" and starts_at < now and ends_at is not None:
        starts_at, ends_at = now, now + (ends_at - starts_at)
    started = store.set_state(conn, experiment_id, "running", starts_at=starts_at, ends_at=ends_at)
    audit.record(conn, "EXPERIMENT_STARTED", "experiments", {"experiment": experiment_id}, account=found.account)
    return started


def stop(conn: Connection, experiment_id: str, now: datetime, reason: str = "stopped by hand") -> Experiment:
    """End an experiment; what was assigned stays on record. Raises NotFound."""
    found = store.experiment(conn, experiment_id)
    if found.state == "ended":
        return found
    # The window closes now; one that never opened keeps its dates.
    ends_at = max(now, found.starts_at + timedelta(seconds=1)) if found.state != "planned" else None
    ended = store.set_state(conn, experiment_id, "ended", ends_at=ends_at)
    audit.record(
        conn,
        "EXPERIMENT_STOPPED",
        "experiments",
        {"experiment": experiment_id, "reason": reason},
        account=found.account,
    )
    return ended


def start_rehearsal_experiment(
    conn: Connection, settings: Settings, account: str, starts_at: datetime, until: datetime
) -> Experiment:
    """The experiment of a rehearsal: the opening question, over the whole of it. A resumed rehearsal finds its own running."""
    for known in store.running(conn, account, starts_at):
        if known.starts_at == starts_at:
            return known
    days = max(1.0, (until - starts_at) / timedelta(days=1))
    planned = plan(conn, settings, account, "question_cta", starts_at=starts_at, days=days)
    return start(conn, planned.experiment.experiment_id, starts_at)


def assigner(engine: Engine, clock: Clock, settings: Settings) -> Assign:
    """The function planning asks for each slot: which running experiment holds it, in which arm, with what effect.

    A slot is in at most one experiment; where several run, a seeded draw decides which. An arm depends on the
    deployment's seed, the experiment and the unit alone, is stored before anything is written, and never changes.
    """
    with engine.begin() as conn:
        seed = learning.deployment_seed(conn)

    def assign(conn: Connection, slot: Slot) -> Assignment | None:
        account, decision = slot.account.account, str(slot.decision_id)
        open_now = [
            experiment
            for experiment in store.running(conn, account, slot.scheduled_at)
            if slot.decision_type in preset(experiment.preset).applies_to
        ]
        if not open_now:
            return None
        experiment = open_now[int(uniform(seed, "lane", account, decision) * len(open_now))]
        unit = unit_of(experiment, slot)
        drawn = draw(seed, experiment.experiment_id, unit, experiment.share)
        found = store.assign(conn, Assigned(experiment.experiment_id, unit, drawn.arm, drawn.propensity))
        change = preset(experiment.preset).arm(found.arm)
        hour = None
        if change.hours:
            hour = change.hours[int(uniform(seed, "hour", found.experiment_id, decision) * len(change.hours))]
        return Assignment(
            experiment_id=found.experiment_id,
            arm=found.arm,
            propensity=found.propensity,
            unit=found.unit,
            rules=change.rules,
            hook=change.hook,
            hour=hour,
            max_hashtags=change.max_hashtags,
        )

    return assign


def unit_of(experiment: Experiment, slot: Slot) -> str:
    """What is randomised: the decision, or the day of its slot in the account's zone."""
    if experiment.unit == "day":
        return slot.scheduled_at.astimezone(ZoneInfo(slot.account.zone)).date().isoformat()
    return str(slot.decision_id)
