"""A scripted OpenAI-compatible server over real HTTP, and the parts planning needs."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from werkzeug import Request, Response

from xbot_dagster.clock import FixedClock
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import refresh
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.usage import UsageLedger

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


@pytest.fixture
def writer(httpserver: HTTPServer) -> Writer:
    state = Writer(url=httpserver.url_for("/llm/v1"))
    ids = itertools.count()

    def answer(request: Request) -> Response:
        body = request.get_json()
        state.calls.append({"path": request.path, "body": body})
        if request.path.endswith("/moderations"):
            results = [{"flagged": False, "categories": {}, "category_scores": {}} for _ in body["input"]]
            return Response(
                json.dumps({"id": f"m{next(ids)}", "model": "omni", "results": results}),
                content_type="application/json",
            )
        if state.answers:
            given = state.answers.pop(0)
            return (
                given
                if isinstance(given, Response)
                else Response(json.dumps(completion(given)), content_type="application/json")
            )
        brief = brief_of({"body": body})
        make = state.text or sentence
        drafts = [{"parts": [make(brief, d, p) for p in range(brief["parts"])]} for d in range(brief["drafts"])]
        return Response(json.dumps(completion(json.dumps({"drafts": drafts}))), content_type="application/json")

    httpserver.expect_request(re.compile("^/llm/v1/.*")).respond_with_handler(answer)
    return state


@pytest.fixture
def llm_settings(writer: Writer, tmp_path: Path) -> Settings:
    return load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo", "OPENAI_BASE_URL": writer.url})


@pytest.fixture
def llm(engine: Engine, llm_settings: Settings, clock: FixedClock) -> Iterator[BudgetedClient]:
    client = BudgetedClient(UsageLedger(engine, llm_settings, clock), llm_settings, clock, rng=np.random.default_rng(1))
    yield client
    client.close()


@pytest.fixture
def cache(cache_url: str, tmp_path: Path) -> Iterator[Cache]:
    cache = Cache(cache_url, f"t{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]}:")
    yield cache
    cache.clear()
    cache.close()


@pytest.fixture
def policies(engine: Engine, clock: FixedClock, llm_settings: Settings, cache: Cache) -> Policies:
    return Policies(engine, clock, llm_settings, cache)


@pytest.fixture
def filled(engine: Engine, clock: FixedClock, llm_settings: Settings, cache: Cache, tmp_path: Path) -> Engine:
    """The engine with a queue of forty candidates."""
    topics = "".join(
        f"      - topic: {topic}\n        angles: [{', '.join(f'{topic} idea number {n} for a calmer week' for n in range(8))}]\n"
        for topic in TOPICS
    )
    path = tmp_path / "sources.yaml"
    path.write_text(f"sources:\n  - name: bank\n    kind: topic_bank\n    topics:\n{topics}")
    with engine.begin() as conn:
        refresh.load_sources(conn, path, "default")
    refresh.run(engine, clock, llm_settings, cache)
    return engine
