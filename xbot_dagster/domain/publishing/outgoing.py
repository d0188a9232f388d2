"""What can be submitted at all: the last check of a decision's parts before anything is claimed from the rate ledger."""

import re
from collections.abc import Sequence

from xbot_dagster.domain.measuring.weighted_length import weighted_length
from xbot_dagster.domain.publishing.fingerprint import fingerprint, is_tweet_id, normalised

MAX_WEIGHT = 280
MAX_PARTS = 25
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def complaint(decision_type: str, parts: Sequence[str], target: str | None = None) -> str | None:
    """One sentence saying why this decision can never be published as it is, or None.

    parts: the texts in order; a thread has two or more, a single or a reply exactly one. target: tweet id a reply answers."""
    if decision_type == "thread":
        if not 2 <= len(parts) <= MAX_PARTS:
            return f"a thread has 2 to {MAX_PARTS} parts, this one {len(parts)}"
    elif len(parts) != 1:
        return f"a {decision_type} has one text, this one {len(parts)}"
    if decision_type == "reply" and not is_tweet_id(target):
        return "a reply needs the id of the post it answers"
    for number, text in enumerate(parts, start=1):
        found = _text_complaint(text)
        if found:
            return found if len(parts) == 1 else f"part {number}: {found}"
    if len({fingerprint(text) for text in parts}) < len(parts):
        return "two parts of the thread say the same"
    return None


def _text_complaint(text: str) -> str | None:
    if not text.strip():
        return "the text is empty"
    if _CONTROL.search(text):
        return "the text holds control characters"
    if any(0xD800 <= ord(ch) <= 0xDFFF for ch in text):
        return "the text holds half a character (a lone surrogate)"
    if not normalised(text):
        return "the text is nothing but an address, which no later look could tell from another"
    weight = weighted_length(text)
    if weight > MAX_WEIGHT:
        return f"the text weighs {weight} characters, {MAX_WEIGHT} are allowed"
    return None
