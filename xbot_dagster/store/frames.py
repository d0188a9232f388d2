"""Training frames: an account's posts with their final outcomes and features, as columns, through ADBC and Arrow.

A frame is read on a connection of its own; nothing that another transaction has not committed is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from xbot_dagster.errors import DatabaseError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

# The final pass alone: a first pass after an hour counts another thing. An imported outcome was known a day after its post.
_FRAME = """
SELECT p.decision_id::text AS decision_id, p.text, c.decision_type, c.arm, c.topic, c.hook_pattern, p.posted_at,
       CASE WHEN c.generation_source = 'import' THEN p.posted_at ELSE least(c.created_at, p.posted_at) END AS planned_at,
       CASE WHEN o.source = 'import' THEN p.posted_at + interval '24 hours' ELSE o.collected_at END AS collected_at,
       o.impressions, o.engagements, o.likes, o.retweets, o.replies, o.profile_visits, o.link_clicks, o.follows, f.packed
FROM posted_decisions p
JOIN content_metadata c ON c.decision_id = p.decision_id AND c.simulated = p.simulated
LEFT JOIN outcomes o ON o.decision_id = p.decision_id AND o.account = {account} AND o.simulated = {simulated}
    AND o.collected_pass = 2 AND o.read_status = 'ok' AND NOT o.late AND o.impressions IS NOT NULL
    AND CASE WHEN o.source = 'import' THEN p.posted_at + interval '24 hours' ELSE o.collected_at END <= {as_of}
LEFT JOIN post_features f ON f.decision_id = p.decision_id AND f.feature_version = {feature_version}
WHERE p.account = {account} AND p.simulated = {simulated} AND p.posted_at <= {as_of} AND p.posted_at > {since}
ORDER BY p.posted_at, p.decision_id
"""
_NAMES = """
SELECT key FROM (SELECT features FROM post_features WHERE account = {account} AND feature_version = {feature_version}
                 ORDER BY decision_id LIMIT 1) AS sample, jsonb_object_keys(features) WITH ORDINALITY AS k(key, place)
ORDER BY place
"""


@dataclass(frozen=True)
class FrameQuery:
    """Which posts: published after `since` (None: all) and by `as_of`, with what was known of them by `as_of`."""

    account: str
    simulated: bool
    as_of: datetime
    feature_version: str
    since: datetime | None = None


def training_frame(engine: Engine, query: FrameQuery) -> pd.DataFrame:
    """One row per post, oldest first, in the form that `domain.learning.predictors_frame` describes.

    Posts without an outcome are in it (they tell the posting pace), their counts null. Feature columns are there when
    every post has features of the version asked for.
    """
    table, names = training_table(engine, query)
    frame = table.drop_columns(["packed"]).to_pandas()
    matrix = unpack(table.column("packed"), len(names))
    if matrix is None:
        return frame
    import pandas as pd

    features = pd.DataFrame(matrix, columns=pd.Index(names), index=frame.index)
    return pd.concat([frame, features.drop(columns=[name for name in names if name in frame.columns])], axis=1)


def training_table(engine: Engine, query: FrameQuery) -> tuple[pa.Table, list[str]]:
    """The same as an Arrow table whose column `packed` holds the features, and the names of those."""
    values = {
        "account": query.account,
        "simulated": query.simulated,
        "as_of": query.as_of,
        "since": query.since,
        "feature_version": query.feature_version,
    }
    with _connected(engine) as connection, connection.cursor() as cursor:
        cursor.execute(_filled(_NAMES, values))
        names = cursor.fetch_arrow_table().column("key").to_pylist()
        # A whole history is joined and sorted in memory, or it would be written to disk and read again several times.
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute(_filled(_FRAME, values))
        return cursor.fetch_arrow_table(), names


def unpack(packed: pa.ChunkedArray, width: int) -> np.ndarray | None:
    """float32 of shape (rows, width) from packed rows; None when a row has none or another width."""
    import numpy as np

    if width == 0 or packed.null_count or len(packed) == 0:
        return None
    parts = []
    for chunk in packed.chunks:
        _, offsets, values = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if (np.diff(bounds) != 4 * width).any():
            return None
        raw = (
            np.frombuffer(values, ">f4", count=width * len(chunk), offset=int(bounds[0])) if len(chunk) else np.empty(0)
        )
        parts.append(raw.astype(np.float32).reshape(-1, width))
    return np.concatenate(parts)


def _filled(query: str, values: dict[str, Any]) -> str:
    """The query with its values as quoted literals: the driver's bulk path takes no parameters."""
    from psycopg import sql

    literals = {
        name: sql.SQL("'-infinity'::timestamptz") if value is None else sql.Literal(value)
        for name, value in values.items()
    }
    return sql.SQL(query).format(**literals).as_string(None)  # pyright: ignore[reportArgumentType]


def _connected(engine: Engine) -> Any:
    from adbc_driver_manager import Error
    from adbc_driver_postgresql import dbapi

    try:
        return dbapi.connect(_libpq(engine.url))
    except Error as error:
        reason = str(error).splitlines()[0]
        raise DatabaseError(f"The training data cannot be read: {reason}.", "Check DATABASE_URL.") from None


def _libpq(url: URL) -> str:
    """The engine's address as libpq reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
