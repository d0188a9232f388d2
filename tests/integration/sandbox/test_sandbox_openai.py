"""The writer through the real `openai` client: shapes, usage, structured answers, and every scripted failure."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel, ValidationError

from tests.integration.sandbox.conftest import Stage
from xbot_dagster.domain.content.drafts import SCHEMA
from xbot_dagster.sandbox.client import SandboxError

MODEL = "gpt-4o-mini"


class Draft(BaseModel):
    parts: list[str]


class Drafts(BaseModel):
    drafts: list[Draft]


@pytest.fixture
def client(stage: Stage) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stage.client.url}/llm/v1", api_key="sandbox", max_retries=0) as client:
        yield client


def prompt(**order: Any) -> list[Any]:
    brief = json.dumps({"topic": "sleep", "style": "story", "hook": "none", "drafts": 2, **order})
    return [
        {"role": "system", "content": "You write posts."},
        {"role": "user", "content": f"Write.\n```brief\n{brief}\n```"},
    ]


def ask(client: openai.OpenAI, **order: Any) -> Any:
    form: Any = {"type": "json_schema", "json_schema": {"name": "drafts", "schema": SCHEMA, "strict": True}}
    return client.chat.completions.create(model=MODEL, messages=prompt(**order), response_format=form)


def test_a_structured_answer_can_be_parsed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=prompt(parts=3), response_format=Drafts)
    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    assert [len(draft.parts) for draft in parsed.drafts] == [3, 3]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens > 50


def test_responses_give_the_same_posts_as_chat(client: openai.OpenAI) -> None:
    turns = prompt()
    parsed = client.responses.parse(model=MODEL, input=turns, text_format=Drafts)
    chat = client.chat.completions.parse(model=MODEL, messages=turns, response_format=Drafts)
    assert parsed.output_parsed == chat.choices[0].message.parsed
    assert parsed.usage is not None
    assert parsed.usage.input_tokens > 0


def test_the_same_prompt_gets_the_same_answer_and_another_seed_another(client: openai.OpenAI) -> None:
    first, second = (ask(client).choices[0].message.content for _ in range(2))
    assert first == second
    assert ask(client, angle="the worry list").choices[0].message.content != first


def test_without_a_response_format_the_answer_is_plain_text(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Something about walking, please."}]
    )
    content = answer.choices[0].message.content or ""
    assert len(content) > 40
    assert not content.startswith("{")


def test_embeddings_in_both_encodings_agree_and_tell_texts_apart(client: openai.OpenAI) -> None:
    texts = ["Keep a pencil by the bed.", "Keep a pencil beside the bed.", "Soup does not care what day it is."]
    packed = client.embeddings.create(model="text-embedding-3-small", input=texts)
    plain = client.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
    vectors = [entry.embedding for entry in packed.data]
    assert [len(vector) for vector in vectors] == [1536] * 3
    assert vectors[0] == pytest.approx(plain.data[0].embedding, abs=1e-6)
    dot = lambda a, b: sum(x * y for x, y in zip(a, b, strict=True))  # noqa: E731
    assert dot(vectors[0], vectors[0]) == pytest.approx(1, abs=1e-5)
    assert dot(vectors[0], vectors[1]) > 0.7 > dot(vectors[0], vectors[2])
    assert packed.usage.total_tokens > 0
    short = client.embeddings.create(model="text-embedding-3-small", input=texts[0], dimensions=256)
    assert len(short.data[0].embedding) == 256


def test_moderation_flags_what_is_unsafe(client: openai.OpenAI) -> None:
    answer = client.moderations.create(input=["Walk after lunch.", "I will kill you."])
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.violence


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} >= {MODEL, "text-embedding-3-small"}


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("rate_limit", openai.RateLimitError, "requests"),
        ("insufficient_quota", openai.RateLimitError, "insufficient_quota"),
        ("server_error", openai.InternalServerError, "server_error"),
        ("unavailable", openai.InternalServerError, "service_unavailable"),
    ],
)
def test_scripted_errors_have_the_apis_shape_and_strike_once(
    stage: Stage, client: openai.OpenAI, fault: str, error: type[openai.APIStatusError], code: str
) -> None:
    stage.client.set_llm_fault(fault)
    with pytest.raises(error) as struck:
        ask(client)
    assert struck.value.code == code or struck.value.type == code
    assert ask(client).choices[0].finish_reason == "stop"


def test_a_rate_limit_says_when_to_come_back(stage: Stage, client: openai.OpenAI) -> None:
    stage.client.set_llm_fault("rate_limit", retry_after=7)
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client)
    assert limited.value.response.headers["retry-after"] == "7"


def test_slowness_runs_into_the_clients_timeout(stage: Stage, client: openai.OpenAI) -> None:
    stage.client.set_llm_fault("slow", seconds=20)
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.5))


def test_malformed_json_cannot_be_parsed(stage: Stage, client: openai.OpenAI) -> None:
    stage.client.set_llm_fault("malformed_json", count=2)
    with pytest.raises(json.JSONDecodeError):
        json.loads(ask(client).choices[0].message.content)
    with pytest.raises(ValidationError):
        client.chat.completions.parse(model=MODEL, messages=prompt(), response_format=Drafts)


def test_a_refusal_comes_without_content(stage: Stage, client: openai.OpenAI) -> None:
    stage.client.set_llm_fault("refusal")
    message = ask(client).choices[0].message
    assert message.content is None
    assert message.refusal


def test_an_answer_can_be_empty_too_long_or_foreign(stage: Stage, client: openai.OpenAI) -> None:
    stage.client.set_llm_fault("empty")
    assert ask(client).choices[0].message.content == ""
    stage.client.set_llm_fault("over_length")
    [first, _] = json.loads(ask(client).choices[0].message.content)["drafts"]
    assert len(first["parts"][0]) > 280
    stage.client.set_llm_fault("wrong_language")
    [first, _] = json.loads(ask(client).choices[0].message.content)["drafts"]
    assert "Morgen" in first["parts"][0]


def test_a_fault_can_be_limited_to_one_endpoint(stage: Stage, client: openai.OpenAI) -> None:
    stage.client.set_llm_fault("server_error", endpoint="embeddings")
    ask(client)
    with pytest.raises(openai.InternalServerError):
        client.embeddings.create(model="text-embedding-3-small", input="x")


def test_clearing_the_writers_faults_leaves_those_of_the_site(stage: Stage) -> None:
    stage.client.set_llm_fault("refusal")
    stage.client.set_fault("reject_226")
    assert stage.client.clear_llm_faults() == 1
    assert [fault["name"] for fault in stage.client.faults()] == ["reject_226"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"model": MODEL}),
        ("responses", {"model": MODEL}),
        ("embeddings", {"model": "text-embedding-3-small", "input": []}),
        ("embeddings", {"model": "text-embedding-3-small", "input": "x", "dimensions": 100_000}),
        ("moderations", {}),
        ("chat/completions", ["no", "object"]),
    ],
)
def test_a_bad_request_is_a_400_in_the_apis_words(stage: Stage, path: str, body: Any) -> None:
    with pytest.raises(SandboxError, match="invalid_request_error") as refused:
        stage.client.call("POST", f"/llm/v1/{path}", body)
    assert refused.value.status == 400


def test_every_call_is_on_record(stage: Stage, client: openai.OpenAI) -> None:
    before = len(stage.client.llm_calls())
    ask(client)
    stage.client.set_llm_fault("server_error")
    with pytest.raises(openai.InternalServerError):
        ask(client)
    calls = stage.client.llm_calls()[before:]
    assert [(call["endpoint"], call["status"]) for call in calls] == [("chat", 200), ("chat", 500)]
    assert calls[0]["prompt_hash"] == calls[1]["prompt_hash"]
