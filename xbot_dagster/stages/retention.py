"""`prune_history`: what is older than its setting says goes, in batches; nothing that is under way, in doubt or learned from."""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.errors import HomeError
from xbot_dagster.settings import Settings
from xbot_dagster.store import audit
from xbot_dagster.store import retention as store

log = logging.getLogger("xbot")
_BATCH = 5_000
_RUNS_BATCH = 200
# A deployment that prunes for the first time catches up in a few days instead of in one run of hours.
_MOST_RUNS = 5_000
_UUID_LENGTH = 36


class RunHistory(Protocol):
    """Dagster's own record of runs."""

    def old(self, before: datetime, limit: int) -> Sequence[str]:
        """Ids of finished runs created before `before`, oldest first."""
        ...

    def count(self, before: datetime) -> int:
        """How many there are."""
        ...

    def delete(self, run_id: str) -> None:
        """Remove one run with its event log and captured output."""
        ...

    def size_bytes(self) -> int:
        """What Dagster's database takes on disk."""
        ...


@dataclass(frozen=True)
class PruneReport:
    """What was removed (or, in a dry run, would be), and the room that is taken. Space is reused by the database, not given back.

    `bytes_per_1000_posts` counts both databases; None before the first post.
    """

    dry_run: bool
    runs: int
    ticks: int
    evidence: int
    quarantine: int
    archived: dict[str, int]
    files: tuple[str, ...]
    database_bytes: int
    dagster_bytes: int
    posts: int
    bytes_per_1000_posts: int | None
    largest_tables: dict[str, int]

    @property
    def removed(self) -> int:
        return self.runs + self.ticks + self.evidence + self.quarantine + sum(self.archived.values())


def prune_due(conn: Connection, settings: Settings, now: datetime, runs: RunHistory) -> bool:
    """Whether anything of the database's history is older than its setting; the first that is found ends the search."""

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    return bool(runs.old(before(settings.KEEP_RUNS_DAYS), 1)) or store.is_any_old(
        conn,
        before(settings.KEEP_TICKS_DAYS),
        before(settings.KEEP_QUARANTINE_DAYS),
        before(settings.KEEP_DETAILS_DAYS),
    )


def run(engine: Engine, clock: Clock, settings: Settings, runs: RunHistory, *, dry_run: bool = False) -> PruneReport:
    """Remove what is old, each kind after its own days; report what went and how large the databases are."""
    now = clock.now()

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    evidence = list(_old_evidence(engine, settings.home / "logs" / "evidence", before(settings.KEEP_EVIDENCE_DAYS)))
    if dry_run:
        with engine.begin() as conn:
            ticks = store.count_ticks(conn, before(settings.KEEP_TICKS_DAYS))
            quarantine = store.count_quarantine(conn, before(settings.KEEP_QUARANTINE_DAYS))
            details = before(settings.KEEP_DETAILS_DAYS)
            archived = {table: store.count_details(conn, table, details) for table in store.DETAILS}
        gone, files = runs.count(before(settings.KEEP_RUNS_DAYS)), ()
    else:
        gone = _delete_runs(runs, before(settings.KEEP_RUNS_DAYS))
        ticks = _repeated(engine, store.delete_ticks, before(settings.KEEP_TICKS_DAYS))
        quarantine = _repeated(engine, store.delete_quarantine, before(settings.KEEP_QUARANTINE_DAYS))
        archived, files = _archive(engine, settings.home / "archive", before(settings.KEEP_DETAILS_DAYS), now)
        for folder in evidence:
            shutil.rmtree(folder, ignore_errors=True)
    with engine.begin() as conn:
        room = store.room(conn)
    theirs = runs.size_bytes()
    report = PruneReport(
        dry_run, gone, ticks, len(evidence), quarantine, archived, files, room.total, theirs, room.posts,
        (room.total + theirs) * 1000 // room.posts if room.posts else None, room.tables,
    )  # fmt: skip
    if report.removed and not dry_run:
        counts = {
            "runs": gone,
            "ticks": ticks,
            "evidence": len(evidence),
            "quarantine": quarantine,
            "archived": archived,
        }
        with engine.begin() as conn:
            audit.record(conn, "HISTORY_PRUNED", "prune", counts)
        log.info("[PRUNE] ✅ runs=%s ticks=%s evidence=%s quarantine=%s archived=%s", *counts.values())
    return report


def _delete_runs(runs: RunHistory, before: datetime) -> int:
    gone = 0
    while gone < _MOST_RUNS and (batch := runs.old(before, _RUNS_BATCH)):
        for run_id in batch:
            runs.delete(run_id)
        gone += len(batch)
    return gone


def _repeated(engine: Engine, delete: Callable[[Connection, datetime, int], int], before: datetime) -> int:
    """One transaction a batch, so that nobody waits for a lock longer than a batch takes."""
    gone = 0
    while True:
        with engine.begin() as conn:
            batch = delete(conn, before, _BATCH)
        gone += batch
        if batch < _BATCH:
            return gone


def _old_evidence(engine: Engine, folder: Path, before: datetime) -> Iterator[Path]:
    """Folders of evidence nobody has written to since `before`, but of posts that are still in doubt."""
    if not folder.is_dir():
        return
    old = [p for p in folder.iterdir() if p.is_dir() and _touched(p) < before.timestamp()]
    owners = {path: path.name[:_UUID_LENGTH] for path in old}
    with engine.begin() as conn:
        needed = store.unsettled(conn, [name for name in owners.values() if name.count("-") == 4])
    yield from (path for path in sorted(old) if owners[path] not in needed)


def _touched(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))


def _archive(engine: Engine, folder: Path, before: datetime, now: datetime) -> tuple[dict[str, int], tuple[str, ...]]:
    """Move old details into Parquet files; a row leaves the database only when its file is safely on disk."""
    moved, files = dict.fromkeys(store.DETAILS, 0), []
    for table in store.DETAILS:
        while True:
            with engine.begin() as conn:
                rows = store.take_details(conn, table, before, _BATCH)
                if not rows:
                    break
                files.append(_write(folder, f"{table}-{now:%Y%m%dT%H%M%S}-{len(files)}.parquet", rows))
            moved[table] += len(rows)
    return moved, tuple(files)


def _write(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    """Write rows as columns; nested values as JSON text. Raises HomeError when the file cannot be stored (the rows then stay)."""
    import json
    import os

    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = [{k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()} for row in rows]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(folder / name, "wb") as stream:
            pq.write_table(pa.Table.from_pylist(plain), stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
        raise HomeError(
            f"The archive {folder / name} cannot be written: {error.strerror}.", "Make room; nothing was removed."
        ) from None
    return name
