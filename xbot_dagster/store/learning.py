"""What learners read and what they have read: the contract join decision → posted → best outcome, and the ledger.

A row is *learnable* when its read succeeded in time (`read_status` ok, not late), somebody saw the post, at least one
count was measured, and every table agrees that it belongs to the family asked for. Of a post's two passes only the best
counts. Replies live in other people's threads and are left to the predictors.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.errors import Conflict
from xbot_dagster.store.bulk import stage

# Writers stamp a row with the start of their transaction; one that lasts longer than this would be missed.
LONGEST_TRANSACTION = "interval '1 day'"

_LEARNABLE = """
    o.simulated = :simulated AND o.collected_pass IN (1, 2) AND o.read_status = 'ok' AND NOT o.late
    AND o.impressions >= 1 AND coalesce(o.follows, o.retweets, o.replies) IS NOT NULL
"""
_CONTRACT = f"""
    WITH fresh AS (
        SELECT DISTINCT decision_id FROM outcomes
        WHERE account = :account AND updated_at > least(cast(:since AS timestamptz), xbot_now()) - {LONGEST_TRANSACTION}
    ), best AS (
        SELECT DISTINCT ON (o.decision_id) o.* FROM outcomes o JOIN fresh USING (decision_id)
        WHERE {_LEARNABLE} ORDER BY o.decision_id, o.collected_pass DESC
    )
    SELECT o.decision_id, o.collected_pass, c.arm, extract(hour FROM p.posted_at AT TIME ZONE a.zone)::int AS hour,
           p.posted_at, o.impressions, o.follows, o.retweets, o.replies, c.topic, c.hook_pattern, c.novelty, o.simulated
    FROM best o
    JOIN posted_decisions p ON p.decision_id = o.decision_id AND p.account = o.account AND p.simulated = o.simulated
    JOIN content_metadata c ON c.decision_id = o.decision_id AND c.account = o.account AND c.simulated = o.simulated
    JOIN accounts a ON a.account = o.account
    WHERE c.decision_type IN ('single', 'thread') AND p.posted_at <= xbot_now()
    AND NOT EXISTS (
        SELECT 1 FROM learning_ledger l WHERE l.decision_id = o.decision_id AND l.collected_pass = o.collected_pass
        AND l.learner = :learner AND l.learner_version = :learner_version)
"""


@dataclass(frozen=True)
class Learnable:
    """One post as the policies learn it. `hour` of publication in the account's zone; counts None when not measured."""

    decision_id: UUID
    collected_pass: int
    arm: str | None
    hour: int
    posted_at: datetime
    impressions: int
    follows: int | None
    retweets: int | None
    replies: int | None
    topic: str | None
    hook_pattern: str | None
    novelty: float | None
    simulated: bool


@dataclass(frozen=True)
class MeasuredPost:
    """Counts of a post's best outcome, for references and medians."""

    impressions: int
    follows: int | None
    retweets: int | None
    replies: int | None
    likes: int | None


def unlearned(
    conn: Connection, account: str, learner: str, learner_version: str, *, since: datetime | None, simulated: bool
) -> list[Learnable]:
    """Learnable rows this learner version was not offered yet, in order of posting.

    `since`: its last learning; rows written long before it (or before now, when the clock went back) need no second
    look. None looks at everything.
    """
    rows = conn.execute(
        text(f"{_CONTRACT} ORDER BY p.posted_at, o.decision_id"),
        _asked(account, learner, learner_version, since, simulated),
    )
    return [Learnable(**row) for row in rows.mappings()]


def has_unlearned(
    conn: Connection, account: str, learner: str, learner_version: str, *, since: datetime | None, simulated: bool
) -> bool:
    """Whether `unlearned` would return anything."""
    found = conn.execute(
        text(f"SELECT EXISTS ({_CONTRACT})"), _asked(account, learner, learner_version, since, simulated)
    )
    return bool(found.scalar())


def _asked(account: str, learner: str, learner_version: str, since: datetime | None, simulated: bool) -> dict[str, Any]:
    return {
        "account": account,
        "learner": learner,
        "learner_version": learner_version,
        "since": since if since is not None else "-infinity",
        "simulated": simulated,
    }


def record_learned(
    conn: Connection,
    account: str,
    learner: str,
    learner_version: str,
    rows: Iterable[tuple[UUID, int, str | None]],
) -> int:
    """Enter (decision, pass, why it was skipped or None) into the ledger; returns how many rows.

    Raises Conflict when one of them is there already: then another process learned it, and this transaction must not.
    """
    entered = list(rows)
    if not entered:
        return 0
    columns = {"decision_id": "uuid", "collected_pass": "int2", "skipped": "text"}
    table = stage(conn, "ledger", columns, entered)
    written = conn.execute(
        text(
            "INSERT INTO learning_ledger "
            "(decision_id, collected_pass, skipped, learner, learner_version, account, learned_at) "
            "SELECT decision_id, collected_pass, skipped, :learner, :learner_version, :account, xbot_now() "
            f"FROM {table} ORDER BY decision_id, collected_pass ON CONFLICT DO NOTHING"
        ),
        {"learner": learner, "learner_version": learner_version, "account": account},
    ).rowcount
    if written != len(entered):
        raise Conflict("Another process has just learned from the same outcomes.", "Run: xbot learn")
    return written


