"""Many rows at once: COPY into a temporary table of the session, then one statement that merges them."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection as PsycopgConnection
from psycopg import sql as composed
from sqlalchemy import Connection


def copy_rows(
    conn: Connection, table: str, columns: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY `rows` into `table`. `types` names the PostgreSQL type of each column; binary COPY converts nothing by itself."""
    names = composed.SQL(", ").join(map(composed.Identifier, columns))
    statement = composed.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(composed.Identifier(table), names)
    with driver_connection(conn).cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(types))
        for row in rows:
            copy.write_row(row)


def stage(conn: Connection, name: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> str:
    """Fill the session's temporary table `staging_<name>` (columns: name → type) with `rows`; returns its name.

    The table lives with the session and is empty at the start of every transaction, so that merging small batches often
    does not churn the catalog.
    """
    table = f"staging_{name}"
    definition = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    # Merging sorts what was staged: in memory, also when it is a whole history.
    conn.exec_driver_sql(
        "SELECT set_config('client_min_messages', 'warning', true), set_config('work_mem', '64MB', true)"
    )
    conn.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {table} ({definition}) ON COMMIT DELETE ROWS")
    conn.exec_driver_sql(f"TRUNCATE {table}")
    copy_rows(conn, table, list(columns), list(columns.values()), rows)
    return table


def driver_connection(conn: Connection) -> PsycopgConnection[Any]:
    """The psycopg connection under a SQLAlchemy one."""
    raw = conn.connection.driver_connection
    assert isinstance(raw, PsycopgConnection)
    return raw
