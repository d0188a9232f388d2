"""Pooled connections that ended while nobody used them: noticed before the next statement, not by it."""

import pytest
from sqlalchemy import text

from xbot_dagster.store import engine as engines

_OTHERS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'xbot' AND pid <> pg_backend_pid()"


@pytest.fixture
def pooled(engine, clock):
    found = engines.make_engine(engine.url, clock, pool_size=2)
    yield found
    found.dispose()


def _end_every_other(engine) -> int:
    with engine.begin() as conn:
        return len(conn.execute(text(_OTHERS)).all())


def test_a_connection_the_server_ended_a_moment_ago(engine, pooled):
    with pooled.begin() as conn:
        before = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
    assert _end_every_other(engine) >= 1
    with pooled.begin() as conn:
        assert conn.execute(text("SELECT pg_backend_pid()")).scalar_one() != before


def test_a_connection_in_use_is_not_asked_again(pooled):
    pids = []
    for _ in range(3):
        with pooled.begin() as conn:
            pids.append(conn.execute(text("SELECT pg_backend_pid()")).scalar_one())
    assert len(set(pids)) == 1


def test_one_that_was_idle_is_asked_and_stays(pooled, monkeypatch):
    monkeypatch.setattr(engines, "_ASKED_AGAIN_AFTER_S", 0.0)
    with pooled.begin() as conn:
        before = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with pooled.begin() as conn:
        assert conn.execute(text("SELECT pg_backend_pid()")).scalar_one() == before
        assert not conn.connection.driver_connection.autocommit, "a transaction is a transaction after the question"
