"""The order a prompt carries: a JSON object in a fenced block tagged `brief`."""

import json
import re
from dataclasses import dataclass
from typing import Any

from xbot_dagster.sandbox import recognition
from xbot_dagster.sandbox.vocabulary import HOOKS, STYLES

FENCE = re.compile(r"```brief\s*\n(.*?)```", re.DOTALL)
HASHTAG_RULE = re.compile(
    r"\b(?:one|add|use|with|exactly|include)\b(?!.*\b(?:no|without)\b).*\bhashtags?\b", re.IGNORECASE
)
MAX_DRAFTS, MAX_PARTS = 20, 10


@dataclass(frozen=True)
class Brief:
    """What to write. `topic` is one of ours or the caller's own word; lengths count X's weighted characters."""

    topic: str
    style: str = "educational"
    hook: str = "none"
    angle: str = ""
    max_chars: int = 280
    drafts: int = 1
    parts: int = 1
    reply_to_text: str | None = None
    link: str | None = None
    mention: str | None = None
    hashtag: bool = False  # a rule of the order asks for one, and the order allows it


def find(prompt: str) -> Brief | None:
    """The last order in a prompt (a repair attempt quotes the first one before it), or None without a readable one."""
    for block in reversed(FENCE.findall(prompt)):
        try:
            given = json.loads(block)
        except ValueError:
            continue
        if isinstance(given, dict):
            return _brief(given)
    return None


def _brief(given: dict[str, Any]) -> Brief:
    topic = str(given.get("topic") or "")
    style, hook = str(given.get("style") or ""), str(given.get("hook") or "")
    return Brief(
        topic=recognition.known_topic(topic) or topic,
        style=style if style in STYLES else "educational",
        hook=hook if hook in HOOKS else "none",
        angle=str(given.get("angle") or ""),
        max_chars=_whole(given.get("max_chars"), 280, 40, 25_000),
        drafts=_whole(given.get("drafts"), 1, 1, MAX_DRAFTS),
        parts=_whole(given.get("parts"), 1, 1, MAX_PARTS),
        reply_to_text=str(given["reply_to_text"]) if given.get("reply_to_text") else None,
        link=str(given["link"]) if given.get("link") else None,
        mention=str(given["mention"]) if given.get("mention") else None,
        hashtag=_whole(given.get("max_hashtags"), 0, 0, 9) > 0
        and any(HASHTAG_RULE.search(str(r)) for r in given.get("rules") or ()),
    )


def _whole(value: Any, default: int, least: int, most: int) -> int:
    try:
        return max(least, min(most, int(value)))
    except (TypeError, ValueError):
        return default
