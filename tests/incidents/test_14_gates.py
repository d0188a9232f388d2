"""Incident 14: gates that blocked everything, or nothing. Pass rates have a band, a dead gate alerts, rotation needs a sample."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.unit.content.corpus import GOOD_ENOUGH, INNOCENT, POOR, REWORDED, UNSAFE
from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.content.chain import ChainConfig
from xbot_dagster.domain.content.safety import SafetyConfig
from xbot_dagster.domain.content.text import content_hash
from xbot_dagster.domain.content.verdicts import Verdict
from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder
from xbot_dagster.stages import gates
from xbot_dagster.store import decisions, verdicts
from xbot_dagster.store.decisions import NewDecision

EMBEDDER = WordLlamaEmbedder()
CONFIG = ChainConfig(SafetyConfig(), duplicate_threshold=0.85)


def judged(
    words: str, topic: str = "sleep", account: str = "default", decision_id: uuid.UUID | None = None
) -> gates.Judged:
    row = EMBEDDER.embed([words])[0]
    vector = tuple(float(x) for x in row) if row.any() else None
    return gates.Judged(
        decision_id or uuid.uuid4(), account, (words,), topic, content_hash(words), EMBEDDER.name, vector
    )


def store(engine: Engine, clock: FixedClock, each: gates.Judged, status: str = "queued", days_ago: float = 0) -> None:
    with engine.begin() as conn:
        decisions.insert(
            conn,
            NewDecision(
                each.decision_id,
                each.account,
                "single",
                each.parts,
                "synthetic",
                status,
                True,
                topic=each.topic,
                scheduled_at=clock.now() - timedelta(days=days_ago),
                embedding=each.vector,
                embedder=each.embedder if each.vector else None,
                content_hash=each.content_hash,
            ),
        )


def blocked_by(engine: Engine, each: gates.Judged) -> str | None:
    with engine.begin() as conn:
        blocker = gates.judge(conn, each, CONFIG).blocked_by
    return blocker.gate if blocker else None


def test_the_golden_corpus_passes_within_its_band(engine: Engine) -> None:
    corpus = [*GOOD_ENOUGH, *INNOCENT, *POOR, *(words for words, _ in UNSAFE)]
    passed = [words for words in corpus if blocked_by(engine, judged(words)) is None]
    assert set(GOOD_ENOUGH) <= set(passed)
    assert not set(passed) & {words for words, _ in UNSAFE}
    assert not set(passed) & set(POOR)
    assert 0.35 < len(passed) / len(corpus) < 0.55


def test_an_empty_history_and_a_history_of_one_block_nothing(engine: Engine, clock: FixedClock) -> None:
    first = judged(GOOD_ENOUGH[0])
    assert blocked_by(engine, first) is None
    store(engine, clock, first)
    assert blocked_by(engine, first) is None, "a text is never its own duplicate"
    assert blocked_by(engine, judged(GOOD_ENOUGH[1])) is None, "one earlier post is 100 % of its topic, and no reason"


def test_rewordings_are_found_among_posted_and_queued_of_all_accounts(engine: Engine, clock: FixedClock) -> None:
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO accounts (account, handle) VALUES ('second', 'second')"))
    original, reworded = REWORDED[1]
    for status, account in (
        ("queued", "default"),
        ("posted", "second"),
        ("awaiting_approval", "second"),
        ("in_doubt", "default"),
    ):
        kept = judged(original, account=account)
        store(engine, clock, kept, status)
        assert blocked_by(engine, judged(reworded)) == "duplicate", (status, account)
        with engine.begin() as conn:
            conn.execute(text("DELETE FROM content_metadata"))


@pytest.mark.parametrize(
    ("status", "days"), [("blocked", 0), ("cancelled", 0), ("expired", 0), ("rejected", 0), ("posted", 31)]
)
def test_what_was_never_said_or_long_ago_is_no_duplicate(
    engine: Engine, clock: FixedClock, status: str, days: float
) -> None:
    original, reworded = REWORDED[1]
    store(engine, clock, judged(original), status, days)
    assert blocked_by(engine, judged(reworded)) is None
    assert blocked_by(engine, judged(original)) is None


def test_vectors_of_another_embedder_are_not_compared(engine: Engine, clock: FixedClock) -> None:
    original, reworded = REWORDED[1]
    other = judged(original)
    store(engine, clock, gates.Judged(**{**other.__dict__, "embedder": "openai:text-embedding-3-small:256"}))
    assert blocked_by(engine, judged(reworded)) is None


def test_one_topic_may_not_fill_the_week(engine: Engine, clock: FixedClock) -> None:
    with engine.begin() as conn:
        conn.execute(
            text("INSERT INTO content_sources (source, account, kind) VALUES ('bank', 'default', 'topic_bank')")
        )
        for topic in ("sleep", "walking", "reading", "focus"):
            conn.execute(
                text(
                    "INSERT INTO content_candidates (candidate_id, account, source, topic, title, score, freshness, content_hash, expires_at) "
                    "VALUES (gen_random_uuid(), 'default', 'bank', :topic, :topic, .5, .5, :hash, xbot_now() + interval '9 days')"
                ),
                {"topic": topic, "hash": content_hash(topic)},
            )
    for words in GOOD_ENOUGH[:9]:
        store(engine, clock, judged(words))
    assert blocked_by(engine, judged(GOOD_ENOUGH[9])) is None, "nine posts are no sample"
    for words in GOOD_ENOUGH[9:12]:
        store(engine, clock, judged(words, "walking"))
    assert blocked_by(engine, judged(GOOD_ENOUGH[12])) == "rotation"
    assert blocked_by(engine, judged(GOOD_ENOUGH[12], "reading")) is None


def test_a_gate_that_blocks_everything_alerts_and_recovers(engine: Engine, clock: FixedClock) -> None:
    def verdict(passed: bool, number: int) -> None:
        each = judged(f"text number {number}")
        store(engine, clock, each, "blocked")
        with engine.begin() as conn:
            verdicts.insert(conn, each.decision_id, [Verdict("quality", "pass" if passed else "block", 0.3, 0.7, None)])
        clock.set(clock.now() + timedelta(minutes=1))

    for number in range(19):
        verdict(False, number)
    assert gates.alert_dead_gates(engine) == [], "nineteen blocks may be bad luck"
    verdict(False, 19)
    assert gates.alert_dead_gates(engine) == ["quality"]
    assert gates.alert_dead_gates(engine) == ["quality"]
    with engine.begin() as conn:
        assert conn.execute(text("SELECT rule, subject, state FROM alerts")).all() == [
            ("gate_blocks_everything", "quality", "open")
        ]
    verdict(True, 20)
    assert gates.alert_dead_gates(engine) == []
    with engine.begin() as conn:
        assert conn.execute(text("SELECT state FROM alerts")).scalars().all() == ["closed"]
        found = verdicts.stats(conn)
    assert [(each.gate, each.judged, each.passed) for each in found] == [("quality", 21, 1)]
