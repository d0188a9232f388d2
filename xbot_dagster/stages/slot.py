"""What a slot is made of before the first word is written, and the parts planning is handed from outside.

Types only: the policies' source, a promoted predictor's scorer, a running experiment's grip on a slot.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from xbot_dagster.domain.content.brief import Brief
from xbot_dagster.domain.content.chain import ChainConfig
from xbot_dagster.domain.learning import policy as learning
from xbot_dagster.store.candidates import Candidate
from xbot_dagster.store.decisions import Choice
from xbot_dagster.store.deployment import Account


class PolicySource(Protocol):
    """Hands out an account's policies as last stored; `stages.policies.Policies` is the one of the product."""

    def steering(self, account: str) -> learning.Policy: ...

    def shadow(self, account: str) -> learning.Policy | None: ...

    def epsilon(self, account: str) -> float: ...


class Scorer(Protocol):
    """A promoted predictor. `version` is stored with the decision."""

    @property
    def version(self) -> str: ...

    def predict(
        self, texts: Sequence[str], *, scheduled_at: datetime, context: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """One JSON-able prediction per text; its entry "score" ranks (higher is better)."""
        ...


class HourScorer(Protocol):
    """A promoted timing predictor."""

    def predict(self, scheduled_at: datetime) -> dict[str, Any]:
        """What it expects of a slot, JSON-able."""
        ...


@dataclass(frozen=True)
class Slot:
    """Everything decided before the first word is written. `candidate` None: a reply, which has a target instead."""

    decision_id: UUID
    account: Account
    brief: Brief
    decision_type: str
    topic: str
    scheduled_at: datetime
    chain: ChainConfig
    candidate: Candidate | None = None
    arm: str | None = None
    hour: int | None = None
    choice: Choice | None = None
    experiment_id: str | None = None
    experiment_arm: str | None = None
    target_tweet_id: str | None = None
    target_username: str | None = None
    expires_at: datetime | None = None
    purpose: str = "content_generation"
    hour_expected: dict[str, Any] | None = None


@dataclass(frozen=True)
class Assignment:
    """A running experiment's grip on one slot. `rules` are added to the prompt; `hour` moves the slot."""

    experiment_id: str
    arm: str
    propensity: float
    unit: str
    rules: tuple[str, ...] = ()
    hook: str | None = None
    hour: int | None = None
    max_hashtags: int | None = None


Assign = Callable[[Connection, Slot], Assignment | None]
