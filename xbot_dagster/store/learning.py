"""What learners read and what they have read: the contract join decision → posted → best outcome, and the ledger.

A row is *learnable* when its read succeeded in time (`read_status` ok, not late), somebody saw the post, at least one
count was measured, and every table agrees that it belongs to the family asked for. Of a post's two passes only the best
counts. Replies live in other people's threads and are left to the predictors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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


def _contract(account: str, learner: str, version: str, since: str) -> str:
    """The join, for one account and learner; the arguments are SQL expressions, `since` of type timestamptz."""
    return f"""
    WITH fresh AS (
        SELECT DISTINCT decision_id FROM outcomes
        WHERE account = {account} AND updated_at > least({since}, xbot_now()) - {LONGEST_TRANSACTION}
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
        AND l.learner = {learner} AND l.learner_version = {version})
    """


_UNLEARNED = text(
    _contract(":account", ":learner", ":learner_version", "cast(:since AS timestamptz)")
    + " ORDER BY p.posted_at, o.decision_id"
)
_ANY_UNLEARNED = text(
    "SELECT mine.account FROM accounts mine CROSS JOIN unnest(cast(:learners AS text[]), cast(:versions AS text[])) AS taught (learner, version) "
    "LEFT JOIN bandit_arms head ON head.account = mine.account AND head.scope = 'policy' AND head.arm_name = taught.learner "
    "WHERE mine.enabled AND EXISTS ("
    + _contract(
        "mine.account",
        "taught.learner",
        "coalesce(head.learner_version, taught.version)",
        "coalesce(head.last_updated, '-infinity')",
    )
    + ") LIMIT 1"
)


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
        _UNLEARNED,
        {
            "account": account,
            "learner": learner,
            "learner_version": learner_version,
            "since": since if since is not None else "-infinity",
            "simulated": simulated,
        },
    )
    return [Learnable(**row) for row in rows.mappings()]


def any_unlearned(conn: Connection, first_versions: Mapping[str, str], *, simulated: bool) -> str | None:
    """An enabled account for which `unlearned` would return something, or None.

    `first_versions`: by learner, the version it learns as where it never learned.
    """
    found = conn.execute(
        _ANY_UNLEARNED,
        {"learners": list(first_versions), "versions": list(first_versions.values()), "simulated": simulated},
    )
    return found.scalar()


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


_FINAL = "collected_pass = 2 AND read_status = 'ok' AND NOT late AND impressions IS NOT NULL"
_TRAINABLE = text(
    "SELECT mine.account, kinds.kind FROM accounts mine CROSS JOIN unnest(cast(:kinds AS text[])) WITH ORDINALITY AS kinds (kind, place) "
    "LEFT JOIN LATERAL (SELECT created_at FROM predictor_versions v WHERE v.account = mine.account AND v.kind = kinds.kind "
    "AND v.state <> 'backtest' ORDER BY created_at DESC LIMIT 1) AS newest ON true "
    "CROSS JOIN LATERAL (SELECT CASE WHEN newest.created_at IS NULL THEN cast(:least AS int) "
    "WHEN xbot_now() - newest.created_at >= cast(:again AS interval) THEN 1 ELSE cast(:new AS int) END AS needed) AS asked "
    "WHERE mine.enabled AND asked.needed <= (SELECT count(*) FROM (SELECT 1 FROM outcomes o WHERE o.account = mine.account "
    f"AND o.simulated = :simulated AND o.updated_at > coalesce(newest.created_at, '-infinity') AND {_FINAL} LIMIT asked.needed) AS finals) "
    "ORDER BY mine.account, kinds.place"
)


def trainable(
    conn: Connection, kinds: Sequence[str], *, least: int, new: int, again: timedelta, simulated: bool
) -> list[tuple[str, str]]:
    """(account, kind) of enabled accounts that deserve a predictor version.

    That is: `least` final outcomes where there is none; `new` written since the last one was made, or any once it is `again` old.
    Replies count; a version's own time of making is when it read the others.
    """
    rows = conn.execute(
        _TRAINABLE, {"kinds": list(kinds), "least": least, "new": new, "again": again, "simulated": simulated}
    )
    return [(row.account, row.kind) for row in rows]


def final_outcomes(conn: Connection, account: str, *, simulated: bool, up_to: int, written_after: datetime) -> int:
    """How many final outcomes were written since, replies included, counting no further than `up_to`."""
    found = conn.execute(
        text(
            "SELECT count(*) FROM (SELECT 1 FROM outcomes WHERE account = :account AND simulated = :simulated "
            f"AND updated_at > :since AND {_FINAL} LIMIT :up_to) AS finals"
        ),
        {"account": account, "simulated": simulated, "since": written_after, "up_to": up_to},
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
