"""Teach the policies what became of the posts: each outcome once per learner version, pass 2 in place of pass 1.

Belongs here: which rows are offered to which policy, when a policy's references are frozen anew, what is written down.
Not here: how a policy learns (`domain/learning/`), predictors (`stages/train.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.policy import Belief
from xbot_dagster.settings import Settings
from xbot_dagster.stages import policies
from xbot_dagster.stages.policies import POLICIES, LoadedPolicy, Others
from xbot_dagster.stages.teaching import teach
from xbot_dagster.store import arms as arm_store
from xbot_dagster.store import audit, deployment, learning
from xbot_dagster.store.arms import Arm
from xbot_dagster.store.cache import Cache

log = logging.getLogger("xbot")
LEAST_OUTCOMES = 5  # the documents' "need 5"
_SCOPES = {"content": "content", "timing": "hour", "topic": "tag", "hook": "tag"}


@dataclass(frozen=True)
class ArmChange:
    """What one learning moved: posts and mean reward in [0, 1] of an arm, hour or tag, before (None: new) and after."""

    scope: str
    arm_name: str
    n_before: int | None
    n: int
    mean_before: float | None
    mean: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class AccountLearned:
    """One account's cycle. `outcomes` counts what the steering policy learned; `coeffs_updated` is its new version."""

    account: str
    policy: str
    outcomes: int
    provisional: int
    arms_trained: int
    explore_ratio: float
    coeffs_updated: str
    learner_version: str
    references_frozen: bool
    skipped: dict[str, int] = field(default_factory=dict)
    fallback: str | None = None
    changes: tuple[ArmChange, ...] = ()


@dataclass(frozen=True)
class LearnReport:
    """One run of learning. `skipped` says why nothing was trained at all; a dry run changed nothing."""

    outcomes: int = 0
    arms_trained: int = 0
    accounts: tuple[AccountLearned, ...] = ()
    skipped: str | None = None
    dry_run: bool = False


def learn_due(conn: Connection) -> str | None:
    """An account with outcomes that a policy was not offered yet, None when there is none or fewer than five in all.

    Looks only at rows written since each policy last learned, and a day before.
    """
    simulated = learning.family_is_simulated(conn)
    if learning.learnable_posts(conn, simulated=simulated, up_to=LEAST_OUTCOMES) < LEAST_OUTCOMES:
        return None
    first_versions = {name: f"{policy.version}.r1" for name, policy in POLICIES.items()}
    return learning.any_unlearned(conn, first_versions, simulated=simulated)


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    cache: Cache | None = None,
    *,
    accounts: Sequence[str] | None = None,
    dry_run: bool = False,
) -> LearnReport:
    """Teach both policies of each account (default: all) whatever they were not offered yet. Repeating changes nothing.

    One transaction an account, under a lock; a dry run does the same work and rolls it back.
    """
    with engine.begin() as conn:
        enough = learning.learnable_posts(conn, simulated=settings.simulated, up_to=LEAST_OUTCOMES) >= LEAST_OUTCOMES
        names = [a.account for a in deployment.accounts(conn)] if accounts is None else list(accounts)
    if not enough:
        log.info("[LEARN_JOB] ⚠️ Training skipped: insufficient real outcomes (need %d)", LEAST_OUTCOMES)
        return LearnReport(skipped=f"insufficient real outcomes (need {LEAST_OUTCOMES})", dry_run=dry_run)
    done, others = [], Others(simulated=settings.simulated)
    for account in names:
        taught: dict[str, LoadedPolicy] = {}
        with _transaction(engine, keep=not dry_run) as conn:
            learned = _learn_account(conn, settings, account, clock.now(), taught, others)
        if learned is None:
            continue
        done.append(learned)
        if dry_run:
            continue
        if cache is not None:
            for name, loaded in taught.items():
                policies.cache_policy(cache, account, name, loaded)
            with engine.begin() as conn:
                policies.cache_arms(cache, account, arm_store.arms(conn, account))
        log.info(
            "[LEARN_JOB] ✅ arms_trained=%d explore_ratio=%.3f coeffs_updated=%s",
            learned.arms_trained,
            learned.explore_ratio,
            learned.coeffs_updated,
        )
    if not done:
        log.info("[LEARN_JOB] ℹ️ Nothing to learn: every outcome was learned before")
    return LearnReport(
        sum(a.outcomes for a in done),
        sum(a.arms_trained for a in done),
        tuple(done),
        None if done else "every outcome was learned before",
        dry_run,
    )


