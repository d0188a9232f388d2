"""What the duplicate and rotation gates must know of a text, in one round trip: an equal text, the nearest one, its topic's share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from xbot_dagster.domain.content.duplicate import WINDOW_DAYS as DUPLICATE_DAYS
from xbot_dagster.domain.content.duplicate import Nearest
from xbot_dagster.domain.content.rotation import WINDOW_DAYS as ROTATION_DAYS
from xbot_dagster.domain.content.rotation import TopicCount
from xbot_dagster.store.decisions import SAID, vector_text


@dataclass(frozen=True)
class GateFacts:
    """`exact`: the decision with the same text; `nearest` None: no earlier text of this embedder, or no vector to compare."""

    exact: str | None
    nearest: Nearest | None
    topics: TopicCount


_IN_WINDOW: Final = (
    f"decision_id <> :id AND status IN {SAID} "
    f"AND coalesce(scheduled_at, created_at) > xbot_now() - interval '{DUPLICATE_DAYS} days'"
)
# The HNSW index, of half-precision numbers; its iterative scan (set with the connection) goes on until a row passes the filters.
_NEAREST: Final = (
    "(SELECT decision_id, 1 - (embedding <=> cast(:vector AS vector)) AS similarity FROM content_metadata "
    f"WHERE embedding IS NOT NULL AND embedder = :embedder AND {_IN_WINDOW} "
    "ORDER BY embedding::halfvec(256) <=> cast(:vector AS halfvec(256)) LIMIT 1)"
)
_NONE: Final = "(SELECT NULL::uuid AS decision_id, NULL::float8 AS similarity)"


def _query(nearest: str) -> str:
    return (
        f"SELECT (SELECT decision_id FROM content_metadata WHERE content_hash = :hash AND {_IN_WINDOW} LIMIT 1) AS exact, "
        "near.decision_id AS near, near.similarity, week.of_topic, week.of_all, (SELECT count(DISTINCT t) FROM ("
        "SELECT topic AS t FROM content_candidates WHERE account = :account AND state = 'fresh' UNION SELECT cast(:topic AS text)) AS topics"
        ") AS available FROM (SELECT count(*) FILTER (WHERE topic = :topic) AS of_topic, count(*) AS of_all FROM content_metadata "
        f"WHERE account = :account AND decision_id <> :id AND status IN {SAID} AND decision_type IN ('single', 'thread') "
        f"AND scheduled_at > xbot_now() - interval '{ROTATION_DAYS} days') AS week LEFT JOIN {nearest} AS near ON true"
    )


_WITH_VECTOR: Final = text(_query(_NEAREST))
_WITHOUT: Final = text(_query(_NONE))


def read(
    conn: Connection,
    *,
    decision_id: UUID,
    account: str,
    topic: str,
    content_hash: str,
    embedder: str,
    vector: Sequence[float] | None,
) -> GateFacts:
    """The facts about one text. Texts of all accounts count, said or to be said within the window; never the decision itself."""
    bound = {"id": decision_id, "account": account, "topic": topic, "hash": content_hash}
    if vector is None:
        row = conn.execute(_WITHOUT, bound).one()
    else:
        row = conn.execute(_WITH_VECTOR, {**bound, "embedder": embedder, "vector": vector_text(vector)}).one()
    return GateFacts(
        exact=str(row.exact) if row.exact is not None else None,
        nearest=Nearest(min(1.0, max(-1.0, float(row.similarity))), str(row.near)) if row.near is not None else None,
        topics=TopicCount(int(row.of_topic), int(row.of_all), int(row.available)),
    )
