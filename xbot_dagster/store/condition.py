"""Reads the facts that the alert rules, the health line and the dashboard's "why nothing is posted" judge by."""

from datetime import date

from sqlalchemy import Connection, text

from xbot_dagster.domain.alerting import AccountFacts, Facts
from xbot_dagster.settings import Settings
from xbot_dagster.store import config, verdicts
from xbot_dagster.store.engine import one

_ACCOUNTS = text(
    """
    -- The clock is asked once, not for each of many open decisions.
    WITH clock AS MATERIALIZED (SELECT xbot_now() AS now), opened AS (
        SELECT account, count(*) FILTER (WHERE status = 'queued') AS queued,
               min(scheduled_at) FILTER (WHERE status = 'queued' AND scheduled_at <= (SELECT now FROM clock)) AS overdue_since,
               min(scheduled_at) FILTER (WHERE status = 'queued' AND scheduled_at > (SELECT now FROM clock)) AS next_at,
               count(*) FILTER (WHERE status = 'awaiting_approval') AS awaiting,
               count(*) FILTER (WHERE status = 'in_doubt') AS in_doubt,
               count(*) FILTER (WHERE status = 'needs_human') AS needs_human,
               count(*) FILTER (WHERE status IN ('posting', 'in_doubt') AND NOT EXISTS (
                   SELECT FROM posting_attempts t WHERE t.decision_id = c.decision_id
                   AND (t.state IN ('claimed', 'armed') AND t.lease_until > xbot_now() - interval '15 minutes'
                        OR t.state = 'in_doubt' AND t.next_look_at > xbot_now() - interval '15 minutes'))) AS stuck
        FROM content_metadata c
        WHERE status IN ('pending', 'awaiting_approval', 'queued', 'posting', 'in_doubt', 'needs_human')
        GROUP BY account
    ), passes AS (
        SELECT account, count(*) AS overdue FROM posted_decisions
        WHERE next_due_at < xbot_now() - interval '2 hours' GROUP BY account
    )
    SELECT a.account, a.handle, a.created_at AS known_since, a.session_state,
           :label_needed AND a.label_attested_at IS NULL AS label_missing,
           CASE WHEN a.circuit_state = 'open' THEN coalesce(a.circuit_reason, 'no reason given') END AS circuit_reason,
           coalesce(q.queued, 0) AS queued, q.overdue_since, q.next_at, coalesce(q.awaiting, 0) AS awaiting_approval,
           coalesce(q.in_doubt, 0) AS in_doubt, coalesce(q.needs_human, 0) AS needs_human, coalesce(q.stuck, 0) AS stuck,
           last.posted_at AS last_post_at,
           CASE WHEN last.posted_at > clock.now - interval '4 hours' THEN (SELECT count(*) FROM posted_decisions p
                WHERE p.account = a.account AND p.posted_at > xbot_now() - interval '4 hours') ELSE 0 END AS posts_4h,
           -- No join: what a day of an account holds cannot be estimated, and a join would read every decision.
           CASE WHEN last.posted_at >= date_trunc('day', clock.now AT TIME ZONE a.zone) AT TIME ZONE a.zone
                THEN (SELECT count(*) FROM posted_decisions p
                WHERE p.account = a.account
                  AND p.posted_at >= date_trunc('day', xbot_now() AT TIME ZONE a.zone) AT TIME ZONE a.zone
                  AND (SELECT c.decision_type FROM content_metadata c WHERE c.decision_id = p.decision_id) <> 'reply')
                ELSE 0 END AS posted_today,
           coalesce(o.overdue, 0) AS overdue_passes,
           (SELECT count(*) FROM content_candidates k
            WHERE k.account = a.account AND k.state = 'fresh' AND k.expires_at > xbot_now()) AS fresh_candidates,
           (SELECT s.followers FROM follower_snapshots s WHERE s.account = a.account AND s.taken_at <= xbot_now()
            ORDER BY s.taken_at DESC LIMIT 1)
           - (SELECT s.followers FROM follower_snapshots s
              WHERE s.account = a.account AND s.taken_at <= xbot_now() - interval '24 hours'
                AND s.taken_at >= xbot_now() - interval '48 hours'
              ORDER BY s.taken_at DESC LIMIT 1) AS followers_24h,
           a.next_post_at AS limited_until
    FROM accounts a
    CROSS JOIN clock
    LEFT JOIN LATERAL (SELECT p.posted_at FROM posted_decisions p WHERE p.account = a.account AND p.posted_at <= xbot_now()
                       ORDER BY p.posted_at DESC LIMIT 1) last ON true
    LEFT JOIN opened q ON q.account = a.account
    LEFT JOIN passes o ON o.account = a.account
    WHERE a.enabled
    ORDER BY a.account
    """
)

