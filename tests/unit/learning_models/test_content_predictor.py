"""The content predictor: finds what is there, finds nothing where nothing is, and never looks ahead."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from xbot_dagster.domain.learning import predictors_design
from xbot_dagster.domain.learning.predictors import ContentPredictor, TooFewOutcomes, train_content
from xbot_dagster.domain.learning.predictors_frame import FrameError, read_posts
from xbot_dagster.domain.measuring.embedders import EmbedderMismatch, WordLlamaEmbedder

from .frames import end_of, frame, without_outcomes

EMBEDDER = WordLlamaEmbedder()


def train(posts: pd.DataFrame, **options) -> ContentPredictor:
    trained = train_content(posts, as_of=options.pop("as_of", end_of(posts)), random_state=7, **options)
    assert isinstance(trained, ContentPredictor)
    return trained


@pytest.fixture(scope="module")
def posts() -> pd.DataFrame:
    return frame(300)


@pytest.fixture(scope="module")
def trained(posts) -> ContentPredictor:
    return train(posts, embedder=EMBEDDER)


def test_planted_effect_is_found_and_gated(trained):
    scores = trained.metrics["log_impressions"]["stack"]
    assert scores["spearman"] > 0.5
    assert scores["gain_low"] > 0
    assert trained.gain.low > 0
    assert trained.served_by["log_impressions"] == "stack"


def test_predictions_follow_the_planted_effect(trained, posts):
    later = without_outcomes(posts.tail(2)).assign(
        text=["Coffee helps more than people say. What do you think?", "Rest takes patience and time."],
        topic=["coffee", "rest"],
        posted_at=[end_of(posts) + timedelta(hours=1), end_of(posts) + timedelta(hours=3)],
    )
    better, worse = trained.predict(later, embedder=EMBEDDER)
    assert better.estimates["log_impressions"].value > worse.estimates["log_impressions"].value + 1
    assert better.p_beats_median is not None
    assert 0 <= better.p_beats_median <= 1


def test_estimates_lie_in_their_interval_inside_the_observed_range(trained, posts):
    observed = np.log1p(posts.impressions)
    for prediction in trained.predict(without_outcomes(posts), embedder=EMBEDDER):
        estimate = prediction.estimates["log_impressions"]
        assert observed.min() <= estimate.low <= estimate.value <= estimate.high <= observed.max()


def test_interval_covers_about_what_it_says(trained):
    assert 0.8 <= trained.metrics["log_impressions"]["stack"]["coverage"] <= 0.98


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shuffled_outcomes_give_nothing(seed):
    posts = frame(300, seed=seed)
    outcomes = ["impressions", "retweets", "replies", "likes", "profile_visits", "engagements"]
    order = np.random.default_rng(seed).permutation(len(posts))
    posts[outcomes] = posts[outcomes].to_numpy()[order]
    shuffled = train(posts)
    assert shuffled.gain.low <= 0.0
    assert shuffled.metrics["log_impressions"]["stack"]["gain_low"] <= 0.0
    assert abs(shuffled.metrics["log_impressions"]["stack"]["spearman"]) < 0.2


def test_future_rows_change_nothing(posts):
    as_of = posts.posted_at.iloc[220].to_pydatetime()
    past = posts[posts.posted_at <= as_of]
    candidates = without_outcomes(posts.iloc[221:226])
    with_future, without_future = train(posts, as_of=as_of), train(past, as_of=as_of)
    assert with_future.n == without_future.n
    assert with_future.metrics == without_future.metrics
    assert with_future.predict(candidates) == without_future.predict(candidates)


def test_outcomes_collected_after_as_of_are_not_learned_from(posts):
    as_of = posts.posted_at.iloc[220].to_pydatetime()
    changed = posts.copy()
    late = changed.collected_at > as_of
    changed.loc[late, "impressions"] = 10**6
    assert train(changed, as_of=as_of).metrics == train(posts, as_of=as_of).metrics
    assert train(posts, as_of=as_of).n == int((~late).sum())


def test_row_order_of_the_frame_does_not_matter(posts):
    mixed = posts.sample(frac=1, random_state=3)
    candidates = without_outcomes(posts.tail(5))
    assert train(mixed).predict(candidates) == train(posts).predict(candidates)


def test_same_random_state_same_predictor(posts):
    candidates = without_outcomes(posts.tail(5))
    assert train(posts).predict(candidates) == train(posts).predict(candidates)


def test_texts_that_no_fit_looks_at_are_not_read_and_change_nothing(posts, monkeypatch):
    class Counting(WordLlamaEmbedder):
        texts = 0

        def embed(self, texts):
            self.texts += len(texts)
            return super().embed(texts)

    monkeypatch.setattr(predictors_design, "TEXT_WINDOW", 60)
    few, all_of_them = Counting(), Counting()
    candidates = without_outcomes(posts.tail(5))
    trained = train(posts, embedder=few, evaluated_posts=50)
    read = few.texts
    monkeypatch.setattr(predictors_design, "text_start", lambda posts, second: 0)
    from_the_first = train(posts, embedder=all_of_them, evaluated_posts=50)
    assert all_of_them.texts == len(posts)
    assert 110 <= read <= 130
    assert trained.metrics == from_the_first.metrics
    assert trained.predict(candidates, embedder=few) == from_the_first.predict(candidates, embedder=few)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_fewer_than_five_outcomes_are_refused(n):
    posts = frame(20)
    posts.loc[n:, "collected_at"] = pd.NaT
    refused = train_content(posts, as_of=end_of(frame(20)), random_state=7)
    assert refused == TooFewOutcomes(n)
    assert refused.reason == "insufficient real outcomes (need 5)"


def test_five_outcomes_train_but_prove_nothing():
    posts = frame(5)
    trained = train(posts)
    assert trained.n == 5
    assert trained.gain is None
    assert set(trained.served_by.values()) == {"rolling"}
    assert len(trained.predict(without_outcomes(posts))) == 5


def test_six_posts_of_which_all_outcomes_are_null_are_refused():
    posts = frame(30)
    for column in ("impressions", "retweets", "replies", "likes", "profile_visits", "engagements"):
        posts[column] = None
    assert isinstance(train_content(posts, as_of=end_of(posts), random_state=7), TooFewOutcomes)


def test_constant_outcomes_predict_the_constant():
    posts = frame(150).assign(impressions=500, retweets=0, engagements=10, profile_visits=2)
    trained = train(posts)
    prediction = trained.predict(without_outcomes(posts.tail(1)))[0]
    assert prediction.estimates["log_impressions"].value == pytest.approx(np.log1p(500))
    assert prediction.estimates["log_retweets"].value == 0
    assert trained.metrics["log_impressions"]["stack"]["r2"] is None
    assert trained.gain is None, "what does not vary cannot be predicted better or worse"


def test_nulls_infinities_and_absurd_numbers_do_not_break_training():
    posts = frame(150)
    posts["impressions"] = posts["impressions"].astype(float)
    posts.loc[::7, "impressions"] = np.nan
    posts.loc[3, "impressions"] = np.inf
    posts.loc[4, "impressions"] = -5
    posts["retweets"] = posts["retweets"].astype(object)
    posts.loc[5, "retweets"] = "many"
    posts.loc[::5, ["arm", "topic"]] = None
    posts.loc[6, "text"] = None
    posts["profile_visits"] = None
    trained = train(posts)
    assert "log_profile_visits" not in trained.targets
    for prediction in trained.predict(without_outcomes(posts)):
        assert all(np.isfinite([e.value, e.low, e.high]).all() for e in prediction.estimates.values())


def test_outcome_collected_before_its_post_is_not_known_before_the_post():
    posts = frame(150)
    posts.loc[140, "collected_at"] = posts.loc[0, "posted_at"]
    as_of = posts.posted_at.iloc[100].to_pydatetime()
    assert train(posts, as_of=as_of).n == train(frame(150), as_of=as_of).n


def test_missing_column_is_one_sentence(posts):
    with pytest.raises(FrameError, match="no column 'text'"):
        train_content(posts.drop(columns="text"), as_of=end_of(posts), random_state=7)
    with pytest.raises(FrameError, match="not a time"):
        train_content(posts.assign(posted_at="yesterday"), as_of=end_of(posts), random_state=7)


def test_naive_as_of_is_refused(posts):
    with pytest.raises(ValueError, match="time zone"):
        train_content(posts, as_of=end_of(posts).replace(tzinfo=None), random_state=7)


def test_missing_and_foreign_embeddings(trained, posts):
    class Other(WordLlamaEmbedder):
        name = "other"

    alone = trained.predict(without_outcomes(posts.tail(2)))
    assert alone[0].notes == (f"predicted without embeddings of {EMBEDDER.name}",)
    with pytest.raises(EmbedderMismatch, match="trained with"):
        trained.predict(without_outcomes(posts.tail(2)), embedder=Other())


def test_stored_vectors_are_used_only_if_their_embedder_is_ours(trained, posts):
    tail = without_outcomes(posts.tail(2))
    vectors = [row.tolist() for row in EMBEDDER.embed(tail.text.tolist())]
    fresh = trained.predict(tail, embedder=EMBEDDER)
    assert trained.predict(tail.assign(embedding=vectors, embedder=EMBEDDER.name), embedder=EMBEDDER) == fresh
    foreign = tail.assign(embedding=[[0.5] * 256] * 2, embedder="other")
    assert trained.predict(foreign, embedder=EMBEDDER) == fresh


def test_history_can_move_on_without_training(posts):
    early = posts.posted_at.iloc[200].to_pydatetime()
    trained = train(posts, as_of=early)
    doubled = posts.copy()
    doubled.loc[200:, "impressions"] *= 20
    moved = trained.with_history(doubled, end_of(doubled))
    candidate = without_outcomes(posts.tail(1)).assign(posted_at=end_of(posts))
    groups = read_posts(candidate, "UTC").groups
    reach = trained.targets.index("log_impressions")
    assert moved.history.look_up(groups).rolling[0, reach] > trained.history.look_up(groups).rolling[0, reach] + 1
    assert moved.predict(candidate) != trained.predict(candidate)
    assert trained.with_history(posts, early).predict(candidate) == trained.predict(candidate)


def test_no_rows_no_predictions(trained, posts):
    assert trained.predict(without_outcomes(posts.iloc[:0])) == []
