"""People who addressed us: targets of replies, and those who asked to be left alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.store.engine import one


@dataclass(frozen=True)
class Target:
    """A post that addressed us. `rank_score` in [0, 1]; features as in domain.measuring.features.ReplyTarget."""

    account: str
    target_tweet_id: str
    target_username: str
    kind: str
    target_text: str
    target_posted_at: datetime
    follower_count: int | None
    tweet_velocity: float | None
    tweet_age_min: float | None
    rank_score: float
    state: str = "open"
    state_reason: str | None = None


@dataclass(frozen=True)
class DueReply:
    """A reply that may be published now, with what it answers."""

    decision_id: UUID
    account: str
    target_tweet_id: str
    target_text: str
    target_posted_at: datetime


_COLUMNS = ", ".join(Target.__dataclass_fields__)


def save(conn: Connection, targets: Sequence[Target]) -> int:
    """Store targets not seen before and refresh features and rank of those still open; how many are new."""
    if not targets:
        return 0
    rows = conn.execute(
        text(
            f"INSERT INTO reply_targets ({_COLUMNS}) SELECT {_COLUMNS} FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r("
            "account text, target_tweet_id text, target_username text, kind text, target_text text, target_posted_at timestamptz, "
            "follower_count bigint, tweet_velocity float8, tweet_age_min float8, rank_score float8, state text, state_reason text) "
            "ON CONFLICT (account, target_tweet_id) DO UPDATE SET follower_count = excluded.follower_count, "
            "tweet_velocity = excluded.tweet_velocity, tweet_age_min = excluded.tweet_age_min, rank_score = excluded.rank_score "
            "WHERE reply_targets.state = 'open' RETURNING (xmax = 0) AS new"
        ),
        {"rows": json.dumps([target.__dict__ for target in targets], default=str)},
    )
    return sum(row.new for row in rows)


def opt_out(conn: Connection, account: str, username: str, reason: str, tweet_id: str | None) -> bool:
    """Never answer this person again: recorded, open targets dropped, replies on their way cancelled. True when it is new."""
    new = conn.execute(
        text(
            "INSERT INTO reply_opt_outs (account, username, reason, tweet_id) VALUES (:account, lower(:user), :reason, :tweet) "
            "ON CONFLICT DO NOTHING RETURNING 1"
        ),
        {"account": account, "user": username, "reason": reason, "tweet": tweet_id},
    ).first()
    bound = {"account": account, "user": username}
    conn.execute(
        text(
            "UPDATE reply_targets SET state = 'dropped', state_reason = 'opted out' "
            "WHERE account = :account AND lower(target_username) = lower(:user) AND state IN ('open', 'chosen')"
        ),
        bound,
    )
    conn.execute(
        text(
            "UPDATE content_metadata SET status = 'cancelled', status_reason = 'the person opted out', updated_at = xbot_now() "
            "WHERE account = :account AND decision_type = 'reply' AND lower(target_username) = lower(:user) "
            "AND status IN ('pending', 'awaiting_approval', 'queued')"
        ),
        bound,
    )
    return new is not None


def opted_out(conn: Connection, account: str) -> set[str]:
    """Handles, lower case, that must not be answered."""
    return set(
        conn.execute(
            text("SELECT username FROM reply_opt_outs WHERE account = :account"), {"account": account}
        ).scalars()
    )


def expire(conn: Connection, account: str, max_age_minutes: float) -> int:
    """Close open targets that are too old; how many."""
    return conn.execute(
        text(
            "UPDATE reply_targets SET state = 'expired', state_reason = 'too old' WHERE account = :account AND state = 'open' "
            "AND target_posted_at < xbot_now() - make_interval(mins => cast(:minutes AS int))"
        ),
        {"account": account, "minutes": max_age_minutes},
    ).rowcount


def best(conn: Connection, account: str, limit: int) -> list[Target]:
    """Open targets nobody opted out of, best first, at most one per person, none that has a reply already."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM (SELECT DISTINCT ON (lower(target_username)) * FROM reply_targets t WHERE account = :account "
            "AND state = 'open' AND NOT EXISTS (SELECT 1 FROM reply_opt_outs o WHERE o.account = t.account AND o.username = lower(t.target_username)) "
            "AND NOT EXISTS (SELECT 1 FROM content_metadata c WHERE c.account = t.account AND c.target_tweet_id = t.target_tweet_id "
            "AND c.status NOT IN ('blocked', 'cancelled', 'expired', 'rejected')) "
            "ORDER BY lower(target_username), rank_score DESC, target_tweet_id) AS one_each ORDER BY rank_score DESC, target_tweet_id LIMIT :limit"
        ),
        {"account": account, "limit": limit},
    )
    return [Target(**row) for row in rows.mappings()]