_DEPLOYMENT = text(
    """
    SELECT u.calls, u.failed, coalesce(b.settled_usd, 0) AS spend, coalesce(b.circuit_open, false) AS circuit_open,
           b.circuit_reason,
           (SELECT max(at) FROM tick_log WHERE kind IN ('sensor', 'schedule') AND at <= xbot_now()) AS last_tick_at
    FROM (SELECT count(*) AS calls, count(*) FILTER (WHERE state = 'released') AS failed
          FROM api_usage WHERE budget_day = :budget_day AND provider = 'openai') u
    LEFT JOIN budget_days b ON b.budget_day = :budget_day AND b.account = '' AND b.provider = 'openai'
    """
)


def read(conn: Connection, settings: Settings, budget_day: date) -> Facts:
    """The facts of the deployment at the session's time."""
    found = conn.execute(_DEPLOYMENT, {"budget_day": budget_day}).one()
    now = one(conn, "SELECT xbot_now() AS now").now
    needed = settings.MODE == "live" and settings.live_posts
    result = conn.execute(_ACCOUNTS, {"label_needed": needed})
    names, rows = tuple(result.keys()), result.all()
    configured = config.read_configs(conn, settings, ["", *(row.account for row in rows)])
    accounts = []
    for row in rows:
        live = configured[row.account]
        accounts.append(
            AccountFacts(
                **dict(zip(names, row, strict=True)),
                stop_posting=live.stop_posting,
                post_fraction=live.post_fraction,
                posts_per_day=live.posts_per_day,
            )
        )
    circuit = f"today's LLM circuit is open ({found.circuit_reason})" if found.circuit_open else None
    return Facts(
        now=now,
        accounts=tuple(accounts),
        posting_off=posting_off(settings),
        llm_off=llm_off(settings, configured[""]) or circuit,
        metrics_on=settings.metrics_enabled,
        calls_total=found.calls,
        calls_failed=found.failed,
        spend_usd=found.spend,
        limit_usd=settings.DAILY_OPENAI_LIMIT_USD,
        dead_gates=tuple(verdicts.dead_gates(conn)),
        last_tick_at=found.last_tick_at,
    )


def posting_off(settings: Settings) -> str | None:
    """The flag that keeps every account from posting for real, as a sentence; None when no flag does."""
    if settings.posting_disabled:
        return (
            "POSTING_DISABLED=true"
            if settings.POSTING_DISABLED
            else f"POSTING_DISABLED is unset, and MODE={settings.MODE}"
        )
    if settings.family == "real" and settings.MODE != "live":
        return f"MODE={settings.MODE}: posts are only shadowed"
    if settings.family == "real" and not settings.live_posts:
        return "LIVE_POSTS=false: posts are only shadowed"
    if settings.publisher == "shadow":
        return "PUBLISHER=shadow: posts are only shadowed"
    return None


def llm_off(settings: Settings, live: config.LiveConfig) -> str | None:
    """The flag or control that keeps the LLM from being called, as a sentence; None when none does."""
    if settings.AI_QUOTA_CIRCUIT_OPEN:
        return "AI_QUOTA_CIRCUIT_OPEN=true"
    if live.stop_llm:
        return "the LLM was stopped by an operator"
    return None
