"""How much a candidate deserves a slot: freshness, what the topic earned before, and the source's weight.

score = 0.45 * freshness + 0.35 * prior + 0.20 * weight / (1 + weight), each part in [0, 1].
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

HALF_LIFE_HOURS = 48.0  # a headline is worth half after two days
UNDATED_FRESHNESS = 0.5  # a topic bank's angle is neither news nor stale
FRESHNESS_SHARE, PRIOR_SHARE, WEIGHT_SHARE = 0.45, 0.35, 0.20
PRIOR_STRENGTH = 10.0  # posts; a topic with fewer is pulled half-way and more to the account's mean
REPEAT_DISCOUNT = 0.5  # each earlier pick of the same topic halves the next one's score


@dataclass(frozen=True)
class TopicRecord:
    """What a topic earned: posts measured and the sum of their rewards."""

    posts: int
    total: float


def freshness(published_at: datetime | None, now: datetime, half_life_hours: float = HALF_LIFE_HOURS) -> float:
    """1 for an item of this instant (or a later one: clocks differ), halving every `half_life_hours`; .5 for undated items."""
    if published_at is None:
        return UNDATED_FRESHNESS
    age_hours = max(0.0, (now - published_at).total_seconds() / 3600)
    return 0.5 ** (age_hours / half_life_hours)


def topic_priors(records: Mapping[str, TopicRecord]) -> dict[str, float]:
    """Engagement prior in [0, 1] per topic, .5 = the account's mean: the shrunken mean reward over twice the mean, capped at 1."""
    posts = sum(record.posts for record in records.values())
    total = sum(record.total for record in records.values())
    if posts == 0 or total <= 0:
        return {topic: 0.5 for topic in records}
    mean = total / posts
    shrunk = {
        topic: (record.total + PRIOR_STRENGTH * mean) / (record.posts + PRIOR_STRENGTH)
        for topic, record in records.items()
    }
    return {topic: min(1.0, max(0.0, value / (2 * mean))) for topic, value in shrunk.items()}


def score(fresh: float, prior: float, weight: float) -> float:
    """The candidate's score in [0, 1]; see the module's formula."""
    return FRESHNESS_SHARE * fresh + PRIOR_SHARE * prior + WEIGHT_SHARE * weight / (1 + weight)


def diverse_order(scored: Sequence[tuple[str, float]], recent: Sequence[str] = ()) -> list[int]:
    """Indices of (topic, score) pairs, best first, each pick discounting its topic's next one.

    `recent`: topics of decisions already planned, which count as picks. Ties keep the given order.
    """
    picks = Counter(recent)
    waiting: dict[str, list[int]] = {}
    for index in sorted(range(len(scored)), key=lambda i: (scored[i][1], -i)):
        waiting.setdefault(scored[index][0], []).append(index)

    def head(topic: str) -> tuple[float, int, str]:
        index = waiting[topic].pop()
        return -scored[index][1] * REPEAT_DISCOUNT ** picks[topic], index, topic

    # A pick changes the worth of its own topic only, so one entry per topic in the heap is always up to date.
    heap = [head(topic) for topic in waiting]
    heapq.heapify(heap)
    order = []
    while heap:
        _, index, topic = heapq.heappop(heap)
        order.append(index)
        picks[topic] += 1
        if waiting[topic]:
            heapq.heappush(heap, head(topic))
    return order
