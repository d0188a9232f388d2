"""Which drafts a person must see before they are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Policy = Literal["none", "risky_only", "all"]
FIRST_OF_A_PROMPT: Final = 5  # decisions a new prompt version must get past a person


@dataclass(frozen=True)
class Risk:
    """What is known of a draft when it has passed the gates. `near_misses`: gates it passed with little to spare."""

    links: int
    mentions: int
    near_misses: Sequence[str]
    decisions_of_this_prompt: int


def reasons(policy: Policy, risk: Risk) -> list[str]:
    """Why a person must look at it; empty when nobody must."""
    if policy == "none":
        return []
    if policy == "all":
        return ["the account's policy asks for approval of everything"]
    found = []
    if risk.links:
        found.append("it carries a link")
    if risk.mentions:
        found.append("it mentions somebody")
    if risk.near_misses:
        found.append(f"close to the limit of: {', '.join(risk.near_misses)}")
    if risk.decisions_of_this_prompt < FIRST_OF_A_PROMPT:
        found.append(f"one of the first {FIRST_OF_A_PROMPT} of this prompt version")
    return found
