"""What a slot asks of the writer. The same object fills the prompt and judges the answer."""

from dataclasses import dataclass
from typing import Any, Final

STYLES: Final = (
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
HOOKS: Final = ("did-you-know", "new-study", "question", "contrarian", "cta", "none")
MIN_THREAD_PARTS, MAX_THREAD_PARTS = 2, 6


@dataclass(frozen=True)
class Voice:
    """An account's voice file, checked: tone, phrases never used, example posts, hashtags allowed, language (ISO code)."""

    tone: str = "clear, friendly, concrete"
    banned_phrases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    language: str = "en"

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Voice":
        """The voice stored with the account; unknown keys are ignored, missing ones take the defaults."""
        return cls(
            tone=str(record.get("tone") or cls.tone),
            banned_phrases=tuple(str(each) for each in record.get("banned_phrases") or ()),
            examples=tuple(str(each) for each in record.get("examples") or ())[:5],
            hashtags=tuple(str(each).lstrip("#").lower() for each in record.get("hashtags") or ()),
            language=str(record.get("language") or cls.language),
        )


@dataclass(frozen=True)
class Brief:
    """One slot's order. `max_chars` is X's weighted count; `parts` 1 for a post; `source_title`/`source_text` are quoted data.

    `rules` come from people's edits and from a running experiment; they are instructions of ours, never of a feed.
    """

    topic: str
    style: str
    hook: str
    angle: str
    max_chars: int = 280
    drafts: int = 3
    parts: int = 1
    max_hashtags: int = 0
    reply_to_text: str | None = None
    source_title: str = ""
    source_text: str = ""
    rules: tuple[str, ...] = ()
    voice: Voice = Voice()

    def to_record(self) -> dict[str, Any]:
        """The JSON object of the fenced ```brief block."""
        return {
            "topic": self.topic,
            "style": self.style,
            "hook": self.hook,
            "angle": self.angle,
            "max_chars": self.max_chars,
            "drafts": self.drafts,
            "parts": self.parts,
            "max_hashtags": self.max_hashtags,
            "reply_to_text": self.reply_to_text,
            "rules": list(self.rules),
        }
