"""The documented views as rows, and the figures behind the charts of `xbot report`."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

# Name → order. The names are the documents'; people query them by hand as well.
VIEWS = {
    "vw_recent_posts": "posted_at DESC",
    "vw_topics_perf_7d": "avg_engagement_rate DESC NULLS LAST, topic",
    "vw_time_of_day_perf_7d": "avg_engagement_rate DESC NULLS LAST, hour",
    "vw_learning_performance": "day DESC",
    "vw_bandit_performance": "day DESC",
    "vw_content_sources_perf": "success_rate DESC NULLS LAST, source",
}


@dataclass(frozen=True)
class Table:
    """One view's rows, column names first."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class HourCell:
    """Posts of one hour and weekday (0 = Monday) in the account's zone: how many, their mean engagement rate and reward."""

    weekday: int
    hour: int
    n: int
    engagement_rate: float | None
    reward: float | None


@dataclass(frozen=True)
class ArmInterval:
    """An arm's posterior mean with its interval."""

    name: str
    n: int
    mean: float
    low: float
    high: float


def view(conn: Connection, name: str, account: str, limit: int) -> Table:
    """Up to `limit` rows of one of `VIEWS` for an account. Raises KeyError for another name."""
    result = conn.execute(
        text(f"SELECT * FROM {name} WHERE account = :account ORDER BY {VIEWS[name]} LIMIT :limit"),
        {"account": account, "limit": limit},
    )
    return Table(name, tuple(result.keys()), tuple(tuple(row) for row in result))


def hours_by_weekday(conn: Connection, account: str, days: int) -> list[HourCell]:
    """Measured posts of the last `days`, by weekday and hour in the account's zone; empty cells are absent."""
    rows = conn.execute(
        text(
            "SELECT extract(isodow FROM p.posted_at AT TIME ZONE a.zone)::int - 1, extract(hour FROM p.posted_at AT TIME ZONE a.zone)::int, "
            "count(*), avg(o.er_calculated), avg(o.reward_composite) FROM posted_decisions p JOIN accounts a USING (account) "
            "JOIN final_outcomes o USING (decision_id) WHERE p.account = :account "
            "AND p.posted_at > xbot_now() - make_interval(days => :days) GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        {"account": account, "days": days},
    )
    return [HourCell(*row) for row in rows]


def arm_intervals(conn: Connection, account: str) -> list[ArmInterval]:
    """Content arms that have learned something, best first."""
    rows = conn.execute(
        text(
            "SELECT arm_name, n, mean_reward, coalesce(ci_low, mean_reward), coalesce(ci_high, mean_reward) FROM bandit_arms "
            "WHERE account = :account AND scope = 'content' AND n > 0 AND mean_reward IS NOT NULL ORDER BY mean_reward DESC, arm_name"
        ),
        {"account": account},
    )
    return [ArmInterval(*row) for row in rows]


def followers_by_day(conn: Connection, account: str, days: int) -> list[tuple[date, int]]:
    """The last follower count of each day in the account's zone."""
    rows = conn.execute(
        text(
            "SELECT DISTINCT ON (1) (f.taken_at AT TIME ZONE a.zone)::date, f.followers FROM follower_snapshots f JOIN accounts a USING (account) "
            "WHERE f.account = :account AND f.taken_at > xbot_now() - make_interval(days => :days) ORDER BY 1, f.taken_at DESC"
        ),
        {"account": account, "days": days},
    )
    return [(row[0], row[1]) for row in rows]
