"""Hand-made answers of an OpenAI-compatible server, and the texts a scripted writer makes of a brief."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Response

TOPICS = ("sleep", "walking", "reading", "focus", "journaling", "learning", "stretching", "home-cooking")
SUBJECTS = (
    "A dark room",
    "An early lunch",
    "One page a day",
    "The same alarm",
    "A paper list",
    "Ten slow breaths",
    "A short walk",
)
CLAIMS = (
    "changes more than a new app ever will",
    "costs nothing and pays back by Friday",
    "makes the next morning a little easier",
    "is the habit most people skip first",
    "beats another hour in front of a screen",
)
ENDINGS = (
    "Try it for seven days.",
    "Start tonight.",
    "Write down what you notice.",
    "Keep it small.",
    "Ask a friend to join.",
)


@dataclass
class Writer:
    """What the server does: `answers` (bodies or responses) are used up first, then it writes from the brief."""

    url: str = ""
    answers: list[str | Response] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    text: Callable[[dict[str, Any], int, int], str] | None = None
    moderation: Response | None = None
    flagged: bool = False

    def briefs(self) -> list[dict[str, Any]]:
        return [brief_of(call) for call in self.calls if call["path"].endswith("/chat/completions")]


def brief_of(call: dict[str, Any]) -> dict[str, Any]:
    prompt = call["body"]["messages"][1]["content"]
    found = re.search(r"```brief\s*\n(.*?)```", prompt, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def sentence(brief: dict[str, Any], draft: int, part: int) -> str:
    """Varied, readable text that depends on the brief alone."""
    digest = hashlib.sha256(
        f"{brief['topic']}|{brief['style']}|{brief['hook']}|{brief['angle']}|{draft}|{part}".encode()
    ).digest()
    pick = lambda options, index: options[digest[index] % len(options)]  # noqa: E731
    return (
        f"{pick(SUBJECTS, 0)} {pick(CLAIMS, 1)}. When it comes to {brief['topic']}, {brief['angle'].lower()} is a good place to begin, "
        f"and {digest[2] % 50 + 5} minutes are enough. {pick(ENDINGS, 3)}"
    )


def completion(content: str | None, **message: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, **message}}
        ],
        "usage": {
            "prompt_tokens": 400,
            "completion_tokens": 200,
            "total_tokens": 600,
            "prompt_tokens_details": {"cached_tokens": 100},
        },
    }


def quota() -> Response:
    body = {
        "error": {
            "message": "You exceeded your current quota",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        }
    }
    return Response(json.dumps(body), status=429, content_type="application/json")


def trouble(status: int, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"message": "try later", "type": "server_error", "param": None, "code": None}}
    return Response(json.dumps(body), status=status, headers=headers or {}, content_type="application/json")
