"""Scores: fresh beats stale, what a topic earned counts as much as its sample, topics take turns."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.content import scoring
from xbot_dagster.domain.content.scoring import TopicRecord

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)


def test_freshness_halves_in_two_days() -> None:
    assert scoring.freshness(NOW, NOW) == 1.0
    assert scoring.freshness(NOW + timedelta(hours=3), NOW) == 1.0
    assert scoring.freshness(NOW - timedelta(hours=48), NOW) == 0.5
    assert scoring.freshness(None, NOW) == 0.5


def test_priors_shrink_with_the_sample() -> None:
    priors = scoring.topic_priors({"a": TopicRecord(100, 40.0), "b": TopicRecord(2, 2.0), "c": TopicRecord(100, 10.0)})
    assert priors["c"] < 0.5 < priors["a"]
    assert priors["b"] < 1.0, "two lucky posts are not a trend"
    assert scoring.topic_priors({"a": TopicRecord(0, 0.0)}) == {"a": 0.5}
    assert scoring.topic_priors({}) == {}


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 100))
def test_a_score_is_a_share(fresh: float, prior: float, weight: float) -> None:
    assert 0 <= scoring.score(fresh, prior, weight) <= 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), max_size=30),
    st.lists(st.sampled_from("abc"), max_size=5),
)
def test_the_order_is_a_permutation_led_by_the_best(scored: list[tuple[str, float]], recent: list[str]) -> None:
    order = scoring.diverse_order(scored, recent)
    assert sorted(order) == list(range(len(scored)))
    if order and not recent:
        assert scored[order[0]][1] == max(score for _, score in scored)
    for topic in "abc":
        own = [scored[i][1] for i in order if scored[i][0] == topic]
        assert own == sorted(own, reverse=True)


def test_topics_take_turns() -> None:
    scored = [("a", 0.9)] * 6 + [("b", 0.8)] * 6 + [("c", 0.7)] * 6
    first = [scored[i][0] for i in scoring.diverse_order(scored)[:6]]
    assert Counter(first) == {"a": 2, "b": 2, "c": 2}
    assert scored[scoring.diverse_order(scored, ["a", "a"])[0]][0] == "b"
