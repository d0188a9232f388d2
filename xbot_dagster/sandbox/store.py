"""The world's own store: SQLite in WAL mode, committed before any answer leaves, so that `kill -9` loses nothing
accepted."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists accounts (
    handle text primary key, screen_name text not null, name text not null, user_id integer not null,
    followers_start integer not null, created_ms integer not null, zone text not null, locale text not null,
    long_posts integer not null default 0, pinned_id integer, session_generation integer not null default 1);
create table if not exists sessions (
    token text primary key, ct0 text not null, handle text not null references accounts (handle), valid integer not null default 1);
create table if not exists posts (
    id integer primary key, handle text not null references accounts (handle), text text not null, fingerprint text not null,
    created_ms integer not null, visible_ms integer not null, in_reply_to integer, conversation_id integer not null,
    origin text not null, ordinal integer not null, traits text not null, deleted_ms integer, tombstone integer not null default 0);
create index if not exists posts_by_handle on posts (handle, id);
create index if not exists posts_by_fingerprint on posts (handle, fingerprint);
create table if not exists crowd (
    id integer primary key, kind text not null, about_handle text not null, about_post integer, author text not null,
    author_name text not null, author_followers integer not null, text text not null, created_ms integer not null,
    counts text not null, deleted_ms integer);
create index if not exists crowd_by_handle on crowd (about_handle, kind, created_ms);
create table if not exists submits (
    seq integer primary key autoincrement, at_ms integer not null, handle text, text text, in_reply_to integer, via text not null,
    outcome text not null, code integer, fault text, post_id integer);
create table if not exists faults (
    id integer primary key autoincrement, name text not null, spec text not null, seen integer not null default 0,
    fired integer not null default 0);
create table if not exists register (key text primary key, style text not null, topic text not null, hook text not null);
create table if not exists llm_calls (
    seq integer primary key autoincrement, at_ms integer not null, endpoint text not null, status integer not null,
    prompt_hash text not null, tokens_in integer not null, tokens_out integer not null);
"""

Row = sqlite3.Row


class Store:
    """One connection, used from one thread (the event loop). Every `write` block is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")  # a killed process loses nothing; only a power cut could
        self._db.execute("pragma cache_size = -4000")
        self._db.executescript(SCHEMA)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end of the block, rolls back when it raises."""
        self._db.execute("begin immediate")
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def all(self, sql: str, *values: Any) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Row | None:
        return self._db.execute(sql, values).fetchone()

    def run(self, sql: str, *values: Any) -> int:
        """One statement in its own transaction; returns the rows it touched."""
        return self._db.execute(sql, values).rowcount

    def remember(self, key: str, value: str) -> str:
        """Stores `value` under `key` unless something is there already; returns what is stored."""
        self.run("insert into meta (key, value) values (?, ?) on conflict do nothing", key, value)
        row = self.one("select value from meta where key = ?", key)
        assert row is not None
        return row["value"]

    def close(self) -> None:
        self._db.close()


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
