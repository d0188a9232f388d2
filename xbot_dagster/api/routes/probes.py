"""Is it alive (`/healthz`), can it work (`/readyz`), and the same figures for Prometheus (`/metrics`)."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import text

from xbot_dagster import __version__
from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import Reader, ServiceOf
from xbot_dagster.api.shapes import Alive, Ready
from xbot_dagster.errors import UserError
from xbot_dagster.store import deployment, figures

router = APIRouter(tags=["probes"])


@router.get("/healthz", response_model=Alive, summary="The process answers", responses=answer(examples.ALIVE))
def healthz() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


@router.get(
    "/readyz",
    response_model=Ready,
    summary="The database answers",
    responses=answer(examples.READY) | responses(503),
)
def readyz(service: ServiceOf) -> dict[str, str]:
    with service.begin() as conn:
        conn.execute(text("SELECT 1"))
    return {"status": "ready"}


@router.get(
    "/metrics", response_class=PlainTextResponse, summary="Figures for Prometheus", responses=responses(401, 429)
)
def prometheus(service: ServiceOf, _: Reader) -> Response:
    """The text format of Prometheus. `xbot_up` is 0, and nothing else is there, while the database does not answer."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    up = Gauge("xbot_up", "1 while the database answers", registry=registry)
    Gauge("xbot_build_info", "Version of the API", ["version"], registry=registry).labels(__version__).set(1)

    def gauge(name: str, help: str, account: str, value: float | None) -> None:
        if value is not None:
            if name not in gauges:
                gauges[name] = Gauge(name, help, ["account"], registry=registry)
            gauges[name].labels(account).set(value)

    gauges: dict[str, Gauge] = {}
    try:
        with service.begin() as conn:
            day = service.budget_day()
            for found in deployment.accounts(conn):
                loop, grown = figures.loop(conn, day, found.account), figures.growth(conn, found.account)
                learned = figures.learning(conn, found.account, day)
                for name, help, value in _gauges(loop, grown, learned):
                    gauge(name, help, found.account, value)
            Gauge("xbot_llm_daily_limit_usd", "DAILY_OPENAI_LIMIT_USD", registry=registry).set(
                service.settings.DAILY_OPENAI_LIMIT_USD
            )
        up.set(1)
    except UserError:
        up.set(0)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _gauges(
    loop: figures.LoopFigures, grown: figures.Growth, learned: figures.LearningFigures
) -> list[tuple[str, str, float | None]]:
    return [
        ("xbot_llm_calls_today", "LLM calls of the budget day", loop.calls_total),
        ("xbot_llm_calls_failed_today", "LLM calls of the budget day that failed", loop.calls_failed),
        ("xbot_llm_cost_today_usd", "LLM spend of the budget day", loop.llm_cost_usd),
        ("xbot_x_cost_today_usd", "X API spend of the budget day", loop.x_cost_usd),
        ("xbot_posts_queued", "Decisions in the queue", loop.posts_queued),
        ("xbot_posts_awaiting_approval", "Decisions waiting for a person", loop.posts_awaiting_approval),
        ("xbot_posts_in_doubt", "Posts that may or may not be live", loop.posts_in_doubt),
        ("xbot_posts_last_hour", "Posts of the last hour", loop.posts_last_hour),
        ("xbot_posts_last_4h", "Posts of the last four hours", loop.posts_posted_4h),
        (
            "xbot_last_post_timestamp_seconds",
            "When the last post went out",
            loop.last_post_at.timestamp() if loop.last_post_at else None,
        ),
        ("xbot_alerts_open", "Alerts nobody has acknowledged", loop.alerts_open),
        ("xbot_followers", "Followers at the last snapshot", grown.followers),
        ("xbot_followers_24h", "Change of followers in 24 hours", grown.followers_24h),
        ("xbot_fpki_7d", "Follows per 1,000 impressions, mean of seven days", grown.fpki_avg_7d),
        ("xbot_engagement_rate_7d", "Mean engagement rate of seven days", grown.avg_er_7d),
        ("xbot_outcomes", "Outcome rows", learned.total_outcomes),
        ("xbot_predictor_version", "Version of the serving content predictor", learned.predictor_version),
    ]
