"""The figures of the API and the dashboard's head: how learning stands, how the account grows, how the loop runs.

Each figure set is one indexed statement over the tables (nothing is kept beside them), bounded by the seven-day
window or by an index, so that a million outcomes do not slow it down. Unknown numbers are None, never 0. Posts count
by their final outcome: the latest pass that was read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.store.deployment import unknown_account

# A follower baseline must be a snapshot at the window's start or up to this long before it; else the change is unknown.
BASELINE_TOLERANCE_HOURS = 24
# Below so many posts of either kind the reply uplift is not shown.
UPLIFT_MIN_POSTS = 5


@dataclass(frozen=True)
class Arm:
    """One bandit arm; rewards in [0, 1], `ci_width` the width of the 95 % interval of the mean."""

    name: str
    scope: str
    successes: float
    failures: float
    samples: int
    mean_reward: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class LearningFigures:
    """What learning rests on. Outcome counts are rows of `outcomes` (both passes)."""

    predictor_version: int | None
    arms: tuple[Arm, ...]
    total_outcomes: int
    simulated_outcomes: int
    first_outcome_at: datetime | None
    last_trained_at: datetime | None
    budget_used_usd: float
    budget_reserved_usd: float

    @property
    def real_outcomes(self) -> int:
        return self.total_outcomes - self.simulated_outcomes


@dataclass(frozen=True)
class TopPost:
    decision_id: str
    tweet_id: str
    text: str
    follows: int
    impressions: int
    fpki: float | None


@dataclass(frozen=True)
class Growth:
    """Seven days of one account. Rates are fractions, fpki is follows per 1,000 impressions, the uplift is percent."""

    followers: int | None
    followers_today: int | None
    followers_24h: int | None
    followers_7d: int | None
    fpki_avg_7d: float | None
    top_posts: tuple[TopPost, ...]
    total_posts_7d: int
    measured_posts_7d: int
    avg_er_7d: float | None
    avg_reward_7d: float | None
    impressions_7d: int | None
    novelty_avg_7d: float | None
    reply_uplift_pct: float | None


@dataclass(frozen=True)
class LoopFigures:
    """How the loop runs. Calls and costs are those of the budget day."""

    calls_total: int
    calls_failed: int
    llm_cost_usd: float
    x_cost_usd: float
    posts_queued: int
    posts_awaiting_approval: int
    posts_posted_4h: int
    posts_in_doubt: int
    alerts_open: int
    last_post_at: datetime | None
    posts_last_hour: int


_LEARNING = text(
    """
    SELECT
        (SELECT true FROM accounts WHERE account = :account) AS known,
        (SELECT version FROM predictor_versions
         WHERE account = :account AND kind = 'content' AND state = 'champion') AS version,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(arm_name, scope, successes, failures, n, mean_reward, ci_low,
                                                     ci_high) ORDER BY scope, arm_name), '[]')
         FROM bandit_arms WHERE account = :account AND scope <> 'policy') AS arms,
        (SELECT coalesce(sum(n), 0)::bigint FROM outcome_counts WHERE account = :account) AS total,
        (SELECT coalesce(sum(n), 0)::bigint FROM outcome_counts WHERE account = :account AND simulated) AS simulated,
        (SELECT min(f.first) FROM accounts a CROSS JOIN LATERAL (
             SELECT o.collected_at AS first FROM outcomes o
             WHERE o.account = a.account AND o.simulated = (SELECT family = 'sandbox' FROM deployment)
               AND o.collected_pass IN (1, 2) AND o.read_status = 'ok' AND o.source <> 'import'
             ORDER BY o.collected_at LIMIT 1) f) AS first_outcome_at,
        greatest((SELECT max(last_updated) FROM bandit_arms WHERE account = :account),
                 (SELECT max(created_at) FROM predictor_versions
                  WHERE account = :account AND state <> 'backtest')) AS last_trained_at,
        b.settled_usd AS used, b.reserved_usd AS reserved
    FROM (VALUES (1)) AS nothing
    LEFT JOIN budget_days b ON b.budget_day = :budget_day AND b.account = '' AND b.provider = 'openai'
    """
)

_GROWTH = text(
    f"""
    WITH final AS (
        SELECT DISTINCT ON (decision_id) decision_id, impressions, follows, er_calculated, fpki, reward_composite
        FROM outcomes
        WHERE account = :account AND collected_at > xbot_now() - interval '7 days' AND collected_pass IN (1, 2)
          AND read_status = 'ok' AND impressions IS NOT NULL
        ORDER BY decision_id, collected_pass DESC
    ), week AS MATERIALIZED (
        -- Nearly all decisions are found in one range of the index; only those planned long before are looked up one by one.
        SELECT p.decision_id, p.tweet_id, p.text,
               CASE WHEN c.decision_id IS NOT NULL THEN c.decision_type
                    ELSE (SELECT decision_type FROM content_metadata d WHERE d.decision_id = p.decision_id) END AS decision_type,
               CASE WHEN c.decision_id IS NOT NULL THEN c.novelty
                    ELSE (SELECT novelty FROM content_metadata d WHERE d.decision_id = p.decision_id) END AS novelty,
               o.impressions, o.follows, o.er_calculated, o.fpki, o.reward_composite
        FROM posted_decisions p
        LEFT JOIN (
            SELECT decision_id, decision_type, novelty FROM content_metadata
            WHERE account = :account AND scheduled_at > xbot_now() - interval '8 days' AND scheduled_at <= xbot_now()
        ) c USING (decision_id)
        LEFT JOIN final o USING (decision_id)
        WHERE p.account = :account AND p.posted_at > xbot_now() - interval '7 days'
    ), latest AS (
        SELECT taken_at, followers FROM follower_snapshots
        WHERE account = :account AND taken_at <= xbot_now()
        ORDER BY taken_at DESC LIMIT 1
    ), baselines AS (
        SELECT w.name, l.followers - s.followers AS change
        FROM latest l
        JOIN accounts a ON a.account = :account
        CROSS JOIN LATERAL (VALUES ('today', date_trunc('day', xbot_now() AT TIME ZONE a.zone) AT TIME ZONE a.zone),
                                   ('24h', xbot_now() - interval '24 hours'),
                                   ('7d', xbot_now() - interval '7 days')) AS w(name, start)
        LEFT JOIN LATERAL (
            SELECT followers FROM follower_snapshots
            WHERE account = :account AND taken_at <= w.start
              AND taken_at >= w.start - interval '{BASELINE_TOLERANCE_HOURS} hours'
            ORDER BY taken_at DESC LIMIT 1
        ) s ON l.taken_at > w.start
    ), kinds AS (
        SELECT avg(reward_composite) FILTER (WHERE decision_type = 'reply') AS reply,
               avg(reward_composite) FILTER (WHERE decision_type = 'single') AS single,
               count(reward_composite) FILTER (WHERE decision_type = 'reply') AS replies,
               count(reward_composite) FILTER (WHERE decision_type = 'single') AS singles
        FROM week
    )
    SELECT (SELECT true FROM accounts WHERE account = :account) AS known,
           (SELECT followers FROM latest) AS followers,
           (SELECT change FROM baselines WHERE name = 'today') AS today,
           (SELECT change FROM baselines WHERE name = '24h') AS day,
           (SELECT change FROM baselines WHERE name = '7d') AS week,
           (SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM (
               SELECT decision_id, tweet_id, text, follows, impressions, fpki FROM week WHERE follows IS NOT NULL
               ORDER BY follows DESC, impressions, decision_id LIMIT :top) t) AS top,
           (SELECT CASE WHEN least(replies, singles) >= {UPLIFT_MIN_POSTS} AND single > 0
                        THEN 100 * (reply / single - 1) END FROM kinds) AS uplift,
           count(*) AS posts, count(impressions) AS measured, avg(fpki) AS fpki, avg(er_calculated) AS er,
           avg(reward_composite) AS reward, sum(impressions)::bigint AS impressions, avg(novelty) AS novelty
    FROM week
    """
)

_LOOP = text(
    """
    SELECT u.calls, u.failed, u.llm_cost, u.x_cost, q.queued, q.awaiting, q.in_doubt, p.last_post_at, p.posted_4h,
           p.posted_1h,
           (SELECT count(*) FROM alerts
            WHERE state = 'open' AND (:every OR account = :account OR account IS NULL)) AS alerts
    FROM (
        SELECT count(*) FILTER (WHERE provider = 'openai') AS calls,
               count(*) FILTER (WHERE provider = 'openai' AND state = 'released') AS failed,
               coalesce(sum(cost_usd) FILTER (WHERE provider = 'openai'), 0) AS llm_cost,
               coalesce(sum(cost_usd) FILTER (WHERE provider = 'x'), 0) AS x_cost
        FROM api_usage WHERE budget_day = :budget_day AND (:every OR account = :account)
    ) u
    CROSS JOIN (
        SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
               count(*) FILTER (WHERE status = 'awaiting_approval') AS awaiting,
               count(*) FILTER (WHERE status = 'in_doubt') AS in_doubt
        FROM content_metadata
        WHERE status IN ('queued', 'awaiting_approval', 'in_doubt') AND (:every OR account = :account)
    ) q
    CROSS JOIN (
        SELECT max(last.posted_at) AS last_post_at,
               sum(recent.in_4h)::bigint AS posted_4h, sum(recent.in_1h)::bigint AS posted_1h
        FROM accounts a
        LEFT JOIN LATERAL (
            SELECT posted_at FROM posted_decisions WHERE account = a.account AND posted_at <= xbot_now()
            ORDER BY posted_at DESC LIMIT 1
        ) last ON true
        LEFT JOIN LATERAL (
            SELECT count(*) AS in_4h, count(*) FILTER (WHERE posted_at > xbot_now() - interval '1 hour') AS in_1h
            FROM posted_decisions
            WHERE account = a.account AND posted_at > xbot_now() - interval '4 hours' AND posted_at <= xbot_now()
        ) recent ON true
        WHERE :every OR a.account = :account
    ) p
    """
)


def learning(conn: Connection, account: str, budget_day: Any) -> LearningFigures:
    """How learning stands for `account`; the budget figures are the whole deployment's on `budget_day` (a date).

    Raises NotFound for an unknown account.
    """
    row = conn.execute(_LEARNING, {"account": account, "budget_day": budget_day}).one()
    if not row.known:
        raise unknown_account(account)
    return LearningFigures(
        predictor_version=row.version,
        arms=tuple(Arm(*values) for values in row.arms),
        total_outcomes=row.total,
        simulated_outcomes=row.simulated,
        first_outcome_at=row.first_outcome_at,
        last_trained_at=row.last_trained_at,
        budget_used_usd=row.used or 0.0,
        budget_reserved_usd=row.reserved or 0.0,
    )


def growth(conn: Connection, account: str, top: int = 5) -> Growth:
    """Seven days of `account`, with its `top` posts by follows. Raises NotFound for an unknown account."""
    row = conn.execute(_GROWTH, {"account": account, "top": top}).one()
    if not row.known:
        raise unknown_account(account)
    return Growth(
        followers=row.followers,
        followers_today=row.today,
        followers_24h=row.day,
        followers_7d=row.week,
        fpki_avg_7d=row.fpki,
        top_posts=tuple(TopPost(**post) for post in row.top),
        total_posts_7d=row.posts,
        measured_posts_7d=row.measured,
        avg_er_7d=row.er,
        avg_reward_7d=row.reward,
        impressions_7d=row.impressions,
        novelty_avg_7d=row.novelty,
        reply_uplift_pct=row.uplift,
    )


def loop(conn: Connection, budget_day: Any, account: str | None = None) -> LoopFigures:
    """How the loop runs, for one account or (None) the whole deployment."""
    row = conn.execute(_LOOP, {"account": account or "", "every": account is None, "budget_day": budget_day}).one()
    return LoopFigures(
        calls_total=row.calls,
        calls_failed=row.failed,
        llm_cost_usd=row.llm_cost,
        x_cost_usd=row.x_cost,
        posts_queued=row.queued,
        posts_awaiting_approval=row.awaiting,
        posts_posted_4h=row.posted_4h or 0,
        posts_in_doubt=row.in_doubt,
        alerts_open=row.alerts,
        last_post_at=row.last_post_at,
        posts_last_hour=row.posted_1h or 0,
    )
