"""Training frames: an account's posts with their final outcomes and features, as columns, through ADBC and Arrow.

A frame is one snapshot of the database, read on a connection of its own; nothing that another transaction has not committed
is in it. Months that `keep_months` has put aside are loaded as they were put, the others joined from their tables: the same
rows either way (migration 0018 says how a kept month learns that it is out of date).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from xbot_dagster.errors import DatabaseError
from xbot_dagster.store.engine import trouble_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

log = logging.getLogger("xbot")
_Item = TypeVar("_Item")
_Found = TypeVar("_Found")

# The final pass alone: a first pass after an hour counts another thing. An imported outcome was known a day after its post.
_ROWS = """
SELECT p.decision_id::text AS decision_id, p.text, c.decision_type, c.arm, c.topic, c.hook_pattern, p.posted_at,
       CASE WHEN c.generation_source = 'import' THEN p.posted_at ELSE least(c.created_at, p.posted_at) END AS planned_at,
       CASE WHEN o.source = 'import' THEN p.posted_at + interval '24 hours' ELSE o.collected_at END AS collected_at,
       o.impressions, o.engagements, o.likes, o.retweets, o.replies, o.profile_visits, o.link_clicks, o.follows, f.packed
FROM posted_decisions p
JOIN content_metadata c ON c.decision_id = p.decision_id AND c.simulated = p.simulated
LEFT JOIN outcomes o ON o.decision_id = p.decision_id AND o.account = {account} AND o.simulated = {simulated}
    AND o.collected_pass = 2 AND o.read_status = 'ok' AND NOT o.late AND o.impressions IS NOT NULL
LEFT JOIN post_features f ON f.decision_id = p.decision_id AND f.feature_version = {feature_version}
WHERE p.account = {account} AND p.simulated = {simulated} AND p.posted_at >= {low} AND p.posted_at < {high}
ORDER BY p.posted_at, p.decision_id
"""
_NAMES = """
SELECT key FROM (SELECT features FROM post_features WHERE account = {account} AND feature_version = {feature_version}
                 ORDER BY posted_day LIMIT 1) AS sample, jsonb_object_keys(features) WITH ORDINALITY AS k(key, place)
