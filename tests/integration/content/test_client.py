"""The budgeted client against real servers: a scripted one, the sandbox's writer, and llmock, which nobody here wrote."""

import json
import logging
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from tests.content_parts import Writer, completion, quota, trouble
from xbot_dagster.clock import Clock, FixedClock, SystemClock
from xbot_dagster.domain.content.brief import Brief
from xbot_dagster.errors import BudgetExceeded, CircuitOpen, QuotaExhausted, SettingsError
from xbot_dagster.llm.client import BudgetedClient, OpenAiEmbedder
from xbot_dagster.llm.ledger import LlmAnswerUnusable, LlmFailed, TickExhausted
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import usage
from xbot_dagster.store.usage import UsageLedger

BRIEF = Brief("sleep", "how_to", "question", "naps after lunch", drafts=2)


def client_of(engine: Engine, clock: Clock, **flags: str) -> BudgetedClient:
    settings = load_settings(flags)
    return BudgetedClient(UsageLedger(engine, settings, clock), settings, clock, rng=np.random.default_rng(1))


def budget(engine: Engine, clock: FixedClock) -> usage.Budget:
    with engine.begin() as conn:
        return usage.read_budget(conn, usage.budget_day(clock.now(), load_settings({})), 10.0)


def entries(engine: Engine) -> list[Any]:
    with engine.begin() as conn:
        return list(conn.execute(text("SELECT * FROM api_usage ORDER BY id")))


def test_a_call_is_reserved_settled_and_priced_with_cached_tokens(
    engine: Engine, clock: FixedClock, llm: BudgetedClient, writer: Writer
) -> None:
    result = llm.drafts(BRIEF, account="default")
    assert len(result.drafts) == 2
    assert (result.prompt_version, result.model, result.repaired) == ("post.v2", "gpt-4o-mini", False)
    row = entries(engine)[0]
    cost = (300 * 0.15 + 100 * 0.075 + 200 * 0.60) / 1e6
    assert (row.state, row.input_tokens, row.cached_tokens, row.output_tokens) == ("settled", 400, 100, 200)
    assert row.cost_usd == pytest.approx(cost)
    assert row.reserved_usd > row.cost_usd, "the reservation is an upper bound"
    assert budget(engine, clock).used == pytest.approx(cost)
    assert budget(engine, clock).reserved == 0
    assert result.usage_id == row.id
    body = writer.calls[0]["body"]
    assert body["max_tokens"] == 600
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (body["temperature"], body["top_p"]) == (0.8, 1.0)


def test_a_failed_call_costs_nothing_and_says_so(
    engine: Engine, clock: FixedClock, llm: BudgetedClient, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="xbot")
    writer.answers = [trouble(400)]
    with pytest.raises(LlmFailed, match="HTTP 400"):
        llm.drafts(BRIEF, account="default")
    assert entries(engine)[0].state == "released"
    assert (budget(engine, clock).used, budget(engine, clock).reserved) == (0, 0)
    assert any(record.message.startswith("[OPENAI] ↩️ refunded usd=") for record in caplog.records)


def test_quota_opens_the_circuit_once_and_a_command_closes_it(
    engine: Engine, clock: FixedClock, llm: BudgetedClient, writer: Writer
) -> None:
    writer.answers = [quota()]
    with pytest.raises(QuotaExhausted):
        llm.drafts(BRIEF, account="default")
    for _ in range(2):
        with pytest.raises(CircuitOpen, match="insufficient_quota"):
            llm.drafts(BRIEF, account="default")
    assert len(writer.calls) == 1
    with engine.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM alerts WHERE rule = 'llm_circuit_open'")).scalar_one() == 1
        assert usage.close_circuit(conn, usage.budget_day(clock.now(), llm.settings))
        assert not usage.close_circuit(conn, usage.budget_day(clock.now(), llm.settings))
    assert llm.drafts(BRIEF, account="default").drafts


def test_quota_opens_the_circuit_whatever_was_asked(engine: Engine, llm: BudgetedClient, writer: Writer) -> None:
    writer.moderation = quota()
    with pytest.raises(QuotaExhausted):
        llm.moderate(["A short walk."], account="default")
    with engine.begin() as conn:
        assert conn.execute(text("SELECT circuit_reason FROM budget_days WHERE account = ''")).scalars().all() == [
            "insufficient_quota"
        ]


def test_one_repair_and_no_more(engine: Engine, llm: BudgetedClient, writer: Writer) -> None:
    good = json.dumps({"drafts": [{"parts": ["A short walk after lunch beats the second coffee."]}]})
    writer.answers = ["not json at all", good]
    repaired = llm.drafts(BRIEF, account="default")
    assert repaired.repaired
    assert [row.purpose for row in entries(engine)] == ["content_generation", "content_generation_repair"]
    second = writer.calls[1]["body"]["messages"]
    assert second[-1]["content"].startswith("That cannot be used: the answer was not JSON")
    writer.answers = [json.dumps({"drafts": [{"parts": ["x" * 400]}]}), "I'm sorry, but I can't help with that."]
    with pytest.raises(LlmAnswerUnusable, match="a refusal"):
        llm.drafts(BRIEF, account="default")
    assert "400 characters, 280 allowed" in writer.calls[3]["body"]["messages"][-1]["content"]
    assert len(writer.calls) == 4


