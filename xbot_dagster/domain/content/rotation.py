"""The rotation gate: one topic may not fill the week. Fails closed.

The share counts this post among the account's posts of the last 7 days. Below a minimum sample it always passes (a single
post is 100 % of a one-post history), and an account with few topics gets a wider share: 1.5 times an even split.
"""

from dataclasses import dataclass
from typing import Final

from xbot_dagster.domain.content.verdicts import Unavailable, Verdict

WINDOW_DAYS: Final = 7
MIN_SAMPLE: Final = 10  # posts
MAX_SHARE: Final = 0.35
EVEN_SPLIT_FACTOR: Final = 1.5


@dataclass(frozen=True)
class TopicCount:
    """The account's week: posts of this topic, of all topics, and how many topics it has to choose from."""

    of_topic: int
    of_all: int
    topics_available: int


def threshold(topics_available: int) -> float:
    """The largest share one topic may have."""
    return max(MAX_SHARE, min(1.0, EVEN_SPLIT_FACTOR / max(1, topics_available)))


def judge(counts: TopicCount | Unavailable) -> Verdict:
    """The verdict on one more post of this topic."""
    if isinstance(counts, Unavailable):
        return Verdict("rotation", "error", None, MAX_SHARE, counts.reason)
    limit = threshold(counts.topics_available)
    share = (counts.of_topic + 1) / (counts.of_all + 1)
    if counts.of_all < MIN_SAMPLE:
        return Verdict("rotation", "pass", None, limit, f"no sample yet: {counts.of_all} of {MIN_SAMPLE} posts")
    if share <= limit or limit >= 1:
        return Verdict("rotation", "pass", share, limit)
    return Verdict(
        "rotation", "block", share, limit, f"{counts.of_topic + 1} of {counts.of_all + 1} posts in {WINDOW_DAYS} days"
    )
