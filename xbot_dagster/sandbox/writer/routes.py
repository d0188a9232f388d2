"""`/llm/v1`: the endpoints of OpenAI that xbot uses, answered by the writer."""

import base64
import hashlib
import json
import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from xbot_dagster.sandbox import ngrams
from xbot_dagster.sandbox.state import World
from xbot_dagster.sandbox.text import recognition_key
from xbot_dagster.sandbox.writer import brief as briefs
from xbot_dagster.sandbox.writer import compose
from xbot_dagster.sandbox.writer.misbehaviour import FOREIGN, REFUSAL, content_fault, error, interruption

MODELS = {
    "gpt-4o-mini": 0,
    "gpt-4o": 0,
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "omni-moderation-latest": 0,
}
CHARS_PER_TOKEN = 4
UNSAFE = {
    "violence": re.compile(r"\b(?:kill|murder|shoot|stab)\b", re.I),
    "self-harm": re.compile(r"\b(?:suicide|self-harm|hurt myself)\b", re.I),
    "hate": re.compile(r"\b(?:subhuman|vermin people)\b", re.I),
    "sexual": re.compile(r"\b(?:porn|nude photos)\b", re.I),
    "harassment": re.compile(r"\b(?:idiot|moron|worthless loser)\b", re.I),
    "illicit": re.compile(r"\b(?:make a bomb|buy cocaine)\b", re.I),
}

router = APIRouter(prefix="/llm/v1")


@router.get("/models")
async def models() -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 1715367049, "owned_by": "sandbox"} for name in MODELS],
    }


