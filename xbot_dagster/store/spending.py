"""What is spent on LLM and X API calls, by day and by purpose; every figure is a sum over `api_usage`."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class DaySpend:
    """One budget day: USD settled, LLM calls and how many of them failed."""

    day: date
    llm_usd: float
    x_usd: float
    calls: int
    failed: int


@dataclass(frozen=True)
class PurposeSpend:
    """One purpose and model over the window."""

    provider: str
    purpose: str
    model: str
    calls: int
    failed: int
    usd: float
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class FailedCall:
    at: datetime
    purpose: str
    model: str
    error: str


def by_day(conn: Connection, since: date, account: str | None = None) -> list[DaySpend]:
    """Spend of each budget day from `since` on, oldest first."""
    rows = conn.execute(
        text(
            """
            SELECT budget_day AS day, coalesce(sum(cost_usd) FILTER (WHERE provider = 'openai'), 0) AS llm_usd,
                   coalesce(sum(cost_usd) FILTER (WHERE provider = 'x'), 0) AS x_usd,
                   count(*) FILTER (WHERE provider = 'openai') AS calls,
                   count(*) FILTER (WHERE provider = 'openai' AND state = 'released') AS failed
            FROM api_usage WHERE budget_day >= :since AND (cast(:account AS text) IS NULL OR account = :account)
            GROUP BY budget_day ORDER BY budget_day
            """
        ),
        {"since": since, "account": account},
    )
    return [DaySpend(**row) for row in rows.mappings()]


def by_purpose(conn: Connection, since: date, account: str | None = None) -> list[PurposeSpend]:
    """Spend by purpose and model from `since` on, dearest first."""
    rows = conn.execute(
        text(
            """
            SELECT provider, purpose, model, count(*) AS calls, count(*) FILTER (WHERE state = 'released') AS failed,
                   sum(cost_usd) AS usd, coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
                   coalesce(sum(cached_tokens), 0)::bigint AS cached_tokens,
                   coalesce(sum(output_tokens), 0)::bigint AS output_tokens
            FROM api_usage WHERE budget_day >= :since AND (cast(:account AS text) IS NULL OR account = :account)
            GROUP BY provider, purpose, model ORDER BY usd DESC, purpose, model
            """
        ),
        {"since": since, "account": account},
    )
    return [PurposeSpend(**row) for row in rows.mappings()]


def failures(conn: Connection, since: date, limit: int = 10) -> list[FailedCall]:
    """The latest failed LLM calls."""
    rows = conn.execute(
        text(
            "SELECT created_at AS at, purpose, model, error FROM api_usage "
            "WHERE budget_day >= :since AND provider = 'openai' AND state = 'released' AND error IS NOT NULL "
            "ORDER BY created_at DESC LIMIT :limit"
        ),
        {"since": since, "limit": limit},
    )
    return [FailedCall(**row) for row in rows.mappings()]
