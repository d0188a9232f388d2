"""Engines whose transactions carry the time of the clock and the Dagster run that writes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from xbot_dagster.clock import Clock
from xbot_dagster.errors import DatabaseError

if TYPE_CHECKING:
    from psycopg import Connection as PsycopgConnection

MOST_CONNECTIONS = 8  # of one process


def database_url(url: str | URL, driver: str = "psycopg") -> URL:
    """`url` with the PostgreSQL driver of the application (psycopg 3). Raises DatabaseError for anything but PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            "DATABASE_URL is not a database address.", "Expected postgresql://user:password@host:5432/name."
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise DatabaseError(
            f"DATABASE_URL names {parsed.get_backend_name()}, but only PostgreSQL is supported.",
            "Expected postgresql://…",
        )
    return parsed.set(drivername=f"postgresql+{driver}")


def make_engine(
    url: str | URL, clock: Clock, *, run_id: str = "", actor: str = "", pool_size: int = MOST_CONNECTIONS
) -> Engine:
    """An engine for one process; `for_run` gives a Dagster run its own view of the same pool.

    Connections are opened as they are needed and kept, `pool_size` of them: what threads need again and again is not opened
    again and again.

    Every transaction sets `xbot.run_id`, `xbot.actor` and, on a simulated clock, `xbot.now`, all local to the transaction.
    """
    engine = create_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=max(0, MOST_CONNECTIONS - pool_size),
        connect_args={
            "connect_timeout": 10,
            "application_name": "xbot",
            # The vector index searches on until a row passes the filters, or a filtered search would miss what is there; and it
            # keeps 100 neighbours at hand: with the usual 40 it misses one planted near copy in eleven among 50,000 random
            # vectors, with 100 one in four hundred.
            "options": "-c statement_timeout=120000 -c timezone=UTC -c hnsw.iterative_scan=strict_order -c hnsw.ef_search=100",
        },
    )

    event.listen(engine, "checkin", _used)
    event.listen(engine, "checkout", _answers)

    @event.listens_for(engine, "begin")
    def _stamp(conn: Connection) -> None:
        now = clock.now().isoformat() if clock.simulated else ""
        options = conn.get_execution_options()
        conn.exec_driver_sql(
            "SELECT set_config('xbot.now', %s, true), set_config('xbot.run_id', %s, true), set_config('xbot.actor', %s, true)",
            (now, options.get("xbot_run_id", run_id), options.get("xbot_actor", actor)),
        )

    return engine


_ASKED_AGAIN_AFTER_S = 5.0


def _used(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _answers(connection: "PsycopgConnection[Any]", record: ConnectionPoolEntry, _: Any) -> None:
    """Ask a pooled connection whether it is still there, as `pool_pre_ping` would, but not within seconds of its last use.

    A server that has ended its side shows on the socket without asking; a round trip per transaction would be a twentieth of planning's
    time. Raises InvalidatePoolError, on which the pool connects anew.
    """
    from psycopg import Error

    used_at = record.info.get("used_at")
    if used_at is None:
        return
    try:
        socket = poll()
        socket.register(connection.fileno(), POLLIN)
        if not socket.poll(0) and time.monotonic() - used_at < _ASKED_AGAIN_AFTER_S:
            return
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except Error as error:
        raise InvalidatePoolError() from error


def for_run(engine: Engine, run_id: str, actor: str) -> Engine:
    """The same pool, its transactions stamped with a Dagster run and an actor."""
    return engine.execution_options(xbot_run_id=run_id, xbot_actor=actor)


def one(conn: Connection, sql: str, **parameters: Any) -> Any:
    """The first row of a query, or None."""
    return conn.execute(text(sql), parameters).first()


_READ_ONLY, _DISK_FULL = "25006", "53100"


def database_trouble(error: DBAPIError) -> DatabaseError | None:
    """What a person should hear of a database that cannot serve: gone, read-only, or out of disk. None: the statement is at fault."""
    known = trouble_of(getattr(error.orig, "sqlstate", None))
    if known is None and (isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated):
        return no_answer()
    return known


def trouble_of(state: str | None) -> DatabaseError | None:
    """The same of an SQLSTATE, whatever driver brought it."""
    if state == _READ_ONLY:
        return DatabaseError(
            "The database takes no writes: it is read-only.",
            "Point DATABASE_URL at the primary, or end its default_transaction_read_only.",
        )
    if state == _DISK_FULL:
        return DatabaseError("The disk of the database is full.", "Free space there, then look at: xbot prune")
    return None


def no_answer() -> DatabaseError:
    """What to say of a database that is gone, or has no connection left."""
    return DatabaseError("The database does not answer.", "Run: xbot doctor")


@contextmanager
def said_plainly() -> Iterator[None]:
    """Raises DatabaseError in place of the driver's words for a database that cannot serve; other faults pass as they are."""
    try:
        yield
    except DBAPIError as error:
        known = database_trouble(error)
        if known is None:
            raise
        raise known from error


def takes_no_writes(conn: Connection) -> bool:
    """Whether the database is read-only (a standby, or default_transaction_read_only)."""
    return conn.execute(text("SHOW transaction_read_only")).scalar_one() == "on"


def check_reachable(engine: Engine) -> None:
    """Raises DatabaseError, with the reason and without the password, when the database does not answer."""
    try:
        with engine.connect() as conn:
            conn.execute(text("SELECT 1"))
    except OperationalError as error:
        where = f"{engine.url.host or engine.url.query.get('host', 'localhost')}, database {engine.url.database}"
        reason = str(error.orig).strip().splitlines()[-1] if error.orig else "no answer"
        raise DatabaseError(
            f"The database at {where} cannot be reached: {reason}.", "Check DATABASE_URL and that the server runs."
        ) from None