def set_state(conn: Connection, account: str, tweet_id: str, state: str, reason: str | None = None) -> None:
    """Move a target; `chosen` means that a reply to it is written or waiting."""
    conn.execute(
        text(
            "UPDATE reply_targets SET state = :state, state_reason = :reason WHERE account = :account AND target_tweet_id = :tweet"
        ),
        {"account": account, "tweet": tweet_id, "state": state, "reason": reason},
    )


def planned_since(conn: Connection, account: str, hours: float = 24) -> int:
    """Replies planned or published within the last hours or still to come."""
    row = one(
        conn,
        "SELECT count(*) AS n FROM content_metadata WHERE account = :account AND decision_type = 'reply' AND generation_source <> 'import' "
        "AND status NOT IN ('blocked', 'cancelled', 'expired', 'rejected') AND scheduled_at > xbot_now() - make_interval(secs => :hours * 3600)",
        account=account,
        hours=hours,
    )
    return int(row.n)


def opt_outs(conn: Connection, account: str | None = None) -> list[dict[str, object]]:
    """Everybody who said stop: account, username, reason, tweet_id, created_at."""
    rows = conn.execute(
        text(
            "SELECT account, username, reason, tweet_id, created_at FROM reply_opt_outs "
            "WHERE cast(:account AS text) IS NULL OR account = :account ORDER BY account, username"
        ),
        {"account": account},
    )
    return [dict(row) for row in rows.mappings()]


def reply_decision(conn: Connection, account: str, tweet_id: str) -> UUID | None:
    """The live reply to a post, if there is one."""
    row = one(
        conn,
        "SELECT decision_id FROM content_metadata WHERE account = :account AND target_tweet_id = :tweet AND decision_type = 'reply' "
        "AND status NOT IN ('blocked', 'cancelled', 'expired', 'rejected')",
        account=account,
        tweet=tweet_id,
    )
    return row.decision_id if row else None


def due_replies(conn: Connection) -> list[DueReply]:
    """Replies to stored targets whose time has come, oldest first."""
    rows = conn.execute(
        text(
            "SELECT c.decision_id, c.account, c.target_tweet_id, t.target_text, t.target_posted_at FROM content_metadata c "
            "JOIN reply_targets t USING (account, target_tweet_id) WHERE c.status = 'queued' AND c.decision_type = 'reply' "
            "AND c.scheduled_at <= xbot_now() AND coalesce(c.not_before, '-infinity') <= xbot_now() "
            "AND t.target_posted_at IS NOT NULL AND (NOT c.approval_required OR c.approved_at IS NOT NULL) "
            "ORDER BY c.scheduled_at, c.decision_id"
        )
    )
    return [DueReply(**row) for row in rows.mappings()]


def hold(conn: Connection, decision_ids: Sequence[UUID], until: datetime) -> None:
    """Keep replies in the queue until an instant."""
    conn.execute(
        text(
            "UPDATE content_metadata SET not_before = :until, updated_at = xbot_now() WHERE decision_id = ANY(:ids) AND status = 'queued'"
        ),
        {"ids": list(decision_ids), "until": until},
    )
