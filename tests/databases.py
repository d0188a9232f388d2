"""Migrated databases for the tests: copied from a template, emptied between tests, copied anew once a test changed more than rows.

Copying a database costs half a second, emptying it a few hundredths, and almost every test needs one.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine

from xbot_dagster.embedded import postgres

# Anything a test may do to a schema touches a row of one of these.
_CATALOGUES = (
    "pg_class",
    "pg_attribute",
    "pg_proc",
    "pg_trigger",
    "pg_constraint",
    "pg_index",
    "pg_namespace",
    "pg_rewrite",
    "pg_attrdef",
    "pg_type",
    "pg_event_trigger",
    "pg_db_role_setting",
)
_SCHEMA = " UNION ALL ".join(f"SELECT '{name}', count(*), sum(xmin::text::bigint) FROM {name}" for name in _CATALOGUES)
_TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND NOT relispartition"
# Emptied row by row; with more than this (bytes), or where a test ran ANALYZE, a fresh copy is quicker or truer.
_LARGEST = 2_000_000
_SIZE = "SELECT coalesce(sum(pg_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
_ANALYSED = "SELECT count(*) FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
_OTHERS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_COUNTERS = (
    "SELECT setval(format('%I.%I', schemaname, sequencename), 1, false) FROM pg_sequences WHERE last_value IS NOT NULL"
)


@contextmanager
def administrator(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """A session on the engine's database that writes whatever the database's default says."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as conn:
        yield conn


@contextmanager
def read_only(engine: Engine) -> Iterator[None]:
    """The engine's database takes no writes meanwhile: not from new sessions, and those that were open are ended."""
    name = Identifier(engine.url.database or "")
    with administrator(engine) as conn:
        try:
            conn.execute(SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
            conn.execute(_OTHERS)
            yield
        finally:
            conn.execute(SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
            conn.execute(_OTHERS)


class Databases:
    """Databases on the server of `socket_dir` that are equal to `template`, one at a time or several."""

    def __init__(self, socket_dir: str, template: str) -> None:
        self._socket_dir, self._template = socket_dir, template
        self._free: list[str] = []
        with psycopg.connect(postgres.url(socket_dir, template), autocommit=True) as conn:
            tables = [row[0] for row in conn.execute(_TABLES)]
            self._kept = [name for name in tables if _first(conn, SQL("SELECT EXISTS (SELECT 1 FROM {})"), name)]
            self._emptied = [name for name in tables if name not in self._kept]
            self._known = self._state(conn)

    def take(self) -> str:
        """The name of a database nobody else uses."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid.uuid4().hex[:12]}"
        with self._admin() as conn:
            conn.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(self._template)))
        return name

    def give_back(self, name: str) -> None:
        """Make `name` like new, or remove it."""
        if self._cleaned(name):
            self._free.append(name)
        else:
            with self._admin() as conn:
                conn.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(postgres.url(self._socket_dir, "postgres"), autocommit=True)

    def _cleaned(self, name: str) -> bool:
        try:
            with psycopg.connect(postgres.url(self._socket_dir, name)) as conn:
                conn.execute(_OTHERS)
                # No trigger, no foreign key: what is emptied is emptied as a whole.
                conn.execute("SET session_replication_role = replica")
                conn.execute("SET lock_timeout = '5s'")
                if _value(conn, _SIZE) > _LARGEST or _value(conn, _ANALYSED) or self._state(conn) != self._known:
                    return False
                for table in self._emptied:
                    conn.execute(SQL("DELETE FROM {}").format(Identifier(table)))
                conn.execute(_COUNTERS)
        except psycopg.Error:
            return False  # a test left it unusable; whoever asks next gets a fresh copy
        return True

    def _state(self, conn: psycopg.Connection[Any]) -> list[Any]:
        """What a test must leave as it was: the schema, and the rows that the migrations themselves wrote."""
        rows = [
            _first(conn, SQL("SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"), name)
            for name in self._kept
        ]
        return [*conn.execute(_SCHEMA).fetchall(), *rows]


def _first(conn: psycopg.Connection[Any], query: SQL, table: str) -> Any:
    row = conn.execute(query.format(Identifier(table))).fetchone()
    return row[0] if row else None


def _value(conn: psycopg.Connection[Any], query: str) -> int:
    row = conn.execute(query).fetchone()  # pyright: ignore[reportArgumentType]
    return int(row[0]) if row else 0
