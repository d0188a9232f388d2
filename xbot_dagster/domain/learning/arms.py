"""The arms of the bandit: writing styles, as data. What an arm asks of the writer belongs to the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xbot_dagster.errors import UserError

ARMS: tuple[str, ...] = (
    "educational",
    "how_to",
    "checklist",
    "myth_check",
    "story",
    "question",
    "contrarian",
    "analogy",
    "reflection",
    "challenge",
)


def arms_of(voice: Mapping[str, Any]) -> tuple[str, ...]:
    """The arms an account plays: `arms` of its voice, else all. Raises UserError for unknown arms or none."""
    chosen = voice.get("arms")
    if chosen is None:
        return ARMS
    unknown = [arm for arm in chosen if arm not in ARMS]
    if unknown or not chosen:
        what = f"unknown arms: {', '.join(map(str, unknown))}" if unknown else "an empty list of arms"
        raise UserError(f"The voice file names {what}.", f"Known arms: {', '.join(ARMS)}.")
    return tuple(arm for arm in ARMS if arm in chosen)
