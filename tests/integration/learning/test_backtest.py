"""Back-test partitions: only what was known on the day, the same bits every time, never promoted."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from sqlalchemy import text

from xbot_dagster.assets.predictors import timing_predictor
from xbot_dagster.stages import backtest, backtest_plot, features
from xbot_dagster.store import predictors

START = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)
DAY = date(2026, 10, 20)


@pytest.fixture
def past(engine, clock, history):
    """Eighty posts over twenty-seven days, six hours apart, all measured long before `clock`'s now."""
    history.effects = {"story": 1.2, "checklist": -1.2}
    history.add(108, START, every=timedelta(hours=6))
    features.run(engine, clock, START.date(), clock.now().date())


def _rows(engine):
    with engine.begin() as conn:
        query = "SELECT version, state, as_of, n, metrics, payload, partition_day FROM predictor_versions ORDER BY kind, version"
        return [tuple(row) for row in conn.execute(text(query))]


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("kind", ["content", "timing"])
def test_a_partition_is_the_same_alone_in_a_range_and_again(engine, clock, settings, kind):
    alone = backtest.run_partition(engine, clock, settings, "default", DAY, kind)
    first = _rows(engine)
    again = backtest.run_partition(engine, clock, settings, "default", DAY, kind)
    assert (alone, first) == (again, _rows(engine))
    ranged = backtest.run_range(
        engine, clock, settings, "default", DAY - timedelta(days=1), DAY + timedelta(days=1), kind
    )
    assert ranged[1] == alone
    assert first[0] in _rows(engine)
    assert alone.state == "backtest"
    assert alone.version == 20261020
    with engine.begin() as conn:
        assert predictors.champion(conn, "default", kind) is None
        assert predictors.versions(conn, "default", kind) == []
        assert len(predictors.backtests(conn, "default", kind)) == 3


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("kind", ["content", "timing"])
def test_what_happened_after_the_scored_week_changes_nothing(engine, clock, settings, history, kind):
    before = backtest.run_partition(engine, clock, settings, "default", DAY, kind)
    stored = _rows(engine)
    history.effects = {"story": -3.0, "checklist": 3.0}
    history.add(20, datetime(2026, 10, 30, 7, 0, tzinfo=UTC), every=timedelta(hours=3), purpose="future")
    features.run(engine, clock, date(2026, 10, 30), date(2026, 11, 8))
    assert backtest.run_partition(engine, clock, settings, "default", DAY, kind) == before
    assert _rows(engine) == stored


@pytest.mark.usefixtures("past")
def test_outcomes_collected_after_the_day_do_not_train(engine, clock, settings):
    """Shuffling what was collected after D leaves D's model as it was: its predictions are the same, its scores are not."""
    backtest.run_partition(engine, clock, settings, "default", DAY)
    before = _rows(engine)[0]
    with engine.begin() as conn:
        conn.execute(
            text("UPDATE outcomes SET impressions = impressions * 7, retweets = retweets + 5 WHERE collected_at > :t"),
            {"t": datetime(2026, 10, 21, 6, tzinfo=UTC)},
        )
    backtest.run_partition(engine, clock, settings, "default", DAY)
    after = _rows(engine)[0]
    first = min(before[5]["predictions"], key=lambda d: _planned(engine, d))
    expected = pytest.approx(before[5]["predictions"][first], rel=1e-12)
    assert after[5]["predictions"][first] == expected, "planned before anything of it was known"
    assert after[4]["targets"] != before[4]["targets"]


def _planned(engine, decision):
    with engine.begin() as conn:
        return conn.execute(
            text("SELECT created_at FROM content_metadata WHERE decision_id = :d"), {"d": decision}
        ).scalar_one()


@pytest.mark.usefixtures("past")
def test_partitions_without_enough_say_so(engine, clock, settings):
    early, before = backtest.run_range(engine, clock, settings, "default", date(2026, 9, 29), date(2026, 9, 30))
    assert early.version is None
    assert "insufficient real outcomes" in before.reason
    late = backtest.run_partition(engine, clock, settings, "default", date(2026, 11, 5))
    assert "no measured post" in late.reason
    assert _rows(engine) == []


def test_an_account_without_posts(engine, clock, settings):
    for kind in ("content", "timing"):
        report = backtest.run_partition(engine, clock, settings, "default", DAY, kind)
        assert (report.version, report.reason) == (None, "no post was published")


@pytest.mark.usefixtures("past")
def test_the_curve_shows_every_stored_partition(engine, clock, settings):
    """The same rows and picture go into the asset's metadata and into `xbot report`; an empty one says what to run."""
    with engine.begin() as conn:
        empty = backtest_plot.curves(conn, "default")
    assert empty == {}
    backtest.run_range(engine, clock, settings, "default", DAY - timedelta(days=1), DAY)
    with engine.begin() as conn:
        found = backtest_plot.curves(conn, "default")
    assert [row["day"] for row in found["content"]] == [DAY - timedelta(days=1), DAY]
    assert all(row["low"] <= row["gain"] <= row["high"] for row in found["content"])
    drawn = backtest_plot.png(found)
    assert drawn.startswith(b"\x89PNG")
    assert drawn == backtest_plot.png(found)
    assert drawn != backtest_plot.png({})


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("kind", predictors.KINDS)
def test_a_partition_that_has_lost_its_outcomes_forgets_its_answer(engine, clock, settings, kind):
    assert backtest.run_partition(engine, clock, settings, "default", DAY, kind).version is not None
    with engine.begin() as conn:
        assert [row["trained"] for row in predictors.backtested(conn, DAY, DAY)] == [1]
        conn.execute(text("DELETE FROM outcomes"))
    assert backtest.run_partition(engine, clock, settings, "default", DAY, kind).version is None
    with engine.begin() as conn:
        assert predictors.backtested(conn, DAY, DAY) == []


@pytest.mark.usefixtures("past")
def test_the_asset_carries_the_picture(engine, clock, settings):
    """A back-fill is one run of the asset over a range of days; its metadata shows the curve of every partition."""
    database = SimpleNamespace(engine=engine, clock=clock, settings=settings)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [timing_predictor],
            instance=instance,
            resources={"database": database, "cache": None},
            tags={
                "dagster/asset_partition_range_start": (DAY - timedelta(days=2)).isoformat(),
                "dagster/asset_partition_range_end": DAY.isoformat(),
            },
        )
    [event] = [e for e in done.asset_materializations_for_node("timing_predictor")][-1:]
    assert event.metadata["partitions"].value == 3
    assert "data:image/png;base64," in str(event.metadata["backtest"].value)
