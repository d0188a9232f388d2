"""Which decisions go out while post_fraction is below 1: a draw that sticks to the decision."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Rollout:
    """The draw of one decision. `propensity` is the probability of what happened: fraction when it goes out, else its rest."""

    fraction: float
    draw: float
    goes_out: bool
    propensity: float


def draw(seed: int, decision_id: str, fraction: float) -> Rollout:
    """Uniform in [0, 1) from a hash of seed and decision, so that the same decision draws the same number in every process.

    Raises ValueError for a fraction outside 0..1."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"post_fraction must lie between 0 and 1, not at {fraction}")
    digest = hashlib.sha256(f"{seed}|post_fraction|{decision_id}".encode()).digest()
    number = int.from_bytes(digest[:8]) / 2**64
    goes_out = number < fraction
    return Rollout(fraction, number, goes_out, fraction if goes_out else 1 - fraction)
