"""History features: by hand, without a glimpse of the future, and equal in training and in serving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from xbot_dagster.domain.learning.predictors_frame import NEVER, Posts, read_posts
from xbot_dagster.domain.learning.predictors_history import (
    HistoryTable,
    cadence,
    history_at,
    history_features,
)

TARGETS = ("log_impressions", "log_retweets")


def posts_of(rows: list[dict]) -> Posts:
    return read_posts(pd.DataFrame(rows), "UTC")


def row(hour: float, impressions: float | None, *, lag: float = 24, arm: str | None = "a", text: str = "x") -> dict:
    posted = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    return {
        "decision_id": f"{hour:09.3f}",
        "text": text,
        "posted_at": posted,
        "collected_at": posted + timedelta(hours=lag),
        "impressions": impressions,
        "retweets": 0,
        "arm": arm,
        "decision_type": "single",
    }


def column(posts: Posts, name: str) -> np.ndarray:
    history = history_at(posts, TARGETS, posts.planned, posts.groups)
    return history.matrix()[:, history_features(TARGETS).index(name)]


def test_means_by_hand():
    posts = posts_of([row(0, 9), row(1, 99, arm="b"), row(30, 999), row(60, 5)])
    log = np.log1p([9, 99])
    assert np.allclose(column(posts, "all:log_impressions")[:3], [0, 0, log.mean()])
    # The arm's mean is shrunk by 5 pseudo-posts to the type's mean, itself shrunk by 5 to the mean of all.
    overall = log.mean()
    of_type = (log.sum() + 5 * overall) / 7
    assert np.isclose(column(posts, "type_50:log_impressions")[2], of_type)
    assert np.isclose(column(posts, "arm:log_impressions")[2], (log[0] + 5 * of_type) / 6)


def test_an_outcome_counts_from_the_second_of_its_collection():
    at = posts_of([row(0, 9, lag=10), row(10, 5), row(9.99, 5)])
    assert np.allclose(column(at, "all:log_impressions"), [0, 0, np.log1p(9)])


def test_planned_at_decides_not_posted_at():
    late = row(40, 5)
    late["planned_at"] = datetime(2024, 1, 1, 12, tzinfo=UTC)
    posts = posts_of([row(0, 9), late])
    assert np.allclose(column(posts, "all:log_impressions"), [0, 0])


def test_no_group_is_no_group():
    posts = posts_of([row(0, 9, arm=None), row(1, 99, arm=None), row(40, 5, arm=None)])
    assert np.isclose(column(posts, "arm:log_impressions")[2], column(posts, "type_50:log_impressions")[2])


RANDOM_ROWS = st.lists(
    st.builds(
        row,
        st.floats(0, 200).map(lambda hour: round(hour, 3)),
        st.one_of(st.none(), st.integers(0, 10_000)),
        lag=st.sampled_from([1, 24, 30, 100]),
        arm=st.sampled_from(["a", "b", None]),
        text=st.sampled_from(["x", "@Ann hello", "@bob hi", "Why?"]),
    ),
    min_size=2,
    max_size=25,
    unique_by=lambda made: made["decision_id"],
)


@settings(max_examples=60, deadline=None)
@given(RANDOM_ROWS)
def test_every_row_sees_only_what_was_collected_before_it(rows):
    posts = posts_of(rows)
    whole = history_at(posts, TARGETS, posts.planned, posts.groups).matrix()
    for index in range(len(posts)):
        hidden = [
            {**made, "impressions": None if known > posts.planned[index] else made["impressions"],
             "retweets": None if known > posts.planned[index] else made["retweets"]}
            for made, known in zip(
                [rows[position] for position in posts.order], posts.collected, strict=True
            )
        ]  # fmt: skip
        blind = posts_of(hidden)
        again = history_at(blind, TARGETS, blind.planned, blind.groups).matrix()
        assert np.allclose(whole[index], again[index])


@settings(max_examples=60, deadline=None)
@given(RANDOM_ROWS)
def test_the_stored_table_answers_like_the_training_matrix(rows):
    posts = posts_of(rows)
    moment = int(posts.planned.max()) + 50 * 3_600
    table = HistoryTable.from_payload(HistoryTable.at(posts, TARGETS, moment).to_payload())
    direct = history_at(posts, TARGETS, np.full(len(posts), moment), posts.groups)
    assert np.allclose(table.look_up(posts.groups).matrix(), direct.matrix())


def test_cadence_by_hand():
    hour = 3_600
    found = cadence(np.array([10 * hour, 10 * hour + 60, 40 * hour]), np.array([5 * hour]))
    assert np.allclose(found[:, 0], np.log1p([300, 1, 30 * 60 - 1]))
    assert np.allclose(found[:, 1], np.log1p([1, 2, 0]))
    assert np.allclose(found[:, 2], np.log1p([0, 1, 0]))
    assert np.isfinite(cadence(np.array([0]), np.array([], dtype=int))).all()


def test_targets_by_hand():
    made = row(0, 999) | {"engagements": None, "likes": 3, "replies": None, "retweets": 2, "follows": -1}
    posts = posts_of([made, row(1, 0) | {"likes": 1}])
    assert np.isclose(posts.targets["log_engagement_rate"][0], np.log(5.5 / 1000))
    assert np.isnan(posts.targets["log_engagement_rate"][1])
    assert np.isclose(posts.targets["log_retweets"][0], np.log(3))
    assert np.isnan(posts.targets["log_follows"]).all()


def test_a_post_without_outcome_is_never_collected():
    posts = posts_of([row(0, 5), row(1, 5) | {"collected_at": None}])
    assert posts.collected[1] == NEVER
