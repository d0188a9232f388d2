"""Months put aside for training: always the same rows as their tables, whatever is changed, removed or added after them."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.databases import read_only
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.errors import DatabaseError
from xbot_dagster.stages import features
from xbot_dagster.store import frames, purging
from xbot_dagster.store.frames import FrameQuery
from xbot_dagster.store.posted import ImportedPost, add_imported

START = datetime(2026, 7, 20, 8, 0, tzinfo=UTC)


def _query(now: datetime, **changed) -> FrameQuery:
    return FrameQuery(
        **{"account": "default", "simulated": True, "as_of": now, "feature_version": features.version()} | changed
    )


@pytest.fixture
def months(engine, clock, history):
    """July to October of a year, described, and put aside as far as they are over; the ids of the posts."""
    ids = history.add(130, START, every=timedelta(hours=17))
    features.run(engine, clock, START.date(), clock.now().date())
    assert frames.keep_months(engine, _query(clock.now())) == 3, (
        "July, August and September are over on the 1st of November"
    )
    return ids


def _kept(engine) -> list[str]:
    with engine.begin() as conn:
        return [f"{row:%m}" for row in conn.execute(text("SELECT month FROM training_months ORDER BY month")).scalars()]


def _frames(engine, query) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(as training loads it, as the tables say it)."""
    loaded = frames.training_frame(engine, query)
    with engine.begin() as conn:
        aside = conn.execute(text("DELETE FROM training_months RETURNING *")).all()
    joined = frames.training_frame(engine, query)
    with engine.begin() as conn:
        for row in aside:
            conn.execute(
                text(
                    "INSERT INTO training_months VALUES (:account, :simulated, :feature_version, :month, :layout, :payload)"
                ),
                dict(row._mapping),
            )
    return loaded, joined


def _same(engine, query) -> pd.DataFrame:
    loaded, joined = _frames(engine, query)
    pd.testing.assert_frame_equal(loaded, joined)
    return loaded


def test_what_is_kept_is_what_the_tables_say(engine, clock, months):
    frame = _same(engine, _query(clock.now()))
    assert len(frame) == 130
    assert frame["posted_at"].is_monotonic_increasing
    assert frames.keep_months(engine, _query(clock.now())) == 0, "nothing changed"


@pytest.mark.parametrize("days", [3, 12, 40, 41.37, 90])
def test_earlier_looks_know_less(engine, months, days):
    as_of = START + timedelta(days=days)
    frame = _same(engine, _query(as_of))
    assert (frame["posted_at"] <= as_of).all()
    assert (frame["collected_at"].dropna() <= as_of).all()
    assert frame["impressions"].isna().any(), "the youngest posts were not measured yet"
    later = _same(engine, _query(as_of + timedelta(days=20), since=as_of))
    assert (later["posted_at"] > as_of).all()
    assert len(later)


_CHANGES = {
    "a count": "UPDATE outcomes SET impressions = impressions + 5 WHERE decision_id = :d AND collected_pass = 2",
    "a late read": "UPDATE outcomes SET late = true WHERE decision_id = :d",
    "a lost outcome": "DELETE FROM outcomes WHERE decision_id = :d AND collected_pass = 2",
    "another family": "UPDATE posted_decisions SET simulated = false WHERE decision_id = :d",
    "another arm": "UPDATE content_metadata SET arm = 'other' WHERE decision_id = :d",
    "another hook": "UPDATE content_metadata SET hook_pattern = 'question' WHERE decision_id = :d",
    "other words": "UPDATE posted_decisions SET text = '[removed]' WHERE decision_id = :d",
    "another month": "UPDATE posted_decisions SET posted_at = posted_at + interval '33 days' WHERE decision_id = :d",
    "other features": "UPDATE post_features SET features = jsonb_set(features, '{words}', '99') WHERE decision_id = :d",
    "no features": "DELETE FROM post_features WHERE decision_id = :d",
    "everything forgotten": "TRUNCATE post_features",
}


@pytest.mark.parametrize("change", _CHANGES)
def test_a_change_of_a_kept_month_is_seen_at_once(engine, clock, months, change):
    before = _same(engine, _query(clock.now()))
    with engine.begin() as conn:
        conn.execute(text(_CHANGES[change]), {"d": months[40]})
    after = _same(engine, _query(clock.now()))
    assert not after.equals(before), "the change shows"
    frames.keep_months(engine, _query(clock.now()))
    pd.testing.assert_frame_equal(_same(engine, _query(clock.now())), after)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from([name for name in _CHANGES if name != "everything forgotten"]), st.integers(0, 129)
            ),
            st.just(("keep", 0)),
            st.just(("describe", 0)),
        ),
        max_size=8,
    ),
    day=st.integers(0, 110),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_changes(engine, clock, months, steps, day):
    for name, number in steps:
        if name == "keep":
            frames.keep_months(engine, _query(clock.now()))
        elif name == "describe":
            features.run(engine, clock, START.date(), clock.now().date())
        else:
            with engine.begin() as conn:
                conn.execute(text(_CHANGES[name]), {"d": months[number]})
    _same(engine, _query(clock.now()))
    _same(engine, _query(START + timedelta(days=day)))


