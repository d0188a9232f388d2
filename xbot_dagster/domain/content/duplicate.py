"""The duplicate gate: no identical or substantially similar post, of one account or many. Fails closed.

It judges facts that the store looked up: an equal hash, and the nearest vector of the same embedder among the posted and
still queued texts of all accounts of the last 30 days, never the decision itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xbot_dagster.domain.content.verdicts import Unavailable, Verdict

WINDOW_DAYS: Final = 30
# Cosine scales differ by embedder. wordllama: of ten lightly reworded posts eight lie at .85 and above, different posts on one
# topic below .80 (tests/unit/content/corpus.py). OpenAI's model could not be measured offline: set beside the same margin.
THRESHOLDS: Final[dict[str, float]] = {"wordllama": 0.85, "openai": 0.86}
DEFAULT_THRESHOLD: Final = 0.85


@dataclass(frozen=True)
class Nearest:
    """The closest earlier text. `similarity` is a cosine in [-1, 1]; `decision_id` names it."""

    similarity: float
    decision_id: str


def threshold_for(embedder: str) -> float:
    """The cosine at and above which two texts count as the same, by the family of the embedder's name."""
    return next((value for family, value in THRESHOLDS.items() if embedder.startswith(family)), DEFAULT_THRESHOLD)


def judge(exact: str | None, nearest: Nearest | Unavailable | None, threshold: float) -> Verdict:
    """`exact`: the decision with the same hash, if any. `nearest` None: there is no earlier text to compare with."""
    if exact is not None:
        return Verdict("duplicate", "block", 1.0, threshold, f"the same text as decision {exact}")
    if isinstance(nearest, Unavailable):
        return Verdict("duplicate", "error", None, threshold, nearest.reason)
    if nearest is None:
        return Verdict("duplicate", "pass", 0.0, threshold)
    if nearest.similarity >= threshold:
        return Verdict(
            "duplicate", "block", nearest.similarity, threshold, f"too close to decision {nearest.decision_id}"
        )
    return Verdict("duplicate", "pass", nearest.similarity, threshold)


def novelty(nearest: Nearest | Unavailable | None) -> float | None:
    """1 - the largest cosine, in [0, 1]; 1 without an earlier text, None when it is not known."""
    if isinstance(nearest, Unavailable):
        return None
    return 1.0 if nearest is None else min(1.0, max(0.0, 1.0 - nearest.similarity))


def repeated_parts(parts: Sequence[str]) -> bool:
    """Whether a thread says the same part twice."""
    from xbot_dagster.domain.content.text import content_hash

    return len({content_hash(part) for part in parts}) < len(parts)
