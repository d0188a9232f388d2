"""The gate: unproven stays a candidate, worse than the champion stays a candidate, better serves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xbot_dagster.domain.learning.predictors import ContentPredictor, train_content
from xbot_dagster.domain.learning.promotion import MIN_COMMON_POSTS, NO_WORSE_MARGIN, Hold, Promote, compare, decide
from xbot_dagster.domain.learning.walkforward import block_bootstrap

from .frames import end_of, frame


def train(posts: pd.DataFrame, **options) -> ContentPredictor:
    trained = train_content(posts, as_of=options.pop("as_of", end_of(posts)), random_state=7, **options)
    assert isinstance(trained, ContentPredictor)
    return trained


@pytest.fixture(scope="module")
def posts() -> pd.DataFrame:
    return frame(260)


@pytest.fixture(scope="module")
def challenger(posts) -> ContentPredictor:
    return train(posts)


def test_a_proven_challenger_is_promoted(challenger, posts):
    verdict = decide(challenger, None, posts)
    assert isinstance(verdict, Promote)
    assert verdict.gain.low > 0
    assert verdict.against_champion is None
    assert verdict.reason.startswith("better than the rolling mean by +")


def test_training_is_not_proof():
    verdict = decide(train(frame(25)), None)
    assert isinstance(verdict, Hold)
    assert verdict.reason == "too few scored posts whose outcomes differ to compare it with the rolling mean"


@pytest.mark.parametrize("n", [2, 7, 20, 25, 30])
def test_a_short_series_has_an_interval_of_some_width(n):
    found = block_bootstrap(np.random.default_rng(n).standard_normal(n), 7)
    assert found.low < found.value < found.high


def test_shuffled_outcomes_are_held():
    posts = frame(260, seed=5)
    posts["impressions"] = posts["impressions"].sample(frac=1, random_state=1).to_numpy()
    verdict = decide(train(posts, targets=("log_impressions",)), None)
    assert isinstance(verdict, Hold)
    assert verdict.reason.startswith("the gain over the rolling mean may be nothing")


def test_the_same_recipe_on_more_posts_is_no_worse_than_its_champion(challenger, posts):
    champion = train(posts, as_of=posts.posted_at.iloc[180].to_pydatetime())
    verdict = decide(challenger, champion, posts)
    assert isinstance(verdict, Promote)
    assert verdict.against_champion is not None
    assert verdict.against_champion.value >= -NO_WORSE_MARGIN


def test_worse_than_the_champion_is_held(challenger, posts):
    outcome = posts.set_index("decision_id")
    told = {name: {"log_impressions": float(np.log1p(outcome.loc[name, "impressions"]))} for name in challenger.forward}
    clairvoyant = replace(challenger, forward=told)
    against = compare(challenger, clairvoyant, posts)
    assert against is not None
    assert against.high < 0
    verdict = decide(challenger, clairvoyant, posts)
    assert isinstance(verdict, Hold)
    assert verdict.reason.startswith("worse than the champion on the posts both predicted: -")


def test_few_common_posts_are_no_comparison(challenger, posts):
    few = dict(list(challenger.forward.items())[: MIN_COMMON_POSTS - 1])
    assert compare(challenger, replace(challenger, forward=few), posts) is None


def test_a_champion_is_not_asked_about_posts_it_was_trained_on(challenger, posts):
    """Only stored walk-forward predictions count before its training; a champion without them has nothing to show."""
    assert compare(challenger, replace(challenger, forward={}), posts) is None
