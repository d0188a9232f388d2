"""The one migration chain (`sql/migrations`, yoyo): apply, roll back, and refuse to run on another schema.

Each applied file's checksum is kept, so that a file edited after it was applied is noticed instead of silently skipped.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ProgrammingError

from xbot_dagster.errors import DatabaseError

_CHECKSUMS = "CREATE TABLE IF NOT EXISTS schema_checksums (migration_id text PRIMARY KEY, sha256 text NOT NULL)"


@dataclass(frozen=True)
class Migration:
    """One file of the chain and its state in a database."""

    name: str
    applied: bool
    changed: bool


def folder() -> Path:
    """Where the chain lives: inside the installed package, else in the checkout."""
    packaged = Path(str(files("xbot_dagster"))) / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql" / "migrations"


def names() -> list[str]:
    """Migration ids in order."""
    return sorted(p.stem for p in folder().glob("*.sql") if not p.stem.endswith(".rollback"))


def up(url: str | URL) -> list[str]:
    """Apply what is missing; returns the ids applied. Running it twice changes nothing."""
    with _backend(url) as (backend, chain):
        with backend.lock():
            pending = backend.to_apply(chain)
            applied = [m.id for m in pending]
            backend.apply_migrations(pending)
        _record(backend)
    return applied


def down(url: str | URL, count: int) -> list[str]:
    """Roll the newest `count` migrations back; returns their ids, newest first."""
    with _backend(url) as (backend, chain), backend.lock():
        undo = backend.to_rollback(chain)[:count]
        undone = [m.id for m in undo]
        backend.rollback_migrations(undo)
        if undone:
            with backend.transaction():
                backend.execute("DELETE FROM schema_checksums WHERE migration_id = ANY(%(ids)s)", {"ids": undone})
    return undone


def status(engine: Engine) -> list[Migration]:
    """Every file of the chain with its state in the database."""
    try:
        with engine.connect() as conn:
            known = {
                row.migration_id: row.sha256
                for row in conn.execute(text("SELECT migration_id, sha256 FROM schema_checksums"))
            }
    except ProgrammingError:
        known = {}
    return [Migration(name, name in known, name in known and known[name] != _checksum(name)) for name in names()]


def require_current(engine: Engine) -> None:
    """Raises DatabaseError unless the database holds exactly this version's schema."""
    state = status(engine)
    changed = [m.name for m in state if m.changed]
    if changed:
        raise DatabaseError(
            f"The database was migrated with another text of {', '.join(changed)}.",
            "Use the version of xbot that created it, or a fresh home.",
        )
    missing = [m.name for m in state if not m.applied]
    if missing:
        raise DatabaseError(
            f"The database has an older schema: {len(missing)} migration(s) from {missing[0]} on are missing.",
            "Run: xbot migrate up",
        )


@contextmanager
def _backend(url: str | URL) -> Iterator[tuple[Any, Any]]:
    import yoyo

    address = make_url(url).set(drivername="postgresql+psycopg")
    backend = yoyo.get_backend(address.render_as_string(hide_password=False))
    try:
        yield backend, yoyo.read_migrations(str(folder()))
    finally:
        backend.connection.close()


def _record(backend: Any) -> None:
    with backend.transaction():
        backend.execute(_CHECKSUMS)
        for name in names():
            backend.execute(
                "INSERT INTO schema_checksums VALUES (%(name)s, %(sha)s) ON CONFLICT DO NOTHING",
                {"name": name, "sha": _checksum(name)},
            )


def _checksum(name: str) -> str:
    return hashlib.sha256((folder() / f"{name}.sql").read_bytes()).hexdigest()