ORDER BY place
"""
_UP_TO_DATE = """
SELECT {columns} FROM training_months m WHERE m.account = {account} AND m.simulated = {simulated}
AND m.feature_version = {feature_version} AND m.layout = {layout} AND m.month >= {first} AND m.month <= {last}
AND NOT EXISTS (SELECT FROM training_changes n WHERE n.account = m.account AND n.simulated = m.simulated AND n.month = m.month)
ORDER BY m.month
"""
_FIRST_POST = "SELECT min(posted_at) AS at FROM posted_decisions WHERE account = {account} AND simulated = {simulated}"
_MEASURED = (
    "collected_at", "impressions", "engagements", "likes", "retweets", "replies", "profile_visits", "link_clicks", "follows",
)  # fmt: skip
_COLUMNS = 1  # what `_ROWS` selects: to be raised with it, or months of the old columns would meet new ones
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
# A month is put aside when its last post is so old that its outcomes are in; what comes later is noted and read all the same.
_OVER_AFTER = timedelta(days=31)
_MONTHS_AT_ONCE = 12
_ALREADY_DONE = "40001"  # serialization_failure: another training keeps the same months


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
    import pandas as pd
    import pyarrow as pa

    bare: list[pa.Table] = []
    packed: list[np.ndarray | None] = []
    with _snapshot(engine, query) as reader:
        # Month by month, so that what is unpacked of one makes room for the next: memory is what a long history costs most.
        for part in reader.posts():
            known = _as_known(part, query)
            wanted = [place for place, name in enumerate(reader.names) if name not in known.column_names]
            packed.append(unpack(known.column("packed"), reader.width, wanted))
            bare.append(known.drop_columns(["packed"]))
        frame = pa.concat_tables(bare).to_pandas()
        features = _features(packed, [name for name in reader.names if name not in frame.columns])
    return frame if features is None else pd.concat([frame, features], axis=1)


def keep_months(engine: Engine, query: FrameQuery) -> int:
    """Put the months aside that were over by `query.as_of` and are not kept, or no longer up to date; returns how many."""
    from adbc_driver_manager import Error

    last, kept = _month_of(_month_of(query.as_of - _OVER_AFTER) - timedelta(days=1)), 0
    while True:
        try:
            with _snapshot(engine, query) as reader:
                missing = reader.missing(last)[:_MONTHS_AT_ONCE]
                reader.keep(missing)
        except Error as error:
            if error.sqlstate == _ALREADY_DONE:
                return kept
            raise
        kept += len(missing)
        if len(missing) < _MONTHS_AT_ONCE:
            return kept


def unpack(packed: pa.ChunkedArray, width: int, wanted: Sequence[int]) -> np.ndarray | None:
    """float32 of shape (rows, len(wanted)) from packed rows of `width`; None when a row has none or another width."""
    import numpy as np

    if width == 0 or packed.null_count:
        return None
    matrix, row = np.empty((len(packed), len(wanted)), np.float32), 0
    for chunk in packed.chunks:
        if len(chunk) == 0:
            continue
        _, offsets, values = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if (np.diff(bounds) != 4 * width).any():
            return None
        raw = np.frombuffer(values, ">f4", count=width * len(chunk), offset=int(bounds[0]))
        matrix[row : row + len(chunk)] = raw.reshape(-1, width)[:, wanted]
        row += len(chunk)
    return matrix


def _features(parts: Sequence[np.ndarray | None], names: Sequence[str]) -> pd.DataFrame | None:
    """The parts below each other; None when one is missing or all are empty."""
    import numpy as np
    import pandas as pd

    found = [part for part in parts if part is not None]
    if len(found) < len(parts) or not sum(map(len, found)):
        return None
    return pd.DataFrame(np.concatenate(found), columns=pd.Index(names), copy=False)


class _Reader:
    """One snapshot of the database, and what an account's months are in it."""

    def __init__(self, cursor: Any, query: FrameQuery) -> None:
        self._cursor, self._query, self._one_at_a_time = cursor, query, Lock()
        self._layout = ""
        self.names: list[str] = self._table(_NAMES).column("key").to_pylist()
        self.width = len(self.names)
        self._layout = f"{_COLUMNS} {','.join(self.names)}"

    def posts(self) -> Iterator[pa.Table]:
        """All posts the query may ask for, oldest first, in parts, whatever is known of them."""
        low = self._query.since + timedelta(microseconds=1) if self._query.since is not None else _BEGINNING
        high = self._query.as_of + timedelta(microseconds=1)
        months, done = self._up_to_date(_month_of(low), _month_of(high)), low
        batches = [months[place : place + _MONTHS_AT_ONCE] for place in range(0, len(months), _MONTHS_AT_ONCE)]
        for some, payloads in zip(batches, _ahead(self._payloads, batches), strict=True):
            for month, payload in zip(some, payloads, strict=True):
                if month > done:
                    yield self._joined(done, month)
                yield self._unpacked(month, payload)
                done = _after(month)
        if done < high:
            yield self._joined(done, high)

    def missing(self, last: datetime) -> list[datetime]:
        """Starts of the months from the first post to `last` that are not kept, or not up to date."""
        first = self._table(_FIRST_POST).column("at")[0].as_py()
        if first is None:
            return []
        month, kept, months = _month_of(first), set(self._up_to_date(_month_of(first), last)), []
        while month <= last:
            if month not in kept:
                months.append(month)
            month = _after(month)
        return months

    def keep(self, months: Sequence[datetime]) -> None:
        """Put `months` aside; the notes on them go with the snapshot that has seen what they say."""
        import pyarrow as pa

        if not months:
            return
        payloads = [_stream(self._joined(month, _after(month))) for month in months]
        days = [month.date() for month in months]
        for table in ("training_changes", "training_months"):
            self._run(
                f"DELETE FROM {table} WHERE account = {{account}} AND simulated = {{simulated}} AND month = ANY({{days}}::date[])",
                days=days,
            )
        query = self._query
        rows = pa.table(
            {
                "account": [query.account] * len(days),
                "simulated": [query.simulated] * len(days),
                "feature_version": [query.feature_version] * len(days),
                "month": pa.array(days, pa.date32()),
                "layout": [self._layout] * len(days),
                "payload": pa.array(payloads, pa.binary()),
            }
        )
        self._cursor.adbc_ingest("training_months", rows, mode="append")

    def _up_to_date(self, first: datetime, last: datetime) -> list[datetime]:
        found = self._table(_UP_TO_DATE, columns=("month",), first=first.date(), last=last.date())
        return [datetime(each.year, each.month, 1, tzinfo=UTC) for each in found.column("month").to_pylist()]

    def _payloads(self, months: Sequence[datetime]) -> pa.ChunkedArray:
        days = {"first": months[0].date(), "last": months[-1].date()}
        return self._table(_UP_TO_DATE, columns=("month", "payload"), **days).column("payload")

    def _joined(self, low: datetime, high: datetime) -> pa.Table:
        """The posts of low ≤ time < high from their tables."""
        return _bare(self._table(_ROWS, low=low, high=high))

    def _unpacked(self, month: datetime, payload: pa.BinaryScalar) -> pa.Table:
        import pyarrow as pa

        try:
            return pa.ipc.open_stream(payload.as_buffer()).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            log.warning("[LEARN_JOB] ⚠️ The kept month %s cannot be read (%s): its tables are.", month.date(), error)
            return self._joined(month, _after(month))

    def _table(self, query: str, **values: Any) -> pa.Table:
        with self._one_at_a_time:
            self._run(query, **values)
            return self._cursor.fetch_arrow_table()

    def _run(self, query: str, **values: Any) -> None:
        """The query with its values as quoted literals: the driver's bulk path takes no parameters."""
        from psycopg import sql

        known = {
            "account": self._query.account,
            "simulated": self._query.simulated,
            "feature_version": self._query.feature_version,
            "layout": self._layout,
        }
        literals: dict[str, sql.Composable] = {
            name: sql.SQL(", ").join(map(sql.Identifier, value)) if name == "columns" else sql.Literal(value)
            for name, value in (known | values).items()
        }
        filled = sql.SQL(query).format(**literals)  # pyright: ignore[reportArgumentType]
        self._cursor.execute(filled.as_string(None))