def test_what_a_transaction_writes_meanwhile_is_not_lost(engine, clock, months):
    with engine.begin() as conn:
        conn.execute(text(_CHANGES["a count"]), {"d": months[40]})
        frames.keep_months(engine, _query(clock.now()))
        unchanged = frames.training_frame(engine, _query(clock.now()))
    changed = _same(engine, _query(clock.now()))
    assert changed["impressions"].sum() == unchanged["impressions"].sum() + 5


def test_a_training_beside_another_keeps_nothing_twice(engine, clock, months, monkeypatch):
    with engine.begin() as conn:
        conn.execute(text(_CHANGES["a count"]), {"d": months[40]})
    inner = frames._Reader.keep

    def late(reader, missing):
        monkeypatch.setattr(frames._Reader, "keep", inner)
        assert frames.keep_months(engine, _query(clock.now())) == 1, "the other training is faster"
        inner(reader, missing)

    monkeypatch.setattr(frames._Reader, "keep", late)
    assert frames.keep_months(engine, _query(clock.now())) == 0
    _same(engine, _query(clock.now()))
    assert _kept(engine) == ["07", "08", "09"]


def test_a_broken_month_is_read_from_its_tables(engine, clock, months, caplog):
    sound = _same(engine, _query(clock.now()))
    with engine.begin() as conn:
        conn.execute(text("UPDATE training_months SET payload = 'nonsense' WHERE month = '2026-08-01'"))
    with caplog.at_level(logging.WARNING, "xbot"):
        pd.testing.assert_frame_equal(frames.training_frame(engine, _query(clock.now())), sound)
    assert "2026-08-01 cannot be read" in caplog.text


def test_a_month_of_other_columns_is_read_from_its_tables(engine, clock, months):
    sound = _same(engine, _query(clock.now()))
    with engine.begin() as conn:
        conn.execute(text("UPDATE training_months SET layout = '0 words', payload = 'of an older version'"))
    pd.testing.assert_frame_equal(frames.training_frame(engine, _query(clock.now())), sound)
    assert frames.keep_months(engine, _query(clock.now())) == 3


def test_removed_words_leave_with_their_month(engine, clock, months):
    with engine.begin() as conn:
        words = conn.execute(
            text("SELECT text FROM posted_decisions WHERE decision_id = :d"), {"d": months[40]}
        ).scalar_one()
        purging.remove_own(conn, months[40])
    assert not frames.training_frame(engine, _query(clock.now()))["text"].eq(words).any()
    assert "08" not in _kept(engine), "the month that held them is gone, not only out of date"


def test_an_import_of_an_old_month_is_seen(engine, clock, months):
    query = _query(clock.now(), simulated=False)
    assert len(frames.training_frame(engine, query)) == 0
    rows = [
        ImportedPost(
            decision_id=uuid4(),
            tweet_id=str(10**17 + number),
            text=f"Old note {number}.",
            posted_at=START - timedelta(days=40 * number),
            hour=8,
            decision_type="single",
            profile_visits=1,
            link_clicks=0,
            bookmarks=0,
        )
        for number in range(4)
    ]
    with engine.begin() as conn:
        add_imported(conn, "default", rows)
    assert len(_same(engine, query)) == 4
    assert frames.keep_months(engine, query) >= 4, "months without a post in between are kept as empty"
    assert len(_same(engine, query)) == 4


def test_counts_that_come_later_than_the_month(engine, clock, months, history):
    with engine.begin() as conn:
        conn.execute(text(_CHANGES["a lost outcome"]), {"d": months[40]})
    frames.keep_months(engine, _query(clock.now()))
    assert _same(engine, _query(clock.now()))["impressions"].isna().sum() == 1
    with engine.begin() as conn:
        tweet = conn.execute(
            text("SELECT tweet_id FROM posted_decisions WHERE decision_id = :d"), {"d": months[40]}
        ).scalar_one()
        history.outcome(conn, months[40], "default", tweet, 2, Counts(impressions=77), clock.now() - timedelta(days=1))
    assert 77 in set(_same(engine, _query(clock.now()))["impressions"])


def test_a_database_that_takes_no_writes_is_said_plainly(engine, clock, months):
    with engine.begin() as conn:
        conn.execute(text(_CHANGES["a count"]), {"d": months[40]})
    with read_only(engine):
        assert len(frames.training_frame(engine, _query(clock.now()))) == 130, "reading goes on"
        with pytest.raises(DatabaseError, match="read-only"):
            frames.keep_months(engine, _query(clock.now()))
    assert frames.keep_months(engine, _query(clock.now())) == 1