def test_a_refusal_field_is_read(llm: BudgetedClient, writer: Writer) -> None:
    from werkzeug import Response

    refusing = Response(
        json.dumps(completion(None, refusal="I can't help with that.")), content_type="application/json"
    )
    writer.answers = [refusing, refusing]
    with pytest.raises(LlmAnswerUnusable, match="a refusal"):
        llm.drafts(BRIEF, account="default")


def test_no_call_without_permission(engine: Engine, clock: FixedClock, writer: Writer) -> None:
    closed = client_of(engine, clock, OPENAI_BASE_URL=writer.url, AI_QUOTA_CIRCUIT_OPEN="true")
    with pytest.raises(CircuitOpen, match="AI_QUOTA_CIRCUIT_OPEN=true"):
        closed.drafts(BRIEF, account="default")
    with pytest.raises(CircuitOpen):
        closed.moderate(["a text"], account="default")
    unknown = client_of(engine, clock, OPENAI_BASE_URL=writer.url, OPENAI_MODEL="nobody-1")
    with pytest.raises(BudgetExceeded, match="price of the model"):
        unknown.drafts(BRIEF, account="default")
    poor = client_of(engine, clock, OPENAI_BASE_URL=writer.url, DAILY_OPENAI_LIMIT_USD="0.0001")
    with pytest.raises(BudgetExceeded, match=r"daily limit of 0\.00 USD"):
        poor.drafts(BRIEF, account="default")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        client_of(engine, clock).drafts(BRIEF, account="default")
    assert writer.calls == []


def test_the_sandbox_writer_keeps_the_contract(
    engine: Engine, clock: FixedClock, world: SandboxClient, world_settings: Settings
) -> None:
    client = BudgetedClient(
        UsageLedger(engine, world_settings, clock), world_settings, clock, rng=np.random.default_rng(1)
    )
    result = client.drafts(BRIEF, account="default")
    assert len(result.drafts) == 2
    thread = client.drafts(Brief("walking", "story", "none", "the evening loop", parts=3), account="default")
    assert all(len(parts) == 3 for parts in thread.drafts)
    rows = OpenAiEmbedder(client, "default").embed(
        ["a dark bedroom", "a darker bedroom", "errands on foot", "https://example.com"]
    )
    assert rows.shape == (4, 256)
    assert float(rows[0] @ rows[1]) > float(rows[0] @ rows[2])
    assert not rows[3].any()
    assert client.moderate(["a calm text", "I will kill and murder"], account="default")[0] is None
    assert "violence" in (client.moderate(["a calm text", "I will kill and murder"], account="default")[1] or "")
    for fault in ("malformed_json", "refusal", "over_length", "empty"):
        world.set_llm_fault(fault, count=1)
        assert client.drafts(BRIEF, account="default").repaired, fault
    world.set_llm_fault("rate_limit", count=1, retry_after=3)
    began = clock.now()
    client.begin_tick()
    assert client.drafts(BRIEF, account="default").drafts
    assert (clock.now() - began).total_seconds() == pytest.approx(3, abs=0.01)
    world.set_llm_fault("server_error", count=3)
    with pytest.raises(TickExhausted):
        client.drafts(BRIEF, account="default")
    client.begin_tick()
    world.clear_llm_faults()
    world.set_llm_fault("insufficient_quota", count=5)
    before = len(world.llm_calls())
    with pytest.raises(QuotaExhausted):
        client.drafts(BRIEF, account="default")
    assert len(world.llm_calls()) == before + 1
    client.close()


def test_llmock_agrees(engine: Engine, llmock: Any) -> None:
    # It judges real waits, so this client sleeps on the machine's own clock.
    client = client_of(engine, SystemClock(), OPENAI_BASE_URL=llmock.base_url("openai"), OPENAI_API_KEY="k")
    llmock.reply(json.dumps({"drafts": [{"parts": ["A short walk after lunch beats the second coffee."]}]}))
    assert client.drafts(BRIEF, account="default").drafts
    llmock.rate_limit(times=2, retry_after=0.2).reply(
        json.dumps({"drafts": [{"parts": ["Tea first, then the list."]}]})
    )
    client.begin_tick()
    assert client.drafts(BRIEF, account="default").drafts
    llmock.assert_resilient()
    assert len(llmock.requests) == 4
    llmock.reset()
    llmock.fail(429, code="insufficient_quota", message="You exceeded your current quota")
    with pytest.raises(QuotaExhausted):
        client.drafts(BRIEF, account="default")
    assert len(llmock.requests) == 1
    client.close()


def test_llmock_knows_no_moderation_and_that_closes_the_gate(engine: Engine, clock: FixedClock, llmock: Any) -> None:
    client = client_of(engine, clock, OPENAI_BASE_URL=llmock.base_url("openai"), OPENAI_API_KEY="k")
    with pytest.raises(LlmFailed, match="HTTP 404"):
        client.moderate(["a calm text"], account="default")
    client.close()
