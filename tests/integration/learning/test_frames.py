"""Training frames: what was known by a moment, of the right family, with the features as they are stored."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from xbot_dagster.domain.learning.predictors_frame import read_posts
from xbot_dagster.stages import features
from xbot_dagster.store import frames
from xbot_dagster.store.frames import FrameQuery

START = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def query(clock):
    return FrameQuery("default", True, clock.now(), features.version())


def test_only_what_was_known_by_then(engine, history, query):
    history.add(30, START, every=timedelta(hours=5))
    as_of = START + timedelta(days=3)
    frame = frames.training_frame(engine, FrameQuery("default", True, as_of, features.version()))
    assert (frame["posted_at"] <= as_of).all()
    known = frame["impressions"].notna()
    assert (frame.loc[known, "collected_at"] <= as_of).all()
    assert 0 < known.sum() < len(frame), "younger posts are there, unmeasured"
    later = frames.training_frame(engine, query)
    earlier = frame[known].set_index("decision_id")
    same = later.set_index("decision_id").loc[earlier.index]
    assert same["impressions"].tolist() == earlier["impressions"].tolist()


def test_other_family_first_passes_and_late_reads_are_no_outcomes(engine, history, query):
    ids = history.add(6, START)
    with engine.begin() as conn:
        conn.execute(text("UPDATE outcomes SET simulated = false WHERE decision_id = :d"), {"d": ids[0]})
        conn.execute(text("UPDATE outcomes SET late = true WHERE decision_id = :d"), {"d": ids[1]})
        conn.execute(text("DELETE FROM outcomes WHERE decision_id = :d AND collected_pass = 2"), {"d": ids[2]})
        conn.execute(text("UPDATE posted_decisions SET simulated = false WHERE decision_id = :d"), {"d": ids[3]})
    frame = frames.training_frame(engine, query)
    assert len(frame) == 5
    assert set(frame.loc[frame["impressions"].notna(), "decision_id"]) == {str(ids[4]), str(ids[5])}


def test_stored_features_arrive_exactly(engine, clock, history, query):
    history.add(12, START)
    features.run(engine, clock, START.date(), clock.now().date())
    frame = frames.training_frame(engine, query)
    with engine.begin() as conn:
        stored = dict(conn.execute(text("SELECT decision_id::text, features FROM post_features")).all())
    for _, row in frame.iterrows():
        for name, value in stored[row["decision_id"]].items():
            if isinstance(value, int | float):
                assert row[name] == pytest.approx(float(value), rel=1e-6), name
            elif value is None:
                assert np.isnan(row[name]), name
    assert frame["hook_pattern"].map(type).eq(str).all(), "the label is not overwritten by a number"


def test_frames_with_and_without_stored_features_read_alike(engine, clock, history, query):
    history.add(12, START)
    bare = read_posts(frames.training_frame(engine, query), "UTC")
    features.run(engine, clock, START.date(), clock.now().date())
    stored = read_posts(frames.training_frame(engine, query), "UTC")
    assert bare.decision_id == stored.decision_id
    known = ~np.isnan(bare.static)
    np.testing.assert_allclose(bare.static[known], stored.static[known], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "packed"),
    [(1.5, 1.5), (True, 1.0), (False, 0.0), (None, np.nan), ("word", np.nan), (1e300, 0.0), (1e-300, 0.0), (-2, -2.0)],
)
def test_packing(engine, value, packed):
    with engine.begin() as conn:
        raw = conn.execute(
            text("SELECT xbot_pack(cast(:j AS jsonb))"), {"j": json.dumps({"b": value, "aa": 3.0})}
        ).scalar_one()
    assert np.array_equal(np.frombuffer(raw, ">f4"), np.array([packed, 3.0], ">f4"), equal_nan=True)


def test_an_account_without_posts_is_an_empty_frame(engine, query):
    frame = frames.training_frame(engine, query)
    assert len(frame) == 0
    assert {"text", "posted_at", "collected_at", "impressions"} <= set(frame.columns)
