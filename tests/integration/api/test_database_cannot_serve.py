"""A database that takes no writes or has no disk left: said in its own words by health and by the blocks of a page."""

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, ProgrammingError

from tests.databases import read_only
from xbot_dagster.dashboard import serving
from xbot_dagster.dashboard.live import Block
from xbot_dagster.stages import health
from xbot_dagster.store.cache import Cache


def test_health_names_a_read_only_database(engine, clock, settings):
    with read_only(engine):
        problems = health.read(engine, clock, settings, Cache(None, "t:")).problems
    assert "The database takes no writes: it is read-only (xbot doctor database)." in problems


def test_a_block_of_a_page_says_what_the_database_said(monkeypatch):
    def shown(error: Exception) -> str:
        block = object.__new__(Block)

        def render() -> str:
            raise error

        block.render = render
        return block._rendered()

    full = OperationalError("INSERT", {}, psycopg.errors.DiskFull("could not extend file"))
    assert "The disk of the database is full." in shown(full)
    writeless = InternalError("INSERT", {}, psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"))
    assert "The database takes no writes" in shown(writeless)
    gone = OperationalError("SELECT", {}, psycopg.OperationalError("server closed the connection"))
    assert "The database does not answer." in shown(gone)
    fault = ProgrammingError("SELEKT", {}, psycopg.errors.SyntaxError("syntax error"))
    with pytest.raises(DBAPIError):
        shown(fault)


def test_the_watch_outlives_a_read_only_database(monkeypatch, caplog):
    class Stopped:
        rounds = iter([False, False, True])

        def wait(self, seconds: float) -> bool:
            return next(self.rounds)

    seen = []

    def look(*_):
        seen.append(1)
        raise InternalError("INSERT", {}, psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"))

    class Service:
        settings = engine = None

        def opened(self):
            return self

        clock = None

    monkeypatch.setattr(serving.alerts, "watch", look)
    monkeypatch.setattr(serving, "AppriseNotifier", lambda settings: None)
    serving.watch(Service(), Stopped(), 0.0)
    assert len(seen) == 2
    assert caplog.text.count("The watch could not look: The database takes no writes: it is read-only.") == 2
