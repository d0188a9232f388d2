"""Hand out the two policies of an account as they were last stored: which one steers, which runs in shadow.

Belongs here: reading a policy (cache, then Postgres, then the prior), with the reason when it is not the stored one.
Not here: teaching it (`stages/learn.py`), choosing with it (planning), what a policy is (`domain/learning/`).
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.arms import arms_of
from xbot_dagster.domain.learning.coefficients import Key, PooledLevel
from xbot_dagster.domain.learning.exploration import epsilon_at
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Policy
from xbot_dagster.domain.learning.pooling import LearnedLevel, pooled_prior
from xbot_dagster.domain.learning.reward import DEFAULT_REFERENCES, RewardReferences
from xbot_dagster.domain.learning.seed_policy import SeedPolicy
from xbot_dagster.errors import UserError
from xbot_dagster.settings import Settings
from xbot_dagster.store import arms as store
from xbot_dagster.store import config, deployment, learning
from xbot_dagster.store.cache import Cache

log = logging.getLogger("xbot")
FORMAT = "policy/1"
MOST_OTHERS = 100  # accounts a new one learns from: more would move its start by less than it moves from post to post
POLICIES: dict[str, type[GrowthPolicy] | type[SeedPolicy]] = {"growth": GrowthPolicy, "seed": SeedPolicy}


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy ready to choose or to learn.

    `version` counts stored updates, 0 = the prior; `n` posts learned. `references_version` counts how often the
    reward's references were frozen anew, `references_at` when last. `fallback`: why the stored state could not be used.
    """

    policy: GrowthPolicy | SeedPolicy
    version: int
    references: RewardReferences
    references_version: int
    references_at: datetime | None
    last_updated: datetime | None
    n: int = 0
    fallback: str | None = None

    @property
    def learner_version(self) -> str:
        """What exactly-once learning is counted by: the algorithm's version and the references it was taught with."""
        return f"{type(self.policy).version}.r{self.references_version}"

    def state(self) -> dict[str, Any]:
        """What is stored."""
        return {
            "format": FORMAT,
            "references_version": self.references_version,
            "references_at": self.references_at.isoformat() if self.references_at else None,
            "policy": self.policy.state(),
        }


class Others:
    """What the family's accounts had learned when they were first asked: where a new account starts from.

    One instance serves one run: a thousand new accounts read the others once, and none depends on whose turn came before.
    """

    def __init__(self, *, simulated: bool) -> None:
        self.simulated = simulated
        self._posteriors: dict[str, dict[Key, LearnedLevel]] | None = None
        self._of_all: dict[Key, PooledLevel] | None = None

    def prior_for(self, conn: Connection, account: str) -> dict[Key, PooledLevel]:
        """Levels that the other accounts have in common; empty when there is none."""
        if self._posteriors is None:
            self._posteriors = self._read(conn)
        if account in self._posteriors:
            return pooled_prior([levels for name, levels in self._posteriors.items() if name != account])
        if self._of_all is None:
            self._of_all = pooled_prior(list(self._posteriors.values()))
        return self._of_all

    def _read(self, conn: Connection) -> dict[str, dict[Key, LearnedLevel]]:
        """By account; a state that cannot be read is left out and logged."""
        found = {}
        for account, state in store.learned_most(conn, "growth", simulated=self.simulated, limit=MOST_OTHERS):
            try:
                found[account] = GrowthPolicy.from_state(state["policy"]).posterior()
            except (KeyError, TypeError, UserError) as error:
                log.warning("[BANDIT] ⚠️ the policy=growth of account=%s cannot be pooled: %s", account, error)
        return found


class Policies:
    """The policies of every account of a deployment. One instance serves one run; it keeps those of the accounts asked for last,
    as many as are planned side by side."""

    def __init__(self, engine: Engine, clock: Clock, settings: Settings, cache: Cache | None = None) -> None:
        self._engine, self._clock, self._settings, self._cache = engine, clock, settings, cache
        self._others = Others(simulated=settings.simulated)
        self._kept: OrderedDict[str, dict[str, LoadedPolicy]] = OrderedDict()

    def steering(self, account: str) -> Policy:
        """The policy whose choices are carried out: growth where `learning_engine_v2` is true, else seed."""
        return self.loaded(account, self.names(account)[0]).policy

    def shadow(self, account: str) -> Policy | None:
        """The policy whose choices are only logged."""
        return self.loaded(account, self.names(account)[1]).policy

    def names(self, account: str) -> tuple[str, str]:
        """(steering, shadow) by the live configuration."""
        with self._engine.begin() as conn:
            return steering_names(conn, self._settings, account)

    def epsilon(self, account: str) -> float:
        """The exploration share of the schedule now, in [0, 1]."""
        with self._engine.begin() as conn:
            return epsilon(conn, self._settings, account, self._clock.now())

    def loaded(self, account: str, name: str) -> LoadedPolicy:
        """One policy as stored. A state that cannot be read is replaced by the prior, and the log says so."""
        with self._engine.begin() as conn:
            head = store.policy_head(conn, account, name)
            of_account = self._kept.setdefault(account, {})
            self._kept.move_to_end(account)
            if len(self._kept) > self._settings.LLM_AT_ONCE:
                self._kept.popitem(last=False)
            kept = of_account.get(name)
            if kept is None or kept.version != (head.version if head else 0):
                kept = of_account[name] = self._read(conn, account, name, head)
        return kept

    def _read(self, conn: Connection, account: str, name: str, head: store.PolicyHead | None) -> LoadedPolicy:
        cached = self._cached(account, name, head)
        if cached is not None:
            return cached
        found = load(conn, account, name, self._others)
        if found.fallback is not None:
            log.warning("[BANDIT] ⚠️ policy=%s account=%s starts from its prior: %s", name, account, found.fallback)
        elif self._cache is not None and head is not None:
            cache_policy(self._cache, account, name, found)
        return found

    def _cached(self, account: str, name: str, head: store.PolicyHead | None) -> LoadedPolicy | None:
        """The cached copy when it is the stored version and readable, else None: Postgres then answers."""
        raw = self._cache.get(account, cache_key(name)) if self._cache is not None and head is not None else None
        if raw is None or head is None:
            return None
        try:
            document = json.loads(raw)
            if document["version"] != head.version:
                return None
            return restored(name, document["state"], head)
        except (ValueError, KeyError, TypeError, UserError) as error:
            log.warning(
                "[BANDIT] ⚠️ cached policy=%s account=%s is damaged (%s): read from Postgres", name, account, error
            )
            return None


