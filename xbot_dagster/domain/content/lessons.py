"""What people's edits teach the writer, as short rules for the prompt.

Two kinds: reasons people gave, in their own words, and habits seen in at least two edits (shorter, without emoji, without
hashtags, without exclamation marks, a phrase removed).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from xbot_dagster.domain.content.text import fold, words
from xbot_dagster.domain.measuring.weighted_length import emoji_count

MAX_RULES: Final = 8
LONGEST_REASON: Final = 160
AT_LEAST: Final = 2  # edits that must agree before a habit becomes a rule
SHORTER_BY: Final = 0.2
PHRASE_WORDS: Final = 3


def rules(edits: Sequence[tuple[str, Any, Any, str | None]]) -> tuple[str, ...]:
    """Rules from (action, before, after, reason), newest first; before and after are lists of parts."""
    stated = [fold(reason)[:LONGEST_REASON] for _, _, _, reason in edits if reason and fold(reason)]
    changes = [
        (_joined(before), _joined(after)) for action, before, after, _ in edits if action == "edit" and before and after
    ]
    seen = [*dict.fromkeys(stated), *_habits(changes)]
    return tuple(seen[:MAX_RULES])


def _joined(parts: Any) -> str:
    return "\n".join(str(part) for part in parts) if isinstance(parts, list | tuple) else str(parts)


def _habits(changes: Sequence[tuple[str, str]]) -> list[str]:
    found = []
    if sum(len(after) < (1 - SHORTER_BY) * len(before) for before, after in changes) >= AT_LEAST:
        lengths = sorted(len(after) for _, after in changes)
        found.append(f"Keep it short: editors cut drafts to about {lengths[len(lengths) // 2]} characters.")
    for name, count in (
        ("emoji", emoji_count),
        ("hashtags", lambda text: text.count("#")),
        ("exclamation marks", lambda text: text.count("!")),
    ):
        if sum(count(before) > 0 and count(after) == 0 for before, after in changes) >= AT_LEAST:
            found.append(f"Use no {name}: editors remove them.")
    removed = Counter(phrase for before, after in changes for phrase in _phrases(before) - _phrases(after))
    found += [f"Avoid the phrase “{phrase}”." for phrase, times in removed.most_common(3) if times >= AT_LEAST]
    return found


def _phrases(text: str) -> set[str]:
    found = [word.lower() for word in words(text)]
    return {" ".join(found[i : i + PHRASE_WORDS]) for i in range(len(found) - PHRASE_WORDS + 1)}
