"""Taking content out of the database on request. Rows that others build on stay, emptied of what was said and by whom."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

REMOVED = "[removed on request]"
NOBODY = "removed"
_OPEN = "('pending', 'awaiting_approval', 'queued', 'needs_human')"


@dataclass(frozen=True)
class OwnPost:
    """A post of ours: its decision and what other places know it by."""

    decision_id: UUID
    account: str
    text: str
    candidate_id: UUID | None
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class TheirPost:
    """A post of somebody else that we kept as a possible target of a reply."""

    account: str
    text: str


_MONTH_OF_POST = "DELETE FROM training_months m USING posted_decisions p WHERE m.account = p.account AND m.month = date_trunc('month', p.posted_at, 'UTC')"
# Every place where a decision's words are kept, with how they are taken out.
_OWN = {
    "training_months": f"{_MONTH_OF_POST} AND p.decision_id = :id",
    "content_metadata": "UPDATE content_metadata SET text = :removed, embedding = NULL, embedder = NULL, content_hash = NULL, "
    "updated_at = xbot_now() WHERE decision_id = :id",
    "posted_decisions": "UPDATE posted_decisions SET text = :removed, next_pass = NULL, next_due_at = NULL, "
    "last_read_status = 'purged' WHERE decision_id = :id",
    "decision_parts": "UPDATE decision_parts SET text = :removed WHERE decision_id = :id",
    "decision_media": "DELETE FROM decision_media WHERE decision_id = :id",
    "drafts": "DELETE FROM drafts WHERE decision_id = :id",
    "draft_edits": "DELETE FROM draft_edits WHERE decision_id = :id",
    "gate_verdicts": "UPDATE gate_verdicts SET reason = NULL WHERE decision_id = :id AND reason IS NOT NULL",
    "posting_attempts": "UPDATE posting_attempts SET evidence = '{}', error = NULL WHERE decision_id = :id",
    "outcome_quarantine": "DELETE FROM outcome_quarantine WHERE decision_id = :id",
    "post_features": "DELETE FROM post_features WHERE decision_id = :id",
    "alerts": "UPDATE alerts SET message = :removed WHERE EXISTS (SELECT FROM (SELECT tweet_id FROM posted_decisions WHERE decision_id = :id "
    "UNION SELECT tweet_id FROM decision_parts WHERE decision_id = :id) t WHERE t.tweet_id IS NOT NULL "
    "AND (alerts.subject = t.tweet_id OR position(t.tweet_id IN alerts.message) > 0))",
}
_PEOPLE = {
    "training_months": f"{_MONTH_OF_POST} AND p.text ~* :mention",
    "reply_targets": "DELETE FROM reply_targets WHERE lower(target_username) = lower(:handle)",
    "cancelled_replies": "UPDATE content_metadata SET status = 'cancelled', status_reason = 'removed on request', updated_at = xbot_now() "
    f"WHERE lower(target_username) = lower(:handle) AND status IN {_OPEN}",
    "content_metadata": "UPDATE content_metadata SET target_username = :nobody, text = regexp_replace(text, :mention, '@removed', 'gi'), "
    "updated_at = xbot_now() WHERE lower(target_username) = lower(:handle) OR text ~* :mention",
    "posted_decisions": "UPDATE posted_decisions SET text = regexp_replace(text, :mention, '@removed', 'gi') WHERE text ~* :mention",
    "decision_parts": "UPDATE decision_parts SET text = regexp_replace(text, :mention, '@removed', 'gi') WHERE text ~* :mention",
    "drafts": "UPDATE drafts SET parts = CAST(regexp_replace(CAST(parts AS text), :mention, '@removed', 'gi') AS jsonb) "
    "WHERE CAST(parts AS text) ~* :mention",
    "draft_edits": "DELETE FROM draft_edits WHERE CAST(before AS text) ~* :mention OR CAST(after AS text) ~* :mention",
    "alerts": "UPDATE alerts SET message = :removed WHERE message ~* :mention",
}
_THEIRS = {
    "reply_targets": "DELETE FROM reply_targets WHERE target_tweet_id = :tweet",
    "cancelled_replies": "UPDATE content_metadata SET status = 'cancelled', status_reason = 'removed on request', updated_at = xbot_now() "
    f"WHERE target_tweet_id = :tweet AND status IN {_OPEN}",
    "content_metadata": "UPDATE content_metadata SET target_username = :nobody, updated_at = xbot_now() WHERE target_tweet_id = :tweet",
    "alerts": "UPDATE alerts SET message = :removed WHERE position(:tweet IN message) > 0 OR subject = :tweet",
}


def own_post(conn: Connection, tweet_id: str) -> OwnPost | None:
    """The post of ours with that id, also when it is a later part of a thread."""
    row = conn.execute(
        text(
            "SELECT c.decision_id, c.account, c.text, c.candidate_id, c.content_hash, k.content_hash FROM content_metadata c "
            "LEFT JOIN content_candidates k USING (candidate_id) WHERE c.tweet_id = :tweet OR c.decision_id IN "
            "(SELECT decision_id FROM decision_parts WHERE tweet_id = :tweet UNION "
            "SELECT decision_id FROM posted_decisions WHERE tweet_id = :tweet)"
        ),
        {"tweet": tweet_id},
    ).first()
    return OwnPost(row[0], row[1], row[2], row[3], tuple(h for h in row[4:] if h)) if row else None


def parts_of(conn: Connection, decision_id: UUID) -> list[str]:
    """The texts of a decision's parts."""
    rows = conn.execute(
        text("SELECT text FROM decision_parts WHERE decision_id = :id ORDER BY part"), {"id": decision_id}
    )
    return list(rows.scalars())


def their_posts(conn: Connection, *, tweet_id: str = "", handle: str = "") -> list[TheirPost]:
    """Kept posts of other people: one by id, or all of one person."""
    rows = conn.execute(
        text(
            "SELECT account, target_text FROM reply_targets WHERE target_tweet_id = :tweet OR lower(target_username) = lower(:handle)"
        ),
        {"tweet": tweet_id, "handle": handle},
    )
    return [TheirPost(*row) for row in rows]


def is_own_handle(conn: Connection, handle: str) -> bool:
    return bool(
        conn.execute(text("SELECT 1 FROM accounts WHERE lower(handle) = lower(:handle)"), {"handle": handle}).first()
    )


def remove_own(conn: Connection, decision_id: UUID) -> dict[str, int]:
    """Empty every place that keeps the words of a decision; rows touched by table. Counts of its outcomes stay."""
    return _apply(conn, _OWN, {"id": decision_id, "removed": REMOVED})


def remove_theirs(conn: Connection, tweet_id: str) -> dict[str, int]:
    """Remove a post of somebody else; replies to it that are still open are cancelled."""
    return _apply(conn, _THEIRS, {"tweet": tweet_id, "nobody": NOBODY, "removed": REMOVED})


def remove_person(conn: Connection, handle: str) -> dict[str, int]:
    """Remove what somebody else said, and their name; an opt-out of theirs stays, or they would be answered again."""
    mention = rf"@{handle}\M"
    return _apply(conn, _PEOPLE, {"handle": handle, "mention": mention, "nobody": NOBODY, "removed": REMOVED})


def _apply(conn: Connection, statements: dict[str, str], parameters: dict[str, object]) -> dict[str, int]:
    touched = {}
    for table, sql in statements.items():
        statement = text(sql)
        wanted = {name: value for name, value in parameters.items() if f":{name}" in sql}
        touched[table] = conn.execute(statement, wanted).rowcount
    return {table: count for table, count in touched.items() if count}
