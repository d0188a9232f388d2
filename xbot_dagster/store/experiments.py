"""The registry of experiments: what runs, which unit is in which arm and with what propensity, what became of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.errors import Conflict, NotFound
from xbot_dagster.store.engine import one


@dataclass(frozen=True)
class Experiment:
    """`share`: probability of treatment; `unit` decision or day; `plan`: what was promised before it started."""

    experiment_id: str
    account: str
    preset: str
    share: float
    arms: list[str]
    unit: str
    starts_at: datetime
    ends_at: datetime | None
    state: str
    plan: dict[str, Any]


@dataclass(frozen=True)
class Assigned:
    """Which arm a unit was put into, with the probability of that arm."""

    experiment_id: str
    unit: str
    arm: str
    propensity: float


@dataclass(frozen=True)
class Trial:
    """One published, finally measured post of an experiment. `day` in the account's zone; counts None if not measured.

    `hour` is where it was planned to be, before any experiment moved it, so that it is a covariate and no effect.
    """

    decision_id: UUID
    arm: str
    propensity: float
    posted_at: datetime
    day: str
    hour: int
    weekday: int
    decision_type: str
    style: str | None
    topic: str | None
    novelty: float | None
    impressions: int
    retweets: int | None
    replies: int | None
    likes: int | None
    profile_visits: int | None
    follows: int | None
    reward: float | None


@dataclass(frozen=True)
class LiftRow:
    """One row of experiment_lifts; numbers None where the claim was refused."""

    experiment_id: str
    metric: str
    verdict: str
    reason: str | None
    n: int
    effective_n: float | None = None
    lift: float | None = None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    cs_low: float | None = None
    cs_high: float | None = None
    q_value: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> bool:
        """Whether the effect is beyond doubt by the confidence sequence, which allows daily looks."""
        return self.cs_low is not None and self.cs_high is not None and not self.cs_low <= 0 <= self.cs_high


_COLUMNS = ", ".join(Experiment.__dataclass_fields__)
_LIFT = tuple(LiftRow.__dataclass_fields__)


def add(conn: Connection, experiment: Experiment) -> None:
    """Register an experiment. Raises Conflict when the id is taken."""
    values = {name: getattr(experiment, name) for name in Experiment.__dataclass_fields__}
    added = conn.execute(
        text(
            f"INSERT INTO experiments ({_COLUMNS}) VALUES (:experiment_id, :account, :preset, :share, "
            "cast(:arms AS jsonb), :unit, :starts_at, :ends_at, :state, cast(:plan AS jsonb)) ON CONFLICT DO NOTHING"
        ),
        {**values, "arms": json.dumps(experiment.arms), "plan": json.dumps(experiment.plan, allow_nan=False)},
    )
    if added.rowcount == 0:
        raise Conflict(f"There is an experiment '{experiment.experiment_id}' already.", "Choose another --id.")


def experiments(conn: Connection, account: str | None = None, states: Sequence[str] = ()) -> list[Experiment]:
    """Experiments in order of their start; of one account and of some states only, where named."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM experiments WHERE (cast(:account AS text) IS NULL OR account = :account) "
            "AND (cardinality(cast(:states AS text[])) = 0 OR state = ANY(:states)) ORDER BY starts_at, experiment_id"
        ),
        {"account": account, "states": list(states)},
    )
    return [Experiment(**row) for row in rows.mappings()]


def experiment(conn: Connection, experiment_id: str) -> Experiment:
    """One experiment. Raises NotFound."""
    row = (
        conn.execute(text(f"SELECT {_COLUMNS} FROM experiments WHERE experiment_id = :id"), {"id": experiment_id})
        .mappings()
        .first()
    )
    if row is None:
        raise NotFound(f"There is no experiment '{experiment_id}'.", "List them with: xbot experiments list")
    return Experiment(**row)


