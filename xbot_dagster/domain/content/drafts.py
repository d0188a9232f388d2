"""The writer's contract: one JSON object `{"drafts": [{"parts": ["…"]}]}`, and what becomes of an answer that breaks it.

Nothing is guessed: an answer that is not the promised JSON is an `Unreadable`, a draft that cannot be posted is rejected with
a reason, and both reasons go back to the writer in the one repair attempt.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from xbot_dagster.domain.content import wordlists
from xbot_dagster.domain.content.brief import Brief
from xbot_dagster.domain.content.text import content_hash, tidy
from xbot_dagster.domain.measuring.weighted_length import weighted_length

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["drafts"],
    "properties": {
        "drafts": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["parts"],
                "properties": {"parts": {"type": "array", "items": {"type": "string"}}},
            },
        }
    },
}
_FENCE: Final = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_QUOTES: Final = (('"', '"'), ("“", "”"), ("'", "'"), ("«", "»"))
_REFUSAL: Final = wordlists.any_of(wordlists.REFUSALS)


@dataclass(frozen=True)
class RejectedDraft:
    parts: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Readable:
    """Drafts that keep the contract, in the writer's order, and those that do not."""

    drafts: tuple[tuple[str, ...], ...]
    rejected: tuple[RejectedDraft, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """The whole answer breaks the contract; `reason` is one sentence."""

    reason: str


def read(answer: str | None, brief: Brief) -> Readable | Unreadable:
    """Parse and check the writer's answer to `brief`."""
    if not answer or not answer.strip():
        return Unreadable("the answer was empty")
    fenced = _FENCE.match(answer)
    try:
        document = json.loads(fenced.group(1) if fenced else answer)
    except (json.JSONDecodeError, RecursionError):
        kind = "a refusal" if _REFUSAL.search(answer[:300]) else "not JSON"
        return Unreadable(f"the answer was {kind}")
    entries = document.get("drafts") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        return Unreadable('the answer has no list "drafts"')
    kept: list[tuple[str, ...]] = []
    rejected: list[RejectedDraft] = []
    seen: set[str] = set()
    for entry in entries[: 2 * brief.drafts]:
        parts = entry.get("parts") if isinstance(entry, dict) else None
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            rejected.append(RejectedDraft((), 'a draft is not an object with a list of strings "parts"'))
            continue
        tidied = tuple(_bare(part) for part in parts)
        digest = content_hash("\n".join(tidied))
        reason = _fault(tidied, brief) or ("it repeats another draft" if digest in seen else None)
        if reason:
            rejected.append(RejectedDraft(tidied, reason))
        else:
            kept.append(tidied)
            seen.add(digest)
    return Readable(tuple(kept[: brief.drafts]), tuple(rejected))


def _bare(part: str) -> str:
    """Without the quotation marks some models put around a whole post."""
    text = tidy(part)
    for opening, closing in _QUOTES:
        if (
            len(text) > 2
            and text.startswith(opening)
            and text.endswith(closing)
            and opening not in text[1:-1]
            and closing not in text[1:-1]
        ):
            return text[1:-1].strip()
    return text


def _fault(parts: tuple[str, ...], brief: Brief) -> str | None:
    if len(parts) != brief.parts:
        return f"it has {len(parts)} parts instead of {brief.parts}"
    for number, part in enumerate(parts, 1):
        where = f"part {number}" if brief.parts > 1 else "it"
        if not part:
            return f"{where} is empty"
        if part.lstrip().startswith(("{", "[{")):
            return f"{where} is JSON, not text"
        if len(part) > 20 * brief.max_chars or (length := weighted_length(part)) > brief.max_chars:
            return f"{where} has {len(part) if len(part) > 20 * brief.max_chars else length} characters, {brief.max_chars} allowed"
    return None
