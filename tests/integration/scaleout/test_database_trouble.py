"""A database that turns read-only or runs out of disk under a worker: said by everyone in a sentence, and survived."""

import dagster as dg
import pytest

from benchmarks.scaled_out import Place, until
from tests.databases import administrator, read_only
from xbot_dagster.resources.database import Database
from xbot_dagster.resources.opening import opened
from xbot_dagster.sensors.due_posts import due_posts

READ_ONLY = "The database takes no writes: it is read-only."
# The server itself reports what the file system told it; here a trigger has it report that.
_FULL = """
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_space BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_space()
"""


def skipped(here: Place) -> str:
    """Why the sensor of the posting job asks for nothing."""
    with opened(here.settings) as found, dg.DagsterInstance.ephemeral() as instance:
        resources = {"database": Database(lambda: found, "", "test")}
        with dg.build_sensor_context(instance, resources=resources) as context:  # pyright: ignore[reportArgumentType]
            result = due_posts.evaluate_tick(context)
    assert not result.run_requests
    return result.skip_message or ""


def test_a_read_only_database_is_named_by_all_and_its_return_is_enough(here: Place) -> None:
    decision = here.queue("Cold water in the morning: half a minute is plenty.")
    with here.workers("--count", "1"):
        with read_only(here.engine):
            assert here.finish(here.launch("post")) == dg.DagsterRunStatus.FAILURE
            assert READ_ONLY in skipped(here)
            refused = here.command("queue", "cancel", decision)
            assert refused.returncode == 1
            assert refused.stderr.startswith(f"xbot: {READ_ONLY}")
            assert len(refused.stderr.strip().splitlines()) == 1
            assert "read-only" in here.command("doctor", "database").stdout
        assert here.finish(here.launch("post")) == dg.DagsterRunStatus.SUCCESS
    assert here.rows("SELECT count(*) FROM posted_decisions WHERE decision_id = :id", id=decision) == [(1,)]


@pytest.mark.parametrize("table", ["posting_attempts", "tick_log"])
def test_a_full_disk_loses_nothing(here: Place, table: str) -> None:
    here.may_post_again()
    decision = here.queue(f"A full shelf says nothing about the reader ({table}).")
    with here.workers("--count", "1"):
        with administrator(here.engine) as conn:
            conn.execute(_FULL.format(table=table))  # pyright: ignore[reportArgumentType, reportCallIssue]
        try:
            here.finish(here.launch("post"))
            if table == "tick_log":
                assert "The disk of the database is full." in skipped(here)
            else:
                waiting = "SELECT status FROM content_metadata WHERE decision_id = :id"
                assert here.rows(waiting, id=decision) == [("queued",)]
        finally:
            with administrator(here.engine) as conn:
                conn.execute("DROP FUNCTION no_space CASCADE")
        here.finish(here.launch("post"))
        until(
            lambda: here.rows("SELECT 1 FROM posted_decisions WHERE decision_id = :id", id=decision), "the post is live"
        )
