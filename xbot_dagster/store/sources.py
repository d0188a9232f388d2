"""Content sources as rows: what is configured, when it was read, how it went."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.domain.content.sources import SourceSpec
from xbot_dagster.errors import NotFound, UsageError


@dataclass(frozen=True)
class Source:
    """One row of content_sources. `config` is the source's own part of the sources file."""

    source: str
    account: str
    kind: str
    config: dict[str, Any]
    weight: float
    enabled: bool
    etag: str | None
    last_modified: str | None
    last_run_at: datetime | None
    last_status: str | None
    runs: int
    failures: int


_COLUMNS = ", ".join(Source.__dataclass_fields__)


@dataclass(frozen=True)
class SourceRun:
    """What one reading of a source brought. `status` is ok, unchanged or the reason of the failure."""

    source: str
    ok: bool
    status: str
    items: int = 0
    duplicates: int = 0
    etag: str | None = None
    last_modified: str | None = None


def sources(conn: Connection, account: str | None = None, *, enabled_only: bool = False) -> list[Source]:
    """Every source, or those of one account, in order of account and name."""
    rows = conn.execute(
        text(
            f"SELECT {_COLUMNS} FROM content_sources WHERE (cast(:account AS text) IS NULL OR account = :account) "
            "AND (enabled OR NOT :enabled) ORDER BY account, source"
        ),
        {"account": account, "enabled": enabled_only},
    )
    return [Source(**row) for row in rows.mappings()]


def refresh_due(conn: Connection, every: timedelta) -> bool:
    """Whether an enabled source was never read, or not for `every`."""
    return conn.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM content_sources WHERE enabled AND (last_run_at IS NULL OR last_run_at <= xbot_now() - :every))"
        ),
        {"every": every},
    ).scalar_one()


def never_read(conn: Connection) -> bool:
    """Whether there are enabled sources and none of them has been read."""
    return conn.execute(
        text("SELECT coalesce(bool_and(last_run_at IS NULL), false) FROM content_sources WHERE enabled")
    ).scalar_one()


def save_specs(conn: Connection, account: str, specs: Sequence[SourceSpec]) -> int:
    """Insert or update sources; what people switched (`enabled`, `weight` of an existing row) stays as they left it.

    Raises UsageError when a name belongs to another account.
    """
    taken = conn.execute(
        text("SELECT source, account FROM content_sources WHERE source = ANY(:names) AND account <> :account LIMIT 1"),
        {"names": [spec.source for spec in specs], "account": account},
    ).first()
    if taken:
        raise UsageError(f"The source '{taken.source}' belongs to account '{taken.account}'.", "Give it another name.")
    written = conn.execute(
        text(
            "INSERT INTO content_sources (source, account, kind, config, weight, enabled) "
            "SELECT source, :account, kind, config, weight, enabled "
            "FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(source text, kind text, config jsonb, weight float8, enabled boolean) "
            "ON CONFLICT (source) DO UPDATE SET kind = excluded.kind, config = excluded.config, etag = NULL, last_modified = NULL "
            "WHERE (content_sources.kind, content_sources.config) IS DISTINCT FROM (excluded.kind, excluded.config)"
        ),
        {"account": account, "rows": json.dumps([spec.__dict__ for spec in specs], default=str)},
    )
    return written.rowcount


def record_runs(conn: Connection, runs: Sequence[SourceRun]) -> None:
    """Note how each source went; the validators of a conditional GET are kept only from an answer that brought the feed."""
    conn.execute(
        text(
            "UPDATE content_sources s SET last_run_at = xbot_now(), last_status = r.status, runs = s.runs + 1, "
            "failures = s.failures + (NOT r.ok)::int, items_seen = s.items_seen + r.items, duplicates_seen = s.duplicates_seen + r.duplicates, "
            "etag = CASE WHEN r.status = 'ok' THEN r.etag ELSE s.etag END, "
            "last_modified = CASE WHEN r.status = 'ok' THEN r.last_modified ELSE s.last_modified END "
            "FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r(source text, ok boolean, status text, items bigint, duplicates bigint, "
            "etag text, last_modified text) WHERE s.source = r.source"
        ),
        {"rows": json.dumps([{**run.__dict__, "status": run.status[:300]} for run in runs])},
    )


def set_enabled(conn: Connection, source: str, enabled: bool) -> None:
    """Switch a source on or off. Raises NotFound."""
    _update(conn, source, "enabled = :value", enabled)


def set_weight(conn: Connection, source: str, weight: float) -> None:
    """Set a source's weight, 0 to 100. Raises NotFound, UsageError."""
    if not 0 <= weight <= 100:
        raise UsageError(f"A source's weight must lie between 0 and 100, got {weight:g}.")
    _update(conn, source, "weight = :value", weight)


def _update(conn: Connection, source: str, assignment: str, value: object) -> None:
    done = conn.execute(
        text(f"UPDATE content_sources SET {assignment} WHERE source = :source"), {"source": source, "value": value}
    )
    if done.rowcount == 0:
        raise NotFound(f"There is no source '{source}'.", "List them with: xbot sources list")


def performance(conn: Connection, account: str | None = None) -> list[dict[str, Any]]:
    """`vw_content_sources_perf`, for `xbot sources stats`."""
    rows = conn.execute(
        text(
            "SELECT * FROM vw_content_sources_perf WHERE cast(:account AS text) IS NULL OR account = :account ORDER BY account, source"
        ),
        {"account": account},
    )
    return [dict(row) for row in rows.mappings()]
