"""Incident 11: schema and code drift. One chain with checksums, each file with its way back; SQL that names what exists."""

import ast
import re
import uuid
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from xbot_dagster.embedded import postgres
from xbot_dagster.errors import DatabaseError
from xbot_dagster.store import migrations
from xbot_dagster.store.engine import database_url as with_driver

_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = 'public' AND table_name NOT LIKE '%yoyo%' AND table_name <> 'schema_checksums' ORDER BY 1, 2"""
_INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%' ORDER BY 1"
)


@pytest.fixture
def empty_url(socket_dir: str) -> str:
    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(socket_dir, name)
    return postgres.url(socket_dir, name)


def snapshot(engine: Engine) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    with engine.connect() as conn:
        return [tuple(r) for r in conn.execute(text(_COLUMNS))], [tuple(r) for r in conn.execute(text(_INDEXES))]


def test_up_down_up_returns_the_same_schema(empty_url: str) -> None:
    engine = create_engine(with_driver(empty_url))
    assert migrations.up(empty_url) == migrations.names()
    first = snapshot(engine)
    assert migrations.up(empty_url) == []
    assert snapshot(engine) == first
    assert migrations.down(empty_url, 100) == list(reversed(migrations.names()))
    assert [row for row in snapshot(engine)[0]] == []
    migrations.up(empty_url)
    assert snapshot(engine) == first
    engine.dispose()


def test_each_rollback_returns_the_previous_schema(empty_url: str) -> None:
    engine = create_engine(with_driver(empty_url))
    migrations.up(empty_url)
    states = [snapshot(engine)]
    for _ in migrations.names():
        migrations.down(empty_url, 1)
        states.append(snapshot(engine))
    for expected in reversed(states[:-1]):
        with engine.connect() as conn:
            done = conn.execute(text("SELECT count(*) FROM schema_checksums")).scalar_one()
        _apply_one(empty_url, migrations.names()[done])
        assert snapshot(engine) == expected
    engine.dispose()


def _apply_one(url: str, name: str) -> None:
    with migrations._backend(url) as (backend, chain), backend.lock():
        backend.apply_migrations(backend.to_apply(chain)[:1])
        with backend.transaction():
            backend.execute(
                "INSERT INTO schema_checksums VALUES (%(n)s, %(s)s)", {"n": name, "s": migrations._checksum(name)}
            )


def test_an_old_schema_is_named(empty_url: str) -> None:
    engine = create_engine(with_driver(empty_url))
    with pytest.raises(DatabaseError, match=r"older schema.*xbot migrate up"):
        migrations.require_current(engine)
    migrations.up(empty_url)
    migrations.require_current(engine)
    migrations.down(empty_url, 1)
    with pytest.raises(DatabaseError, match="1 migration"):
        migrations.require_current(engine)
    engine.dispose()


def test_a_changed_file_is_named(empty_url: str) -> None:
    engine = create_engine(with_driver(empty_url))
    migrations.up(empty_url)
    with engine.begin() as conn:
        conn.execute(
            text("UPDATE schema_checksums SET sha256 = 'x' WHERE migration_id = :id"), {"id": migrations.names()[0]}
        )
    with pytest.raises(DatabaseError, match="another text of 0001_foundation"):
        migrations.require_current(engine)
    engine.dispose()


STORE = Path(__file__).parents[2] / "xbot_dagster" / "store"
_TABLE = re.compile(
    r"\b(?:FROM|JOIN|INSERT INTO|UPDATE|DELETE FROM)\s+([a-z]+_[a-z0-9_]+)\b(?!\()"
)  # not a function call


def _statements() -> dict[str, str]:
    """Every SQL text of the store with the file it stands in."""
    found = {}
    for path in sorted(STORE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.search(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b", node.value)
            ):
                found[node.value] = path.name
    return found


def test_sql_names_tables_that_exist(engine: Engine) -> None:
    with engine.connect() as conn:
        catalog = set(conn.execute(text("SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'S')")).scalars())
    unknown: dict[str, set[str]] = {}
    for sql, where in _statements().items():
        own_names = set(re.findall(r"\b([a-z_]+)\s+AS\s+(?:MATERIALIZED\s+)?\(", sql))
        for table in set(_TABLE.findall(sql)) - catalog - own_names - {"information_schema"}:
            unknown.setdefault(where, set()).add(table)
    assert unknown == {}


def test_sql_never_asks_the_server_for_the_time() -> None:
    """The simulated clock reaches SQL only through xbot_now(); workers alone live in real time, their clocks against the server's."""
    clock = re.compile(r"\b(now\(\)|current_timestamp|clock_timestamp\(\)|current_date)", re.IGNORECASE)
    asking = {where for sql, where in _statements().items() if clock.search(sql.replace("xbot_now()", ""))}
    assert asking == {"workers.py"}
    for path in migrations.folder().glob("*.sql"):
        body = re.sub(r"--.*", "", path.read_text())
        if path.name in ("0001_foundation.sql", "0015_workers.sql"):
            continue  # the first defines xbot_now()
        assert not clock.search(body.replace("xbot_now()", "")), path.name