def steering_names(conn: Connection, settings: Settings, account: str) -> tuple[str, str]:
    """(steering, shadow): `learning_engine_v2` decides (interface list, section 1)."""
    live = config.read_config(conn, settings, account)
    return ("growth", "seed") if live.learning_engine_v2 else ("seed", "growth")


def epsilon(conn: Connection, settings: Settings, account: str, now: datetime) -> float:
    """The documented schedule on the family's first own outcome and the operator's last change."""
    live = config.read_config(conn, settings, account)
    first = learning.first_outcome_at(conn, simulated=settings.simulated)
    if live.epsilon_anchored_at is None:
        return epsilon_at(now, first, start=live.epsilon)
    return epsilon_at(now, first, anchored_at=live.epsilon_anchored_at, anchored_value=live.epsilon)


def load(conn: Connection, account: str, name: str, others: Others) -> LoadedPolicy:
    """The stored policy, or the prior: of a new account without a reason, of a damaged state with one."""
    stored = store.stored_policy(conn, account, name)
    arms = arms_of(deployment.account(conn, account).voice)
    if stored is None:
        return fresh(conn, account, name, others, arms=arms, references=DEFAULT_REFERENCES)
    try:
        found = restored(name, stored.state, stored.head)
        reason = None
        if found.policy.arms != arms:
            reason = "the account's list of arms has changed"
        elif found.learner_version != stored.head.learner_version:
            reason = f"it was taught as {stored.head.learner_version}"
        if reason is None:
            return found
        references, counted = found.references, found.references_version
    except UserError as error:
        reason, references, counted = str(error), DEFAULT_REFERENCES, _counted(stored.head.learner_version)
    return fresh(
        conn,
        account,
        name,
        others,
        arms=arms,
        references=references,
        references_version=counted + 1,
        references_at=None,
        version=stored.head.version,
        fallback=reason,
    )


def restored(name: str, state: dict[str, Any], head: store.PolicyHead) -> LoadedPolicy:
    """A stored state as a policy. Raises UserError for a damaged one or one of an unknown format."""
    if state.get("format") != FORMAT:
        raise UserError(f"the stored policy has the format {state.get('format')!r}, not {FORMAT!r}.")
    try:
        inner, counted, frozen = state["policy"], int(state["references_version"]), state["references_at"]
        policy = POLICIES[name].from_state(inner)
        references = RewardReferences(**inner["references"])
        frozen_at = datetime.fromisoformat(frozen) if frozen else None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the stored policy is damaged: {error}.") from error
    policy.version = f"{type(policy).version}.v{head.version}"
    return LoadedPolicy(policy, head.version, references, counted, frozen_at, head.last_updated, head.n)


def fresh(
    conn: Connection,
    account: str,
    name: str,
    others: Others,
    *,
    arms: tuple[str, ...],
    references: RewardReferences,
    references_version: int = 1,
    references_at: datetime | None = None,
    version: int = 0,
    fallback: str | None = None,
) -> LoadedPolicy:
    """A policy that has learned nothing yet. `growth` starts from what the other accounts have in common."""
    if name == "growth":
        policy: GrowthPolicy | SeedPolicy = GrowthPolicy(arms, references, pooled=others.prior_for(conn, account))
    else:
        policy = SeedPolicy(arms, references)
    policy.version = f"{type(policy).version}.v0"
    return LoadedPolicy(policy, version, references, references_version, references_at, None, 0, fallback)


def _counted(learner_version: str) -> int:
    """The references' number in a learner version such as "growth_v1.r3"."""
    digits = learner_version.rpartition(".r")[2]
    return int(digits) if digits.isdigit() else 1


def cache_key(name: str) -> str:
    return f"bandit:policy:{name}"


def cache_policy(cache: Cache, account: str, name: str, found: LoadedPolicy) -> None:
    """Write a stored policy to the cache."""
    cache.put(account, cache_key(name), json.dumps({"version": found.version, "state": found.state()}))


def cache_arms(cache: Cache, account: str, arms: Sequence[store.Arm]) -> None:
    """Write arms, hours and tags to the cache, one key each (`bandit:content:educational`)."""
    for arm in arms:
        cache.put(account, f"bandit:{arm.scope}:{arm.arm_name}", json.dumps(asdict(arm)))
