"""Rehearsals without a browser: repeatable, driven by the shipped sensors alone, resumable."""

from typing import Any

import pytest

from .conftest import Rehearse, Rehearsed

DECISIONS = "SELECT decision_id::text, text, arm, hour_slot, scheduled_at, status, propensity FROM content_metadata ORDER BY scheduled_at, decision_id"
POSTS = "SELECT decision_id::text, tweet_id, text, posted_at FROM posted_decisions ORDER BY posted_at, tweet_id"
REWARDS = "SELECT decision_id::text, collected_pass, reward_version, reward FROM outcome_rewards ORDER BY 1, 2, 3"


def test_the_same_seed_gives_the_same_decisions_posts_and_rewards(
    rehearse: Rehearse, recorded_rehearsal: Rehearsed
) -> None:
    again = rehearse()
    for sql in (DECISIONS, POSTS, REWARDS):
        first = [tuple(row) for row in recorded_rehearsal.rows(sql)]
        assert first
        assert [tuple(row) for row in again.rows(sql)] == first


@pytest.mark.slow
@pytest.mark.browser
def test_the_same_seed_gives_the_same_through_a_browser(rehearse: Rehearse) -> None:
    first, again = (rehearse(hours=30, publisher="sandbox") for _ in range(2))
    for sql in (DECISIONS, POSTS, REWARDS):
        rows = [tuple(row) for row in first.rows(sql)]
        assert rows
        assert [tuple(row) for row in again.rows(sql)] == rows


def test_another_seed_gives_another_world(rehearse: Rehearse, recorded_rehearsal: Rehearsed) -> None:
    other = rehearse(seed=8)
    texts = "SELECT text FROM posted_decisions ORDER BY posted_at"
    assert [tuple(r) for r in other.rows(texts)] != [tuple(r) for r in recorded_rehearsal.rows(texts)]


@pytest.mark.parametrize(
    ("switched_off", "still", "alive"),
    [
        (
            "due_posts",
            "SELECT count(*) FROM posted_decisions",
            "SELECT count(*) FROM content_metadata WHERE status IN ('queued', 'expired')",
        ),
        ("due_outcomes", "SELECT count(*) FROM outcomes", "SELECT count(*) FROM posted_decisions"),
    ],
)
def test_a_stage_stands_still_without_its_sensor(rehearse: Rehearse, switched_off: str, still: str, alive: str) -> None:
    found = rehearse(disabled=(switched_off,))
    assert found.value(still) == 0
    assert found.value(alive) > 0


def test_the_record_says_it_is_finished(recorded_rehearsal: Rehearsed) -> None:
    record: Any = recorded_rehearsal.record
    assert record.finished
    assert record.reached == record.until
    assert not (recorded_rehearsal.settings.home / "clock.json").exists()
