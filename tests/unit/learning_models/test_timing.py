"""The hour model: finds a planted evening, invents none, and stays humble about hours it never saw."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from xbot_dagster.domain.learning import predictors_timing as timing
from xbot_dagster.domain.learning.predictors import TooFewOutcomes
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor, basis, train_timing

from .frames import end_of, frame


def evening(n: int, effect: float, seed: int = 1) -> pd.DataFrame:
    """Posts every three hours whose reach is `effect` higher (log scale) between 18 and 23 UTC."""
    posts = frame(n, seed=seed, effect=0.0, every_minutes=180)
    late = posts.posted_at.dt.hour >= 18
    posts["impressions"] = (posts.impressions * np.where(late, np.exp(effect), 1.0)).astype(int)
    return posts


def train(posts: pd.DataFrame, **options) -> TimingPredictor:
    trained = train_timing(posts, as_of=end_of(posts), random_state=7, **options)
    assert isinstance(trained, TimingPredictor)
    return trained


def test_planted_evening_is_found():
    trained = train(evening(400, 0.9))
    assert trained.gain is not None
    assert trained.gain.low > 0
    assert trained.predict(20, 2).low > trained.predict(8, 2).high


def test_without_an_effect_no_hour_stands_out():
    trained = train(evening(400, 0.0))
    assert trained.gain is not None
    assert trained.gain.low <= 0
    assert max(abs(estimate.value) for row in trained.table() for estimate in row) < 0.2


def test_a_lucky_day_is_not_a_lucky_hour():
    """Whole days far above the rest, each posted on at one hour only: the day effect takes the blame."""
    posts = frame(200, effect=0.0, every_minutes=5)
    day = np.arange(200) // 10
    lucky = np.random.default_rng(2).normal(0, 1.5, 20)
    posts["posted_at"] = [
        pd.Timestamp("2024-03-01 09:00", tz="UTC") + timedelta(days=int(d), minutes=5 * (i % 10), hours=int(d) % 12)
        for i, d in enumerate(day)
    ]
    posts["collected_at"] = posts.posted_at + timedelta(hours=24)
    posts["impressions"] = (posts.impressions * np.exp(lucky[day])).astype(int)
    trained = train(posts)
    assert all(estimate.low <= 0 <= estimate.high for estimate in (trained.predict(hour, 2) for hour in range(9, 21)))


def test_hours_are_those_of_the_account():
    posts = evening(400, 0.9)
    tokyo = train(posts, zone="Asia/Tokyo")
    assert tokyo.predict(5, 2).value > tokyo.predict(17, 2).value
    assert sum(sum(row) for row in tokyo.counts) == tokyo.n == 400


def test_how_strong_hours_are_is_averaged_over_not_chosen():
    """Against the marginal likelihood of scipy: one post a day, so that there is no day effect."""
    rng = np.random.default_rng(5)
    design = basis(rng.uniform(0, 24, 90), rng.integers(0, 7, 90))
    residual = 0.4 * design[:, 0] + rng.normal(size=90)
    centre, mean, covariance = timing._posterior(design, residual, np.arange(90))
    outcome, noise = residual - residual.mean(), np.var(residual)
    weights, means, seconds = [], [], []
    for amplitude in timing.PRIOR_AMPLITUDES:
        prior = amplitude**2 * noise
        weights.append(multivariate_normal(cov=noise * np.eye(90) + prior * design @ design.T).pdf(outcome))
        spread = np.linalg.inv(design.T @ design / noise + np.eye(8) / prior)
        means.append(spread @ design.T @ outcome / noise)
        seconds.append(spread + np.outer(means[-1], means[-1]))
    shares = np.array(weights) / sum(weights)
    assert shares.max() < 0.9, "else choosing one would do as well"
    assert centre == pytest.approx(residual.mean())
    assert mean == pytest.approx(shares @ np.array(means), abs=1e-9)
    assert covariance == pytest.approx(np.tensordot(shares, np.array(seconds), 1) - np.outer(mean, mean), abs=1e-9)


def test_midnight_is_no_edge():
    trained = train(evening(400, 0.9))
    assert trained.predict(23.99, 2).value == pytest.approx(trained.predict(0.0, 2).value, abs=0.02)
    assert basis(np.array([0.0]), np.array([0]))[0] == pytest.approx(basis(np.array([24.0]), np.array([0]))[0])


def test_an_hour_never_tried_is_less_certain():
    posts = evening(400, 0.9)
    morning = posts[posts.posted_at.dt.hour < 12]
    trained = train(morning)
    assert trained.predict(20, 2).n == 0
    tried, untried = trained.predict(6, 2), trained.predict(20, 2)
    assert untried.high - untried.low > tried.high - tried.low


def test_future_rows_change_nothing():
    posts = evening(300, 0.9)
    as_of = posts.posted_at.iloc[200].to_pydatetime()
    whole = train_timing(posts, as_of=as_of, random_state=7)
    past = train_timing(posts[posts.posted_at <= as_of], as_of=as_of, random_state=7)
    assert whole == past


@pytest.mark.parametrize("n", [0, 4])
def test_fewer_than_five_outcomes_are_refused(n):
    posts = frame(20)
    posts.loc[n:, "collected_at"] = pd.NaT
    assert train_timing(posts, as_of=end_of(frame(20)), random_state=7) == TooFewOutcomes(n)


@pytest.mark.parametrize(("n", "impressions"), [(5, 100), (200, 1000)])
def test_constant_outcomes_train_and_say_nothing(n, impressions):
    posts = frame(n).assign(impressions=impressions)
    trained = train(posts)
    assert trained.gain is None
    assert trained.predict(9, 0).value == pytest.approx(0, abs=1e-6)


def test_without_impressions_retweets_are_the_outcome():
    posts = frame(60).assign(impressions=None, engagements=None)
    assert train(posts).target == "log_retweets"
