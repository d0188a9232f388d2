"""The JSON shapes of answers. Unset numbers are null, never 0; times are ISO 8601 in UTC.

A list of stored rows has the row itself as its shape (`store/`: one definition of each field); what stands here is put
together for the answer. What an answer looks like filled in: `examples.py`. The story of a decision: `explanation.py`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from xbot_dagster.domain.learning.experiments import Power
from xbot_dagster.store.experiments import Experiment
from xbot_dagster.store.spending import DaySpend, PurposeSpend
from xbot_dagster.store.verdicts import GateStats, StoredVerdict

Row = TypeVar("Row")


class Page(BaseModel, Generic[Row]):
    """One page of rows; `next_cursor` is null on the last one."""

    items: list[Row]
    next_cursor: str | None


class Alive(BaseModel):
    status: Literal["ok"]
    version: str


class Ready(BaseModel):
    status: Literal["ready"]


class ArmShape(BaseModel):
    name: str
    scope: str
    successes: float
    failures: float
    samples: int
    meanReward: float | None
    ciWidth: float | None


class BudgetShape(BaseModel):
    dailyLimit: float
    used: float
    reserved: float
    remaining: float


class LearningStatus(BaseModel):
    """How learning stands for one account; outcome counts are rows (both passes), the budget is the whole
    deployment's day."""

    predictorVersion: str
    exploreRate: float
    policy: str
    arms: list[ArmShape]
    totalOutcomes: int
    realOutcomes: int
    simulatedOutcomes: int
    lastTrainedAt: datetime | None
    budgetStatus: BudgetShape


class TopPostShape(BaseModel):
    decision_id: str
    tweet_id: str
    text: str
    follows: int
    impressions: int
    fpki: float | None


class EngagementShape(BaseModel):
    total_posts_7d: int
    avg_er_7d: float | None
    avg_reward_7d: float | None
    impressions_7d: int | None


class GrowthShape(BaseModel):
    """Seven days of one account. Follower changes are null until a snapshot exists at the start of their window."""

    followers_today: int | None
    followers_24h: int | None
    followers_7d: int | None
    fpki_avg_7d: float | None
    top_posts_by_follows: list[TopPostShape]
    engagement_summary: EngagementShape
    novelty_avg_7d: float | None
    reply_uplift_pct: float | None


class MetricsShape(BaseModel):
    """How the loop runs; calls and costs are those of the present budget day."""

    openaiCalls_total: int
    openaiCalls_failed: int
    daily_cost_usd: float
    daily_x_cost_usd: float
    postsQueued: int
    postsPosted_4h: int
    posts_in_doubt: int
    followers_today: int | None
    fpki_avg_7d: float | None
    alerts_open: int


class BatchAnswer(BaseModel):
    """Ids that were changed, and id → why not."""

    done: list[str]
    refused: dict[str, str]


class BacktestDay(BaseModel):
    """What training on the day was worth: mean squared error saved against the rolling mean over the seven days after it,
    in shares of variance, with its 95 % interval."""

    day: date
    n: int
    scored: int | None
    gain: float | None
    low: float | None
    high: float | None


class LiftShape(BaseModel):
    """The newest verdict on one metric; numbers are null where the claim was refused.

    `told`: the effect is beyond doubt (by the confidence sequence); `days_still_needed`: how long until it may be.
    """

    experiment_id: str
    metric: str
    verdict: str
    reason: str | None
    n: int
    effective_n: float | None
    lift: float | None
    se: float | None
    low: float | None
    high: float | None
    cs_low: float | None
    cs_high: float | None
    q_value: float | None
    details: dict[str, Any]
    told: bool
    days_still_needed: float | None


@dataclass(frozen=True)
class ExperimentShape(Experiment):
    """An experiment with its newest lifts."""

    lifts: list[LiftShape]


@dataclass(frozen=True)
class PlannedExperiment(Experiment):
    """An experiment that does nothing yet, and what its window can show; `says` is the same as a sentence."""

    power: Power
    says: str


class FlagShape(BaseModel):
    """An experiment that exists: whether it is on now, the usual share of treatment, the kinds of posts, the question."""

    on: bool
    share: float
    applies_to: list[str]
    asks: str


class SpendShape(BaseModel):
    by_day: list[DaySpend]
    by_purpose: list[PurposeSpend]


class GatesShape(BaseModel):
    """Pass rates in the order of the chain, and the scores nearest to their threshold on either side."""

    gates: list[GateStats]
    near_misses: list[StoredVerdict]


class DeliveryShape(BaseModel):
    """One thing that was done about an alert; `channel`, `ok` and `error` only where something was sent."""

    at: datetime
    event: str
    channel: str | None = None
    ok: bool | None = None
    error: str | None = None


class AlertShape(BaseModel):
    """One alert with its deliveries."""

    id: int
    rule: str
    subject: str
    account: str | None
    severity: str
    message: str
    fix: str
    state: str
    occurrences: int
    deliveries: list[DeliveryShape]
    opened_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None


class Started(BaseModel):
    """The run that was started (for stop and resume: the id of the action in the audit log)."""

    run_id: str


class ConfigShape(BaseModel):
    """Values by name, in their four groups; a value is whatever its name says (number, list, true or false)."""

    feature_flags: dict[str, Any]
    learning_config: dict[str, Any]
    content_config: dict[str, Any]
    controls: dict[str, Any]


class ConfigChange(BaseModel):
    """One change: all values of the group before and after it. `account` is '' for the values of all accounts."""

    at: datetime
    actor: str
    environment: str
    account: str
    config_key: str
    before: dict[str, Any]
    after: dict[str, Any]


class Changed(BaseModel):
    """What the value was and is."""

    key: str
    name: str
    before: Any = Field(description="null where it had no value")
    after: Any
