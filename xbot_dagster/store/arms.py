"""Learners' state: the arms, hours and tags people look at, and the serialised state of each policy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from xbot_dagster.store.engine import one

Scope = Literal["content", "hour", "tag"]


@dataclass(frozen=True)
class Arm:
    """One arm (scope content), hour (hour, "0".."23" in the account's zone) or tag (tag, "topic:…" or "hook:…").

    Rewards are `outcome_reward` in [0, 1]; `ci_low`, `ci_high` cover 95 %; `n` counts posts.
    """

    account: str
    scope: str
    arm_name: str
    successes: float
    failures: float
    alpha: float
    beta: float
    n: int
    mean_reward: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class PolicyHead:
    """Which state of a policy is stored: `version` counts its updates, `learner_version` names what it learned with."""

    version: int
    learner_version: str
    last_updated: datetime
    n: int


@dataclass(frozen=True)
class StoredPolicy:
    head: PolicyHead
    state: dict[str, Any]


_ARM_COLUMNS = ", ".join(Arm.__dataclass_fields__)


def arms(conn: Connection, account: str, scope: str | None = None) -> list[Arm]:
    """The account's arms, hours and tags (or those of one scope), best mean reward first within a scope."""
    rows = conn.execute(
        text(
            f"SELECT {_ARM_COLUMNS} FROM bandit_arms WHERE account = :account AND scope <> 'policy' "
            "AND (cast(:scope AS text) IS NULL OR scope = :scope) ORDER BY scope, mean_reward DESC NULLS LAST, arm_name"
        ),
        {"account": account, "scope": scope},
    )
    return [Arm(**row) for row in rows.mappings()]


def save_arms(conn: Connection, rows: Sequence[Arm], *, simulated: bool, learner_version: str) -> int:
    """Write arms that changed; returns how many did. Arms of the account that are not among `rows` stay."""
    if not rows:
        return 0
    changed = conn.execute(
        text(
            f"INSERT INTO bandit_arms ({_ARM_COLUMNS}, simulated, learner_version, last_updated) "
            f"SELECT {_ARM_COLUMNS}, :simulated, :learner_version, xbot_now() "
            "FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(account text, scope text, arm_name text, "
            "successes float8, failures float8, alpha float8, beta float8, n bigint, mean_reward float8, "
            "ci_low float8, ci_high float8) ON CONFLICT (account, scope, arm_name) DO UPDATE SET "
            "successes = excluded.successes, failures = excluded.failures, alpha = excluded.alpha, "
            "beta = excluded.beta, n = excluded.n, mean_reward = excluded.mean_reward, "
            "ci_low = excluded.ci_low, ci_high = excluded.ci_high, learner_version = excluded.learner_version, "
            "version = bandit_arms.version + 1, last_updated = xbot_now(), run_id = xbot_run() "
            "WHERE (bandit_arms.successes, bandit_arms.failures, bandit_arms.alpha, bandit_arms.beta, bandit_arms.n) "
            "IS DISTINCT FROM (excluded.successes, excluded.failures, excluded.alpha, excluded.beta, excluded.n)"
        ),
        {
            "rows": json.dumps([arm.__dict__ for arm in rows], allow_nan=False),
            "simulated": simulated,
            "learner_version": learner_version,
        },
    )
    return changed.rowcount


def policy_head(conn: Connection, account: str, policy: str) -> PolicyHead | None:
    """What is stored of a policy, without its state; None when it never learned."""
    row = one(
        conn,
        "SELECT version, learner_version, last_updated, n FROM bandit_arms "
        "WHERE account = :account AND scope = 'policy' AND arm_name = :policy",
        account=account,
        policy=policy,
    )
    return PolicyHead(*row) if row else None


def stored_policy(conn: Connection, account: str, policy: str) -> StoredPolicy | None:
    """A policy's stored state; None when it never learned."""
    row = one(
        conn,
        "SELECT version, learner_version, last_updated, n, state FROM bandit_arms "
        "WHERE account = :account AND scope = 'policy' AND arm_name = :policy",
        account=account,
        policy=policy,
    )
    return StoredPolicy(PolicyHead(*row[:4]), row.state or {}) if row else None


def save_policy(
    conn: Connection, account: str, policy: str, state: dict[str, Any], *, learner_version: str, n: int, simulated: bool
) -> PolicyHead:
    """Replace a policy's state and count its version up, from 1. `n`: posts it has learned from."""
    row = one(
        conn,
        "INSERT INTO bandit_arms (account, scope, arm_name, n, state, learner_version, simulated, last_updated) "
        "VALUES (:account, 'policy', :policy, :n, cast(:state AS jsonb), :learner_version, :simulated, xbot_now()) "
        "ON CONFLICT (account, scope, arm_name) DO UPDATE SET n = excluded.n, state = excluded.state, "
        "learner_version = excluded.learner_version, version = bandit_arms.version + 1, last_updated = xbot_now(), "
        "run_id = xbot_run() RETURNING version, learner_version, last_updated, n",
        account=account,
        policy=policy,
        n=n,
        state=json.dumps(state, allow_nan=False),
        learner_version=learner_version,
        simulated=simulated,
    )
    return PolicyHead(*row)


def learned_most(conn: Connection, policy: str, *, simulated: bool, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """(account, state) of a policy in the accounts of this family that have learned from most posts."""
    rows = conn.execute(
        text(
            "SELECT account, state FROM bandit_arms WHERE scope = 'policy' AND arm_name = :policy AND simulated = :simulated "
            "AND state IS NOT NULL ORDER BY n DESC, account LIMIT :limit"
        ),
        {"policy": policy, "simulated": simulated, "limit": limit},
    )
    return [(row.account, row.state) for row in rows]


def lock_learning(conn: Connection, account: str) -> None:
    """Let one transaction at a time learn for an account; released at its end."""
    conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('learn:' || :account, 0))"), {"account": account})