def _ahead(fetch: Callable[[_Item], _Found], items: Sequence[_Item]) -> Iterator[_Found]:
    """What `fetch` finds for each item; the next is on its way while one is in use."""
    with ThreadPoolExecutor(1) as other:
        coming = [other.submit(fetch, item) for item in items[:1]]
        for place in range(len(items)):
            found = coming.pop().result()
            coming += [other.submit(fetch, item) for item in items[place + 1 : place + 2]]
            yield found


@contextmanager
def _snapshot(engine: Engine, query: FrameQuery) -> Iterator[_Reader]:
    from adbc_driver_manager import Error

    with _connected(engine) as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # A whole history is joined and sorted in memory, or it would be written to disk and read again several times.
            cursor.execute("SET LOCAL work_mem = '256MB'")
            yield _Reader(cursor, query)
            connection.commit()
        except Error as error:
            known = trouble_of(error.sqlstate)
            if known is None:
                raise
            raise known from error


def _as_known(table: pa.Table, query: FrameQuery) -> pa.Table:
    """Without the posts outside the query's times and what was collected after them."""
    import numpy as np
    import pyarrow as pa

    posted = _microseconds(table.column("posted_at"))
    inside = posted <= _micro(query.as_of)
    if query.since is not None:
        inside &= posted > _micro(query.since)
    if not inside.all():
        table = table.filter(pa.array(inside))
    collected = table.column("collected_at")
    late = _microseconds(collected) > _micro(query.as_of)
    if not late.any():
        return table
    for place, name in enumerate(table.column_names):
        if name in _MEASURED:
            known = pa.array(np.arange(len(late)), mask=late)
            table = table.set_column(place, name, table.column(name).take(known))
    return table


def _microseconds(times: pa.ChunkedArray) -> np.ndarray:
    """Since 1970; null as the earliest."""
    import numpy as np

    return times.to_numpy().astype("datetime64[us]").astype(np.int64)


def _micro(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _stream(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    # Half the bytes: fetching them costs more than unpacking does.
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def _bare(table: pa.Table) -> pa.Table:
    """Without the driver's notes on each column, so that tables of both origins have one schema."""
    import pyarrow as pa

    return table.cast(pa.schema([pa.field(field.name, field.type) for field in table.schema]))


def _month_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _after(month: datetime) -> datetime:
    return _month_of(month + timedelta(days=31))


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