def running(conn: Connection, account: str, at: datetime) -> list[Experiment]:
    """Experiments of the account that are on and whose window holds `at`, in order of their start."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM experiments WHERE account = :account AND state = 'running' AND starts_at <= :at "
            "AND (ends_at IS NULL OR ends_at > :at) ORDER BY starts_at, experiment_id"
        ),
        {"account": account, "at": at},
    )
    return [Experiment(**row) for row in rows.mappings()]


def set_state(
    conn: Connection,
    experiment_id: str,
    state: str,
    *,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Experiment:
    """Start, pause or end an experiment, moving its window where given. Raises NotFound."""
    changed = conn.execute(
        text(
            "UPDATE experiments SET state = :state, starts_at = coalesce(:starts_at, starts_at), "
            "ends_at = coalesce(:ends_at, ends_at) WHERE experiment_id = :id"
        ),
        {"id": experiment_id, "state": state, "starts_at": starts_at, "ends_at": ends_at},
    )
    if changed.rowcount == 0:
        raise NotFound(f"There is no experiment '{experiment_id}'.", "List them with: xbot experiments list")
    return experiment(conn, experiment_id)


def end_past(conn: Connection) -> list[str]:
    """End experiments whose window is over; their ids."""
    rows = conn.execute(
        text(
            "UPDATE experiments SET state = 'ended' WHERE state IN ('running', 'paused') AND ends_at <= xbot_now() "
            "RETURNING experiment_id"
        )
    )
    return sorted(rows.scalars())


def assigned(conn: Connection, experiment_id: str, unit: str) -> Assigned | None:
    """The arm a unit already has."""
    row = one(
        conn,
        "SELECT experiment_id, unit, arm, propensity FROM experiment_assignments WHERE experiment_id = :id AND unit = :unit",
        id=experiment_id,
        unit=unit,
    )
    return Assigned(*row) if row else None


def assign(conn: Connection, wanted: Assigned) -> Assigned:
    """Put a unit into an arm; one that has an arm keeps it. Returns the arm it is in."""
    conn.execute(
        text(
            "INSERT INTO experiment_assignments (experiment_id, unit, arm, propensity) "
            "VALUES (:experiment_id, :unit, :arm, :propensity) ON CONFLICT DO NOTHING"
        ),
        wanted.__dict__,
    )
    found = assigned(conn, wanted.experiment_id, wanted.unit)
    assert found is not None
    return found


def trials(
    conn: Connection, experiment_id: str, *, until: datetime, simulated: bool, reward_version: str
) -> list[Trial]:
    """Published posts of an experiment with a final outcome known by `until`, in order of publication."""
    rows = conn.execute(
        text(
            "SELECT c.decision_id, x.arm, x.propensity, p.posted_at, "
            "to_char(p.posted_at AT TIME ZONE a.zone, 'YYYY-MM-DD') AS day, "
            "coalesce(d.hour, c.hour_slot, extract(hour FROM p.posted_at AT TIME ZONE a.zone)::int) AS hour, "
            "extract(isodow FROM p.posted_at AT TIME ZONE a.zone)::int - 1 AS weekday, c.decision_type, c.arm AS style, "
            "c.topic, c.novelty, o.impressions, o.retweets, o.replies, o.likes, o.profile_visits, o.follows, r.reward "
            "FROM content_metadata c JOIN accounts a USING (account) JOIN experiments e ON e.experiment_id = c.experiment_id "
            "JOIN posted_decisions p ON p.decision_id = c.decision_id AND p.simulated = :simulated "
            "JOIN outcomes o ON o.decision_id = c.decision_id AND o.collected_pass = 2 AND o.read_status = 'ok' "
            "AND NOT o.late AND o.impressions IS NOT NULL AND o.simulated = :simulated AND o.collected_at <= :until "
            "JOIN experiment_assignments x ON x.experiment_id = c.experiment_id AND x.unit = CASE e.unit "
            "WHEN 'day' THEN to_char(c.scheduled_at AT TIME ZONE a.zone, 'YYYY-MM-DD') ELSE c.decision_id::text END "
            "LEFT JOIN decision_choices d ON d.decision_id = c.decision_id "
            "LEFT JOIN outcome_rewards r ON r.decision_id = c.decision_id AND r.collected_pass = 2 "
            "AND r.reward_version = :reward_version "
            "WHERE c.experiment_id = :id AND c.simulated = :simulated ORDER BY p.posted_at, c.decision_id"
        ),
        {"id": experiment_id, "until": until, "simulated": simulated, "reward_version": reward_version},
    )
    return [Trial(**row) for row in rows.mappings()]


def save_lifts(conn: Connection, account: str, as_of: datetime, rows: Sequence[LiftRow]) -> None:
    """Write what was found at `as_of`, replacing what was written for that moment."""
    for row in rows:
        values = {name: getattr(row, name) for name in _LIFT}
        placeholders = ", ".join("cast(:details AS jsonb)" if name == "details" else f":{name}" for name in _LIFT)
        updates = ", ".join(f"{name} = excluded.{name}" for name in _LIFT if name not in ("experiment_id", "metric"))
        conn.execute(
            text(
                f"INSERT INTO experiment_lifts ({', '.join(_LIFT)}, as_of, account) VALUES ({placeholders}, :as_of, "
                f":account) ON CONFLICT (experiment_id, metric, as_of) DO UPDATE SET {updates}, run_id = xbot_run()"
            ),
            {**values, "details": json.dumps(row.details, allow_nan=False), "as_of": as_of, "account": account},
        )


def newest_lifts(conn: Connection, experiment_id: str) -> list[LiftRow]:
    """The newest verdict on each metric."""
    rows = conn.execute(
        text(
            f"SELECT DISTINCT ON (metric) {', '.join(_LIFT)} FROM experiment_lifts WHERE experiment_id = :id "
            "ORDER BY metric, as_of DESC"
        ),
        {"id": experiment_id},
    )
    return [LiftRow(**row) for row in rows.mappings()]
