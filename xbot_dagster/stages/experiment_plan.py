"""Plan, start and stop experiments, and put decisions into their arms.

Belongs here: windows, what can be detected and how many days that takes, sticky seeded assignment. Not here: what the
presets change (`stages/experiment_presets.py`), what came of it (`stages/lift.py`).
"""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content.seeding import seeded
from xbot_dagster.errors import UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.stages.experiment_presets import REPLIES, Grip, Preset, preset
from xbot_dagster.stages.slot import Assign, Assignment, Slot
from xbot_dagster.store import audit, deployment, learning, measured
from xbot_dagster.store import experiments as store
from xbot_dagster.store.experiments import Assigned, Experiment
from xbot_dagster.store.measured import Spread

log = logging.getLogger("xbot")
CONTROL, TREATMENT = "control", "treatment"
SEVEN_DAY = "seven-day"
# Day (1 = the first) and length of each window of the runbook's week; days 1-2 set the baseline, day 7 is for the analysis.
SEVEN_DAYS = (("question_cta", 3, 2), ("late_evening_slot", 5, 2))
HISTORY = timedelta(days=90)
LEAST_POSTS_FOR_POWER = 10
Z_ALPHA, Z_POWER = 1.959964, 0.841621  # two-sided 5 %, power 80 %
WANTED_EFFECT = 0.2  # of the mean: what the days needed are computed for
DEFAULT_DAYS = 14.0


@dataclass(frozen=True)
class Power:
    """What a window can show. Effects as shares of the metric's present mean; None where there is no history to say.

    `detectable`: smallest effect seen with 80 % power at the 5 % level; `days_needed`: for an effect of `wanted`.
    """

    posts: int | None
    detectable: float | None
    wanted: float
    days_needed: float | None
    reason: str | None = None

    def sentence(self) -> str:
        """For people, before anything starts."""
        if self.detectable is None or self.days_needed is None:
            return f"What it can show is unknown: {self.reason}."
        return (
            f"About {self.posts} posts: an effect below {self.detectable:+.0%} will not be told from chance; "
            f"{self.wanted:+.0%} needs {math.ceil(self.days_needed)} days."
        )


@dataclass(frozen=True)
class Planned:
    experiment: Experiment
    power: Power


def power(spread: Spread, share: float, days: float, wanted: float = WANTED_EFFECT) -> Power:
    """Two-sample power on the primary metric, (retweets + profile visits) per impression."""
    if spread.posts < LEAST_POSTS_FOR_POWER or not spread.mean or not spread.sd or spread.per_day <= 0:
        return Power(None, None, wanted, None, f"only {spread.posts} measured posts of this kind in the last 90 days")
    variation = (Z_ALPHA + Z_POWER) * spread.sd / spread.mean / math.sqrt(share * (1 - share))
    posts = spread.per_day * days
    return Power(round(posts), variation / math.sqrt(posts), wanted, (variation / wanted) ** 2 / spread.per_day)


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
    if days <= 0:
        raise UsageError(f"An experiment cannot last {days:g} days.", "Give more than 0.")
    row = deployment.account(conn, account)
    local = starts_at.astimezone(ZoneInfo(row.zone))
    spread = measured.spread(
        conn,
        account,
        since=learning.now(conn) - HISTORY,
        simulated=settings.simulated,
        replies=chosen.applies_to == REPLIES,
    )
    found = power(spread, share, days)
    experiment = Experiment(
        experiment_id=experiment_id or f"{account}-{name}-{local:%Y%m%d}",
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
    local = starts_at.astimezone(zone)
    first = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), zone)
    return [
        plan(conn, settings, account, name, starts_at=first + timedelta(days=day - 1), days=length)
        for name, day, length in SEVEN_DAYS
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
    ended = store.set_state(
        conn,
        experiment_id,
        "ended",
        ends_at=max(now, found.starts_at + timedelta(seconds=1)) if found.state == "running" else None,
    )
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
    """The experiment of a rehearsal: the opening question, over the whole of it."""
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
        account = slot.account.account
        open_now = [
            experiment
            for experiment in store.running(conn, account, slot.scheduled_at)
            if slot.decision_type in preset(experiment.preset).applies_to
        ]
        if not open_now:
            return None
        lane = int(seeded(seed, "experiment lane", account, slot.decision_id).integers(len(open_now)))
        experiment = open_now[lane]
        found = store.assign(conn, _drawn(seed, experiment, unit_of(experiment, slot)))
        grip = _grip(preset(experiment.preset), found.arm)
        hour = None
        if grip.hours:
            hour = int(seeded(seed, "experiment hour", found.experiment_id, slot.decision_id).choice(grip.hours))
        return Assignment(
            experiment_id=found.experiment_id,
            arm=found.arm,
            propensity=found.propensity,
            unit=found.unit,
            rules=grip.rules,
            hook=grip.hook,
            hour=hour,
            max_hashtags=grip.max_hashtags,
        )

    return assign


def unit_of(experiment: Experiment, slot: Slot) -> str:
    """What is randomised: the decision, or the day of its slot in the account's zone."""
    if experiment.unit == "day":
        return slot.scheduled_at.astimezone(ZoneInfo(slot.account.zone)).date().isoformat()
    return str(slot.decision_id)


def _drawn(seed: int, experiment: Experiment, unit: str) -> Assigned:
    treated = bool(seeded(seed, "experiment", experiment.experiment_id, unit).random() < experiment.share)
    share = experiment.share if treated else 1 - experiment.share
    return Assigned(experiment.experiment_id, unit, TREATMENT if treated else CONTROL, share)


def _grip(chosen: Preset, arm: str) -> Grip:
    return chosen.treatment if arm == TREATMENT else chosen.control
