"""The experiments that exist, as data: what a treated decision does differently, and what the others must not do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xbot_dagster.errors import UsageError

POSTS: Final = ("single", "thread")
REPLIES: Final = ("reply",)


@dataclass(frozen=True)
class Grip:
    """What an arm changes: rules added to the prompt, the opening asked for, the hashtags allowed, the hours of the slot."""

    rules: tuple[str, ...] = ()
    hook: str | None = None
    max_hashtags: int | None = None
    hours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preset:
    """`share`: probability of treatment; `applies_to`: decision types; `asks`: the question in one sentence."""

    name: str
    asks: str
    share: float
    applies_to: tuple[str, ...]
    treatment: Grip
    control: Grip = field(default_factory=Grip)


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            "hashtag_1",
            "Does one hashtag bring more retweets and profile visits than none?",
            0.3,
            POSTS,
            Grip(rules=("Use exactly one hashtag that fits the topic.",), max_hashtags=1),
            Grip(rules=("Write without any hashtag.",), max_hashtags=0),
        ),
        Preset(
            "question_cta",
            "Does an opening question bring more retweets and profile visits?",
            0.3,
            POSTS,
            Grip(rules=("Open with one honest question to the reader, and invite an answer.",), hook="question"),
        ),
        Preset(
            "contrarian_reply",
            "Do replies that politely disagree bring more profile visits?",
            0.3,
            REPLIES,
            Grip(rules=("Disagree politely with one point of the post and give your reason.",), hook="contrarian"),
        ),
        Preset(
            "late_evening_slot",
            "Does posting between 20:00 and 22:00 of the account's zone bring more reach?",
            0.2,
            POSTS,
            Grip(hours=(20, 21)),
        ),
    )
}


def preset(name: str) -> Preset:
    """Raises UsageError for a name that is none."""
    if name not in PRESETS:
        raise UsageError(f"There is no experiment preset '{name}'.", f"Known: {', '.join(PRESETS)}, seven-day.")
    return PRESETS[name]
