"""What a gate says: one verdict per gate, with its score against its threshold."""

from dataclasses import dataclass
from typing import Final, Literal

GATES: Final = ("safety", "quality", "duplicate", "rotation")
GateName = Literal["safety", "quality", "duplicate", "rotation"]

# How each gate behaves when it cannot judge: all of them block ("error"), none lets a text through unread.
FAIL_MODES: Final[dict[str, str]] = {
    "safety": "closed: a text that cannot be read or moderated is blocked",
    "quality": "closed: a text that cannot be scored is blocked",
    "duplicate": "closed: without a vector or the stored neighbours nothing is queued",
    "rotation": "closed: without the topic counts nothing is queued",
}
# Whether the score must stay at or above the threshold (quality) or below it (similarity, topic share).
HIGHER_IS_BETTER: Final[dict[str, bool]] = {"safety": True, "quality": True, "duplicate": False, "rotation": False}


@dataclass(frozen=True)
class Unavailable:
    """A fact a gate needs that could not be had, and why. The gate then answers "error", which blocks."""

    reason: str


@dataclass(frozen=True)
class Verdict:
    """`score` and `threshold` share a scale per gate: safety 0/1, quality 0..1, duplicate cosine, rotation share 0..1."""

    gate: GateName
    verdict: Literal["pass", "block", "error"]
    score: float | None
    threshold: float | None
    reason: str | None = None

    @property
    def passed(self) -> bool:
        return self.verdict == "pass"

    @property
    def margin(self) -> float | None:
        """Distance to the threshold, positive on the passing side; None where the gate gave no score."""
        if self.score is None or self.threshold is None:
            return None
        distance = self.score - self.threshold
        return distance if HIGHER_IS_BETTER[self.gate] else -distance

    def line(self, decision_id: object) -> str:
        """The `[GATE_CHAIN]` log line."""
        score = "none" if self.score is None else f"{self.score:.3f}"
        threshold = "none" if self.threshold is None else f"{self.threshold:.3f}"
        why = f' reason="{self.reason}"' if self.reason else ""
        return f"[GATE_CHAIN] gate={self.gate} verdict={self.verdict} score={score} threshold={threshold} decision_id={decision_id}{why}"
