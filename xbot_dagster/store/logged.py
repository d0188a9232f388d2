"""The log that policies are judged by: choices with their propensities, and every outcome with the moment it was known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.store.learning import Learnable


@dataclass(frozen=True)
class LoggedChoice:
    """One choice that was carried out as made and finally measured. `candidates`: arm → hour → joint propensity.

    `day` of publication in the account's zone; counts None when not measured.
    """

    decision_id: UUID
    chosen_at: datetime
    day: str
    context: dict[str, Any]
    candidates: dict[str, dict[str, float]]
    arm: str
    hour: int
    joint_propensity: float
    arm_propensity: float
    epsilon: float
    policy: str
    posted_at: datetime
    impressions: int
    follows: int | None
    retweets: int | None
    replies: int | None


@dataclass(frozen=True)
class KnownRow:
    """One pass of one post and when it was known."""

    known_at: datetime
    row: Learnable


_MEASURED = "o.read_status = 'ok' AND NOT o.late AND o.impressions >= 1 AND coalesce(o.follows, o.retweets, o.replies) IS NOT NULL"


def logged_choices(conn: Connection, account: str, *, since: datetime, simulated: bool) -> list[LoggedChoice]:
    """Choices made after `since`, in order of the choice. Left out: what an experiment moved or changed, and what a person
    rescheduled: there the logged propensity is not that of what happened.
    """
    rows = conn.execute(
        text(
            "SELECT d.decision_id, d.created_at AS chosen_at, to_char(p.posted_at AT TIME ZONE a.zone, 'YYYY-MM-DD') AS day, "
            "d.context, d.candidates, d.arm, d.hour, d.joint_propensity, d.arm_propensity, coalesce(d.epsilon, 0) AS epsilon, "
            "d.policy, p.posted_at, o.impressions, o.follows, o.retweets, o.replies "
            "FROM decision_choices d JOIN content_metadata c USING (decision_id) JOIN accounts a ON a.account = c.account "
            "JOIN posted_decisions p ON p.decision_id = d.decision_id AND p.simulated = :simulated "
            "JOIN outcomes o ON o.decision_id = d.decision_id AND o.collected_pass = 2 AND o.simulated = :simulated "
            f"AND {_MEASURED} WHERE c.account = :account AND c.simulated = :simulated AND d.created_at > :since "
            "AND d.hour IS NOT NULL AND c.arm = d.arm AND c.hour_slot = d.hour "
            "AND coalesce(c.experiment_arm, 'control') = 'control' ORDER BY d.created_at, d.decision_id"
        ),
        {"account": account, "since": since, "simulated": simulated},
    )
    return [LoggedChoice(**row) for row in rows.mappings()]


def known_rows(conn: Connection, account: str, *, simulated: bool) -> list[KnownRow]:
    """Every learnable pass of the account's posts (not replies), in the order in which they became known.

    An imported outcome was known a day after its post, whenever the file was read.
    """
    rows = conn.execute(
        text(
            "SELECT o.decision_id, CASE WHEN o.source = 'import' THEN p.posted_at + interval '24 hours' ELSE o.collected_at END "
            "AS known_at, o.collected_pass, c.arm, extract(hour FROM p.posted_at AT TIME ZONE a.zone)::int AS hour, p.posted_at, "
            "o.impressions, o.follows, o.retweets, o.replies, c.topic, c.hook_pattern, c.novelty, o.simulated "
            "FROM outcomes o JOIN posted_decisions p ON p.decision_id = o.decision_id AND p.simulated = o.simulated "
            "JOIN content_metadata c ON c.decision_id = o.decision_id AND c.simulated = o.simulated "
            "JOIN accounts a ON a.account = o.account "
            f"WHERE o.account = :account AND o.simulated = :simulated AND o.collected_pass IN (1, 2) AND {_MEASURED} "
            "AND c.decision_type IN ('single', 'thread') ORDER BY known_at, o.decision_id, o.collected_pass"
        ),
        {"account": account, "simulated": simulated},
    )
    return [KnownRow(row.pop("known_at"), Learnable(**row)) for row in map(dict, rows.mappings())]
