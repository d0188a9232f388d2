"""Prompt templates: versioned files of this package, filled from a brief."""

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from xbot_dagster.domain.content.brief import Brief

VERSIONS = {"post": "post.v2", "reply": "reply.v1"}
_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Prompt:
    version: str
    system: str
    user: str


def render(kind: str, brief: Brief) -> Prompt:
    """The current prompt of `kind` ("post", "reply") for `brief`."""
    version = VERSIONS[kind]
    system, user = _sections(version)
    values = {
        "tone": brief.voice.tone,
        "language": brief.voice.language,
        "banned": _list(brief.voice.banned_phrases, "none"),
        "examples": _list(brief.voice.examples, "none"),
        "hashtags": _hashtags(brief),
        "rules": _list(brief.rules, "none"),
        "max_chars": str(brief.max_chars),
        "drafts": str(brief.drafts),
        "parts": str(brief.parts),
        "brief": _quoted(brief.to_record()),
        "source": _quoted({"title": brief.source_title, "text": brief.source_text}),
    }
    return Prompt(version, _fill(system, values), _fill(user, values))


def _sections(version: str) -> tuple[str, str]:
    raw = files("xbot_dagster.llm").joinpath("prompts", f"{version}.md").read_text(encoding="utf-8")
    _, system, user = re.split(r"^## (?:system|user)\n", raw, flags=re.MULTILINE)
    return system.strip(), user.strip()


def _fill(template: str, values: dict[str, str]) -> str:
    return _SLOT.sub(lambda match: values[match.group(1)], template)


def _quoted(record: dict[str, Any]) -> str:
    """One line of JSON that cannot close the fence around it."""
    return json.dumps(record, ensure_ascii=False).replace("`", "'")


def _list(entries: tuple[str, ...], none: str) -> str:
    return "\n".join(f"- {entry}" for entry in entries) if entries else none


def _hashtags(brief: Brief) -> str:
    if brief.max_hashtags == 0:
        return "none"
    allowed = f", only from: {', '.join('#' + tag for tag in brief.voice.hashtags)}" if brief.voice.hashtags else ""
    return f"at most {brief.max_hashtags}{allowed}"
