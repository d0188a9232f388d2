"""The figures: learning status, growth, metrics. Each is derived from the tables at the moment of asking."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import AccountQuery, Reader, Service, ServiceOf
from xbot_dagster.api.shapes import GrowthShape, LearningStatus, MetricsShape
from xbot_dagster.domain.learning.exploration import epsilon_at
from xbot_dagster.store import config, figures
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT

router = APIRouter(prefix="/api", tags=["figures"], responses=responses(401, 404, 422, 429, 503))
Document = Callable[[Service, Connection, str], dict[str, Any]]


@router.get(
    "/learning/status",
    response_model=LearningStatus,
    summary="How learning stands",
    responses=answer(examples.LEARNING_STATUS),
)
async def learning_status(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT) -> Response:
    return await _shown(service, LearningStatus, learning_document, account)


@router.get(
    "/growth",
    response_model=GrowthShape,
    summary="Followers, best posts and engagement of seven days",
    responses=answer(examples.GROWTH),
)
async def growth(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT) -> Response:
    return await _shown(service, GrowthShape, growth_document, account)


@router.get("/metrics", response_model=MetricsShape, summary="How the loop runs", responses=answer(examples.METRICS))
async def metrics(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT) -> Response:
    return await _shown(service, MetricsShape, metrics_document, account)


async def _shown(service: Service, shape: type[BaseModel], document: Document, account: str) -> Response:
    """The figures as JSON, checked against their shape once for everybody who asked meanwhile."""

    def read() -> bytes:
        with service.begin() as conn:
            return shape.model_validate(document(service, conn, account)).model_dump_json().encode()

    body = await service.figures.ask((shape, account), read)
    return Response(body, media_type="application/json")


def explore_rate(service: Service, live: config.LiveConfig, found: figures.LearningFigures) -> float:
    """Epsilon now: from the first outcome of the family, or from the operator's latest change."""
    return epsilon_at(
        service.now(),
        found.first_outcome_at,
        anchored_at=live.epsilon_anchored_at,
        anchored_value=live.epsilon,
        start=live.epsilon,
    )


def learning_document(service: Service, conn: Connection, account: str) -> dict[str, Any]:
    """The learning status as the API prints it. Raises NotFound."""
    live, found = (
        config.read_config(conn, service.settings, account),
        figures.learning(conn, account, service.budget_day()),
    )
    limit = service.settings.DAILY_OPENAI_LIMIT_USD
    return {
        "predictorVersion": f"v{found.predictor_version or 0}",
        "exploreRate": explore_rate(service, live, found),
        "policy": "growth" if live.learning_engine_v2 else "seed",
        "arms": [
            {
                "name": arm.name,
                "scope": arm.scope,
                "successes": arm.successes,
                "failures": arm.failures,
                "samples": arm.samples,
                "meanReward": arm.mean_reward,
                "ciWidth": None if arm.ci_low is None or arm.ci_high is None else arm.ci_high - arm.ci_low,
            }
            for arm in found.arms
        ],
        "totalOutcomes": found.total_outcomes,
        "realOutcomes": found.real_outcomes,
        "simulatedOutcomes": found.simulated_outcomes,
        "lastTrainedAt": found.last_trained_at,
        "budgetStatus": {
            "dailyLimit": limit,
            "used": found.budget_used_usd,
            "reserved": found.budget_reserved_usd,
            "remaining": max(0.0, limit - found.budget_used_usd - found.budget_reserved_usd),
        },
    }


def growth_document(service: Service, conn: Connection, account: str) -> dict[str, Any]:
    """Growth as the API prints it. Raises NotFound."""
    found = figures.growth(conn, account)
    return {
        "followers_today": found.followers_today,
        "followers_24h": found.followers_24h,
        "followers_7d": found.followers_7d,
        "fpki_avg_7d": found.fpki_avg_7d,
        "top_posts_by_follows": [vars(post) for post in found.top_posts],
        "engagement_summary": {
            "total_posts_7d": found.total_posts_7d,
            "avg_er_7d": found.avg_er_7d,
            "avg_reward_7d": found.avg_reward_7d,
            "impressions_7d": found.impressions_7d,
        },
        "novelty_avg_7d": found.novelty_avg_7d,
        "reply_uplift_pct": found.reply_uplift_pct,
    }


def metrics_document(service: Service, conn: Connection, account: str) -> dict[str, Any]:
    """How the loop runs, as the API prints it. Raises NotFound."""
    loop, grown = figures.loop(conn, service.budget_day(), account), figures.growth(conn, account)
    return {
        "openaiCalls_total": loop.calls_total,
        "openaiCalls_failed": loop.calls_failed,
        "daily_cost_usd": loop.llm_cost_usd,
        "daily_x_cost_usd": loop.x_cost_usd,
        "postsQueued": loop.posts_queued,
        "postsPosted_4h": loop.posts_posted_4h,
        "posts_in_doubt": loop.posts_in_doubt,
        "followers_today": grown.followers_today,
        "fpki_avg_7d": grown.fpki_avg_7d,
        "alerts_open": loop.alerts_open,
    }