@contextmanager
def _transaction(engine: Engine, *, keep: bool) -> Iterator[Connection]:
    with engine.connect() as conn, conn.begin() as transaction:
        yield conn
        if not keep:
            transaction.rollback()


def _learn_account(
    conn: Connection, settings: Settings, account: str, now: datetime, taught: dict[str, LoadedPolicy], others: Others
) -> AccountLearned | None:
    """Both policies of one account; None when neither had anything to learn."""
    arm_store.lock_learning(conn, account)
    steering = policies.steering_names(conn, settings, account)[0]
    before = {(arm.scope, arm.arm_name): arm for arm in arm_store.arms(conn, account)}
    cycles = {name: teach(conn, settings, account, name, now, others) for name in POLICIES}
    taught.update({name: cycle.loaded for name, cycle in cycles.items() if cycle is not None})
    cycle = cycles[steering]
    if cycle is None:
        return None
    rows = [
        _arm(account, belief)
        for belief in cycle.loaded.policy.beliefs(now=now)
        if belief.samples or belief.scope == "content"
    ]
    arm_store.save_arms(conn, rows, simulated=settings.simulated, learner_version=cycle.loaded.learner_version)
    learned = AccountLearned(
        account=account,
        policy=steering,
        outcomes=len(cycle.learned),
        provisional=cycle.provisional,
        arms_trained=len({row.arm for row in cycle.learned if row.arm is not None}),
        explore_ratio=policies.epsilon(conn, settings, account, now),
        coeffs_updated=f"v{cycle.loaded.version}",
        learner_version=cycle.loaded.learner_version,
        references_frozen=cycle.references_frozen,
        skipped=dict(cycle.skipped),
        fallback=cycle.fallback,
        changes=tuple(_changes(before, rows)),
    )
    audit.record(
        conn,
        "LEARNING_CYCLE_COMPLETE",
        "learn",
        {
            "arms_trained": learned.arms_trained,
            "explore_ratio": learned.explore_ratio,
            "outcomes": learned.outcomes,
            "coeffs_updated": learned.coeffs_updated,
            "provisional": learned.provisional,
            "policy": learned.policy,
            "learner_version": learned.learner_version,
            "references_frozen": learned.references_frozen,
            "skipped": learned.skipped,
            "fallback": learned.fallback,
        },
        account=account,
    )
    return learned


def _arm(account: str, belief: Belief) -> Arm:
    name = belief.name if _SCOPES[belief.scope] != "tag" else f"{belief.scope}:{belief.name}"
    return Arm(
        account,
        _SCOPES[belief.scope],
        name,
        float(belief.successes),
        float(belief.failures),
        belief.alpha,
        belief.beta,
        belief.samples,
        belief.mean_reward,
        belief.ci_low,
        belief.ci_high,
    )


def _changes(before: dict[tuple[str, str], Arm], rows: Sequence[Arm]) -> Iterator[ArmChange]:
    for arm in rows:
        old = before.get((arm.scope, arm.arm_name))
        if (old.n if old else 0) != arm.n:
            yield ArmChange(
                arm.scope,
                arm.arm_name,
                old.n if old else None,
                arm.n,
                old.mean_reward if old else None,
                arm.mean_reward or 0.0,
                arm.ci_low or 0.0,
                arm.ci_high or 0.0,
            )
