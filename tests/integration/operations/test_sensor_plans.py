"""What sensors and schedules ask stays cheap as history grows: no statement reads a table of the history from end to end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from benchmarks import long_history
from xbot_dagster.clock import FixedClock
from xbot_dagster.settings import Settings

GROWING = {"content_metadata", "posted_decisions", "outcomes", "posting_attempts", "learning_ledger", "tick_log"}
DECISIONS, ACCOUNTS = 2_400, 10


@pytest.fixture(scope="module")
def history() -> Iterator[tuple[Engine, Settings]]:
    with long_history.database(FixedClock(long_history.NOW)) as (engine, settings, _):
        long_history.plant(engine, DECISIONS, ACCOUNTS)
        yield engine, settings


def read_whole(plan: dict[str, Any]) -> list[str]:
    """The growing tables that a plan reads from end to end."""
    found = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in GROWING else []
    return found + [name for child in plan.get("Plans", []) for name in read_whole(child)]


@pytest.mark.parametrize("name", list(long_history.QUESTIONS))
def test_no_question_reads_the_whole_history(history: tuple[Engine, Settings], name: str) -> None:
    engine, settings = history
    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    with engine.begin() as conn:
        event.listen(conn, "before_cursor_execute", note)
        long_history.QUESTIONS[name](conn, settings)
    assert asked
    with engine.begin() as conn:
        # Small tables are read whole for good reason; what is asked here is whether an index could answer instead.
        conn.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, parameters in asked:
            if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
                continue
            with conn.connection.cursor() as cursor:
                cursor.execute("EXPLAIN (FORMAT JSON) " + statement, parameters)
                [(found,)] = cursor.fetchall()
            plan = found if isinstance(found, list) else json.loads(found)
            assert read_whole(plan[0]["Plan"]) == [], statement