@router.post("/chat/completions")
async def chat(request: Request) -> Response:
    asked, prompt = await _asked(request), ""
    if isinstance(asked, Response):
        return asked
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages:
        return _bad(request, "chat", "Missing required parameter: 'messages'.", "messages")
    prompt = "\n\n".join(_content(message) for message in messages if isinstance(message, dict))
    trouble = await interruption(_world(request).faults, "chat")
    if trouble:
        return _logged(request, "chat", trouble, prompt, "")
    wants_json = (asked.get("response_format") or {}).get("type") in ("json_schema", "json_object")
    content, refusal = _write(request, "chat", prompt, wants_json)
    usage = {
        "prompt_tokens": tokens(prompt),
        "completion_tokens": tokens(content or refusal or ""),
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    usage["completion_tokens_details"] = {"reasoning_tokens": 0}
    answer = {
        "id": f"chatcmpl-{_hash(prompt)[:24]}",
        "object": "chat.completion",
        "created": _world(request).clock.now_ms() // 1000,
        "model": asked.get("model", "gpt-4o-mini"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }
    return _logged(request, "chat", JSONResponse(answer), prompt, content or refusal or "")


@router.post("/responses")
async def responses(request: Request) -> Response:
    asked = await _asked(request)
    if isinstance(asked, Response):
        return asked
    given = asked.get("input")
    if not given:
        return _bad(request, "responses", "Missing required parameter: 'input'.", "input")
    turns = given if isinstance(given, list) else [{"content": given}]
    prompt = "\n\n".join(
        [str(asked.get("instructions") or ""), *(_content(turn) for turn in turns if isinstance(turn, dict))]
    ).strip()
    trouble = await interruption(_world(request).faults, "responses")
    if trouble:
        return _logged(request, "responses", trouble, prompt, "")
    wants_json = ((asked.get("text") or {}).get("format") or {}).get("type") in ("json_schema", "json_object")
    content, refusal = _write(request, "responses", prompt, wants_json)
    piece = (
        {"type": "refusal", "refusal": refusal}
        if refusal
        else {"type": "output_text", "text": content, "annotations": []}
    )
    spent_in, spent_out = tokens(prompt), tokens(content or refusal or "")
    answer = {
        "id": f"resp_{_hash(prompt)[:24]}",
        "object": "response",
        "created_at": _world(request).clock.now_ms() // 1000,
        "status": "completed",
        "model": asked.get("model", "gpt-4o-mini"),
        "output": [
            {
                "id": f"msg_{_hash(prompt)[:24]}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [piece],
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "usage": {
            "input_tokens": spent_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": spent_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": spent_in + spent_out,
        },
    }
    return _logged(request, "responses", JSONResponse(answer), prompt, content or refusal or "")


@router.post("/embeddings")
async def embeddings(request: Request) -> Response:
    asked = await _asked(request)
    if isinstance(asked, Response):
        return asked
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        return _bad(
            request, "embeddings", "'input' must be a non-empty string or a list of non-empty strings.", "input"
        )
    model = asked.get("model", "text-embedding-3-small")
    size = asked.get("dimensions") or MODELS.get(model) or 1536
    if not isinstance(size, int) or not 1 <= size <= 3072:
        return _bad(request, "embeddings", "'dimensions' must lie between 1 and 3072.", "dimensions")
    prompt = "\n".join(texts)
    trouble = await interruption(_world(request).faults, "embeddings")
    if trouble:
        return _logged(request, "embeddings", trouble, prompt, "")
    encoded = asked.get("encoding_format", "float") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = ngrams.vector(text, size)
        value = base64.b64encode(vector.astype("<f4").tobytes()).decode() if encoded else [float(x) for x in vector]
        data.append({"object": "embedding", "index": index, "embedding": value})
    spent = tokens(prompt)
    answer = {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": spent, "total_tokens": spent}}
    return _logged(request, "embeddings", JSONResponse(answer), prompt, "")


@router.post("/moderations")
async def moderations(request: Request) -> Response:
    asked = await _asked(request)
    if isinstance(asked, Response):
        return asked
    given = asked.get("input")
    texts = (
        [given]
        if isinstance(given, str)
        else [_content(item) if isinstance(item, dict) else str(item) for item in given or []]
    )
    if not texts:
        return _bad(request, "moderations", "Missing required parameter: 'input'.", "input")
    prompt = "\n".join(texts)
    trouble = await interruption(_world(request).faults, "moderations")
    if trouble:
        return _logged(request, "moderations", trouble, prompt, "")
    results = []
    for text in texts:
        found = {name: bool(rule.search(text)) for name, rule in UNSAFE.items()}
        scores = {name: 0.97 if hit else 0.002 for name, hit in found.items()}
        results.append(
            {
                "flagged": any(found.values()),
                "categories": found,
                "category_scores": scores,
                "category_applied_input_types": {n: ["text"] for n in found},
            }
        )
    answer = {
        "id": f"modr-{_hash(prompt)[:16]}",
        "model": asked.get("model", "omni-moderation-latest"),
        "results": results,
    }
    return _logged(request, "moderations", JSONResponse(answer), prompt, "")


def tokens(text: str) -> int:
    """A token is about four characters of English."""
    return max(1, len(text) // CHARS_PER_TOKEN) if text else 0


def _world(request: Request) -> World:
    return request.app.state.world


async def _asked(request: Request) -> dict[str, Any] | Response:
    try:
        asked = json.loads(await request.body())
    except ValueError:
        asked = None
    if isinstance(asked, dict):
        return asked
    return JSONResponse(error("We could not parse the JSON body of your request.", "invalid_request_error", None), 400)


def _bad(request: Request, endpoint: str, message: str, param: str) -> Response:
    return _logged(request, endpoint, JSONResponse(error(message, "invalid_request_error", None, param), 400), "", "")


def _content(message: dict[str, Any]) -> str:
    """Text of a message whose content is a string or a list of parts."""
    content = message.get("content", message.get("text", ""))
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _write(request: Request, endpoint: str, prompt: str, wants_json: bool) -> tuple[str | None, str | None]:
    """(content, refusal) for a prompt; what was written is registered, so that the audience knows style, topic
    and hook."""
    world = _world(request)
    fault = content_fault(world.faults, endpoint)
    if fault == "refusal":
        return None, REFUSAL
    if fault == "empty":
        return "", None
    order = briefs.find(prompt)
    if order is None:
        order = briefs.Brief(topic="", angle=prompt[:200])
    made = compose.drafts(order, world.seed, prompt)
    with world.store.write() as db:
        for draft in made:
            topic = draft.topic if draft.topic != compose.GENERAL else compose.nearest_topic(order)
            db.executemany(
                "insert into register (key, style, topic, hook) values (?, ?, ?, ?) on conflict do nothing",
                [(recognition_key(part), order.style, topic, order.hook) for part in draft.parts],
            )
    parts = [draft.parts for draft in made]
    if fault == "over_length":
        parts = [[" ".join([part] * 6) for part in draft] for draft in parts]
    if fault == "wrong_language":
        parts = [[FOREIGN for _ in draft] for draft in parts]
    if not wants_json:
        return "\n\n".join(parts[0]), None
    content = json.dumps({"drafts": [{"parts": draft} for draft in parts]}, ensure_ascii=False)
    return (content[: len(content) * 2 // 3] if fault == "malformed_json" else content), None


def _hash(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()


def _logged(request: Request, endpoint: str, response: Response, prompt: str, written: str) -> Response:
    world = _world(request)
    world.store.run(
        "insert into llm_calls (at_ms, endpoint, status, prompt_hash, tokens_in, tokens_out) values (?, ?, ?, ?, ?, ?)",
        world.clock.now_ms(), endpoint, response.status_code, _hash(prompt)[:16], tokens(prompt), tokens(written),
    )  # fmt: skip
    response.headers["x-request-id"] = f"req_{_hash(prompt)[:20]}"
    return response