def learnable_posts(conn: Connection, *, simulated: bool, up_to: int) -> int:
    """How many posts of the family have a learnable outcome, counting no further than `up_to`."""
    found = conn.execute(
        text(
            "SELECT count(*) FROM "
            f"(SELECT DISTINCT o.decision_id FROM outcomes o WHERE {_LEARNABLE} LIMIT :up_to) AS posts"
        ),
        {"simulated": simulated, "up_to": up_to},
    )
    return int(found.scalar_one())


def family_is_simulated(conn: Connection) -> bool:
    """Whether this database belongs to the sandbox family; only rows with this mark are ever learned here."""
    return conn.execute(text("SELECT family = 'sandbox' FROM deployment")).scalar_one()


def final_outcomes(
    conn: Connection, account: str, *, simulated: bool, up_to: int, written_after: datetime | None = None
) -> int:
    """How many final outcomes predictors can learn from, replies included, counting no further than `up_to`.

    `written_after` counts only those stored since then: a version's own time of making is when it read the others.
    """
    found = conn.execute(
        text(
            "SELECT count(*) FROM (SELECT 1 FROM outcomes WHERE account = :account AND simulated = :simulated "
            "AND updated_at > cast(:since AS timestamptz) AND collected_pass = 2 AND read_status = 'ok' AND NOT late "
            "AND impressions IS NOT NULL LIMIT :up_to) AS finals"
        ),
        {"account": account, "simulated": simulated, "since": written_after or "-infinity", "up_to": up_to},
    )
    return int(found.scalar_one())


def deployment_seed(conn: Connection) -> int:
    """The seed every random draw of this deployment starts from."""
    return int(conn.execute(text("SELECT seed FROM deployment")).scalar_one())


def now(conn: Connection) -> datetime:
    """The time of this transaction's clock."""
    return conn.execute(text("SELECT xbot_now()")).scalar_one()


def posts_published(conn: Connection, account: str, *, up_to: int) -> int:
    """How many posts the account has published, counting no further than `up_to`."""
    found = conn.execute(
        text("SELECT count(*) FROM (SELECT 1 FROM posted_decisions WHERE account = :account LIMIT :up_to) AS posts"),
        {"account": account, "up_to": up_to},
    )
    return int(found.scalar_one())


def first_outcome_at(conn: Connection, *, simulated: bool) -> datetime | None:
    """When the family collected its first outcome of its own posts; an imported history was not explored by us."""
    return conn.execute(
        text(
            "SELECT min(first) FROM accounts a CROSS JOIN LATERAL (SELECT o.collected_at AS first FROM outcomes o "
            "WHERE o.account = a.account AND o.simulated = :simulated AND o.collected_pass IN (1, 2) "
            "AND o.read_status = 'ok' AND o.source <> 'import' ORDER BY o.collected_at LIMIT 1) AS firsts"
        ),
        {"simulated": simulated},
    ).scalar()


def measured_posts(conn: Connection, account: str, *, since: datetime, simulated: bool) -> list[MeasuredPost]:
    """Best learnable outcomes of posts (not replies) published after `since`, in order of publication."""
    rows = conn.execute(
        text(
            "SELECT impressions, follows, retweets, replies, likes FROM ("
            "SELECT DISTINCT ON (o.decision_id) o.*, p.posted_at FROM posted_decisions p "
            "JOIN outcomes o USING (decision_id) JOIN content_metadata c USING (decision_id) "
            "WHERE p.account = :account AND p.posted_at > :since AND c.decision_type IN ('single', 'thread') "
            f"AND {_LEARNABLE} ORDER BY o.decision_id, o.collected_pass DESC) AS best ORDER BY posted_at, decision_id"
        ),
        {"account": account, "since": since, "simulated": simulated},
    )
    return [MeasuredPost(**row) for row in rows.mappings()]


@dataclass(frozen=True)
class RecentPost:
    """A published post and how far it has come in the loop. `reward` is `norm_v1` of its best pass, in [0, 1]."""

    decision_id: UUID
    posted_at: datetime
    arm: str | None
    pass1: bool
    pass2: bool
    learned: bool
    impressions: int | None
    reward: float | None


def recent_posts(conn: Connection, account: str, *, since: datetime) -> list[RecentPost]:
    """Posts published after `since`, newest first."""
    rows = conn.execute(
        text(
            "SELECT p.decision_id, p.posted_at, c.arm, bool_or(o.collected_pass = 1 AND o.read_status = 'ok') IS TRUE AS pass1, "
            "bool_or(o.collected_pass = 2 AND o.read_status = 'ok') IS TRUE AS pass2, "
            "EXISTS (SELECT 1 FROM learning_ledger l WHERE l.decision_id = p.decision_id AND l.skipped IS NULL) AS learned, "
            "(array_agg(o.impressions ORDER BY o.collected_pass DESC))[1] AS impressions, "
            "(SELECT r.reward FROM outcome_rewards r WHERE r.decision_id = p.decision_id AND r.reward_version = 'norm_v1' "
            "ORDER BY r.collected_pass DESC LIMIT 1) AS reward "
            "FROM posted_decisions p JOIN content_metadata c USING (decision_id) LEFT JOIN outcomes o USING (decision_id) "
            "WHERE p.account = :account AND p.posted_at > :since GROUP BY p.decision_id, c.arm ORDER BY p.posted_at DESC"
        ),
        {"account": account, "since": since},
    )
    return [RecentPost(**row) for row in rows.mappings()]
