"""The JSON shapes of the figures, with the examples that the OpenAPI document shows. Unset numbers are null, never
0."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "predictorVersion": "v3",
                    "exploreRate": 0.152,
                    "policy": "growth",
                    "arms": [
                        {
                            "name": "educational",
                            "scope": "content",
                            "successes": 5,
                            "failures": 2,
                            "samples": 7,
                            "meanReward": 0.31,
                            "ciWidth": 0.22,
                        }
                    ],
                    "totalOutcomes": 42,
                    "realOutcomes": 42,
                    "simulatedOutcomes": 0,
                    "lastTrainedAt": "2026-11-20T03:15:00Z",
                    "budgetStatus": {"dailyLimit": 10.0, "used": 0.37, "reserved": 0.0, "remaining": 9.63},
                }
            ]
        }
    )
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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "followers_today": 4,
                    "followers_24h": 6,
                    "followers_7d": 31,
                    "fpki_avg_7d": 0.42,
                    "top_posts_by_follows": [
                        {
                            "decision_id": "7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11",
                            "tweet_id": "1987654321098765432",
                            "text": "Sleep is a habit before it is a need.",
                            "follows": 3,
                            "impressions": 5120,
                            "fpki": 0.59,
                        }
                    ],
                    "engagement_summary": {
                        "total_posts_7d": 61,
                        "avg_er_7d": 0.031,
                        "avg_reward_7d": 0.27,
                        "impressions_7d": 183402,
                    },
                    "novelty_avg_7d": 0.71,
                    "reply_uplift_pct": None,
                }
            ]
        }
    )
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

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "openaiCalls_total": 120,
                    "openaiCalls_failed": 1,
                    "daily_cost_usd": 0.37,
                    "daily_x_cost_usd": 0.18,
                    "postsQueued": 9,
                    "postsPosted_4h": 2,
                    "posts_in_doubt": 0,
                    "followers_today": 4,
                    "fpki_avg_7d": 0.42,
                    "alerts_open": 0,
                }
            ]
        }
    )
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
