"""Quality, duplicate and rotation, and the chain that asks them in order."""

from dataclasses import dataclass, field

import pytest

from tests.unit.content.corpus import GOOD, GOOD_ENOUGH, POOR, REWORDED
from xbot_dagster.domain.content import chain, duplicate, quality, rotation
from xbot_dagster.domain.content.chain import ChainConfig
from xbot_dagster.domain.content.duplicate import Nearest
from xbot_dagster.domain.content.rotation import TopicCount
from xbot_dagster.domain.content.safety import SafetyConfig
from xbot_dagster.domain.content.verdicts import FAIL_MODES, GATES, Unavailable, Verdict

CONFIG = ChainConfig(SafetyConfig(), duplicate_threshold=0.85)


@dataclass
class Facts:
    exact: str | None = None
    near: Nearest | Unavailable | None = None
    topics: TopicCount | Unavailable = field(default_factory=lambda: TopicCount(0, 0, 8))
    asked: list[str] = field(default_factory=list)

    def exact_match(self) -> str | None:
        self.asked.append("exact")
        return self.exact

    def nearest(self) -> Nearest | Unavailable | None:
        self.asked.append("nearest")
        return self.near

    def topic_count(self) -> TopicCount | Unavailable:
        self.asked.append("topics")
        return self.topics


@pytest.mark.parametrize("text", GOOD_ENOUGH)
def test_posts_worth_reading_pass_the_quality_gate(text: str) -> None:
    assert quality.judge([text]).passed
    assert quality.assess([text]).score > 0.9


@pytest.mark.parametrize("text", POOR)
def test_poor_posts_do_not(text: str) -> None:
    verdict = quality.judge([text])
    assert verdict.verdict == "block"
    assert verdict.reason


def test_no_gate_lets_everything_or_nothing_through_on_the_corpus() -> None:
    rate = sum(quality.judge([text]).passed for text in GOOD + POOR) / len(GOOD + POOR)
    assert 0.55 < rate < 0.75


def test_another_language_is_the_accounts_choice() -> None:
    text = "Der Schlaf ist das beste Mittel, das man seinem Körper jede Nacht geben kann, und er kostet nichts."
    assert not quality.judge([text], "en").passed
    assert quality.judge([text], "de").passed
    assert quality.judge(
        ["¿Por qué no dormimos más? La luz de la pantalla nos roba la última hora del día."], "es"
    ).passed
    for words in GOOD_ENOUGH:
        assert quality.judge([words], "en-GB").passed
        assert quality.judge([words], "de").reason == "written in English instead of 'de'", words


def test_a_short_reply_is_no_poor_post() -> None:
    reply = ["Shoes by the door, always. What made you start?"]
    assert quality.judge(reply, reply=True).passed
    assert not quality.judge(["THANKS!!! SO MUCH!!!"], reply=True).passed


def test_reworded_posts_are_duplicates_and_different_ones_are_not() -> None:
    from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder

    embedder = WordLlamaEmbedder()
    limit = duplicate.threshold_for(embedder.name)
    first, second = embedder.embed([a for a, _ in REWORDED]), embedder.embed([b for _, b in REWORDED])
    caught = sum(float(a @ b) >= limit for a, b in zip(first, second, strict=True))
    assert caught >= 8
    rows = embedder.embed(list(GOOD))
    assert max(float(rows[i] @ rows[j]) for i in range(len(rows)) for j in range(i)) < limit - 0.05


def test_duplicates_fail_closed() -> None:
    assert duplicate.judge("abc", None, 0.85).verdict == "block"
    assert duplicate.judge(None, Nearest(0.85, "x"), 0.85).verdict == "block"
    assert duplicate.judge(None, Nearest(0.849, "x"), 0.85).passed
    assert duplicate.judge(None, None, 0.85).passed
    broken = duplicate.judge(None, Unavailable("no embedding"), 0.85)
    assert (broken.verdict, broken.reason, broken.passed) == ("error", "no embedding", False)
    assert duplicate.novelty(Unavailable("no embedding")) is None
    assert duplicate.novelty(None) == 1.0
    assert duplicate.novelty(Nearest(-0.2, "x")) == 1.0


def test_rotation_needs_a_sample_and_more_than_one_topic() -> None:
    assert rotation.judge(TopicCount(0, 0, 5)).passed, "a one-post history is 100 % of one topic"
    assert rotation.judge(TopicCount(9, 9, 5)).passed
    assert rotation.judge(TopicCount(9, 12, 5)).verdict == "block"
    assert rotation.judge(TopicCount(40, 40, 1)).passed, "an account of one topic may keep to it"
    assert rotation.judge(TopicCount(29, 40, 2)).passed
    assert rotation.judge(TopicCount(31, 40, 2)).verdict == "block"
    assert rotation.judge(Unavailable("the database is away")).verdict == "error"


def test_the_chain_asks_in_order_and_stops_at_the_first_block() -> None:
    facts = Facts()
    result = chain.run([GOOD[0]], facts, CONFIG)
    assert [verdict.gate for verdict in result.verdicts] == list(GATES)
    assert result.passed
    assert facts.asked == ["exact", "nearest", "topics"]
    unsafe = Facts()
    assert [v.gate for v in chain.run(["Call 555-123-4567 tonight"], unsafe, CONFIG).verdicts] == ["safety"]
    poor = Facts()
    assert [v.gate for v in chain.run(["Read more."], poor, CONFIG).verdicts] == ["safety", "quality"]
    assert unsafe.asked == poor.asked == []
    same = Facts(exact="d1")
    result = chain.run([GOOD[0]], same, CONFIG)
    assert (result.verdicts[-1].gate, result.passed, result.similarity, result.novelty) == (
        "duplicate",
        False,
        1.0,
        0.0,
    )
    assert same.asked == ["exact"]


def test_a_thread_may_not_repeat_itself_and_a_reply_is_not_rotated() -> None:
    twice = chain.run([GOOD[0], GOOD[0].upper().capitalize()], Facts(), CONFIG)
    assert not twice.passed
    reply = chain.run(["Shoes by the door, always. What made you start?"], Facts(), CONFIG, reply_to="ida")
    assert [verdict.gate for verdict in reply.verdicts] == ["safety", "quality", "duplicate"]


def test_near_misses_are_named() -> None:
    result = chain.run([GOOD[0]], Facts(near=Nearest(0.84, "x"), topics=TopicCount(3, 20, 8)), CONFIG)
    assert result.passed
    assert result.near_misses == ["duplicate"]


def test_a_first_post_is_no_near_miss_of_the_rotation() -> None:
    first = chain.run([GOOD[0]], Facts(topics=TopicCount(0, 0, 8)), CONFIG)
    assert (first.passed, first.near_misses) == (True, [])
    assert first.verdicts[-1].reason == "no sample yet: 0 of 10 posts"


def test_every_gate_says_how_it_fails_and_none_opens() -> None:
    assert set(FAIL_MODES) == set(GATES)
    assert all(mode.startswith("closed") for mode in FAIL_MODES.values())
    line = Verdict("rotation", "error", None, 0.35, "no counts").line("d1")
    assert (
        line == '[GATE_CHAIN] gate=rotation verdict=error score=none threshold=0.350 decision_id=d1 reason="no counts"'
    )
