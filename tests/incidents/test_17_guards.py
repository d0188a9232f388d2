"""Incident 17, the gates' part: guards that failed open. A gate that cannot judge blocks; nothing is queued unread."""

from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.content_parts import Writer, trouble
from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import DatabaseError
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.llm.ledger import LlmFailed
from xbot_dagster.settings import Settings
from xbot_dagster.stages import drafting, plan, reply
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store.cache import Cache

pytest_plugins = ("tests.content_world",)


class BrokenEmbedder:
    name = "wordllama:l2_supercat:256"
    dim = 256

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        raise LlmFailed("the embedding endpoint is away.")


def statuses(engine: Engine) -> dict[str, int]:
    with engine.begin() as conn:
        return dict(conn.execute(text("SELECT status, count(*) FROM content_metadata GROUP BY 1")).all())


def run(
    engine: Engine, clock: FixedClock, settings: Settings, llm: BudgetedClient, cache: Cache, policies: Policies
) -> plan.PlanReport:
    return plan.run(engine, clock, settings, llm, cache, policies, 7)


def test_without_vectors_nothing_is_queued(
    filled: Engine,
    clock: FixedClock,
    llm_settings: Settings,
    llm: BudgetedClient,
    cache: Cache,
    policies: Policies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafting, "make_embedder", lambda settings, llm, account: BrokenEmbedder())
    report = run(filled, clock, llm_settings, llm, cache, policies)
    assert report.queued == 0
    assert set(statuses(filled)) == {"blocked"}
    with filled.begin() as conn:
        found = conn.execute(text("SELECT gate, verdict, reason FROM gate_verdicts WHERE verdict <> 'pass'")).all()
        lost = conn.execute(text("SELECT count(*) FROM content_candidates WHERE state <> 'fresh'")).scalar_one()
    assert found == [("duplicate", "error", "no embedding: the embedding endpoint is away.")], "one is enough to know"
    assert lost == 0
    assert report.skipped["default"].startswith("the gates cannot judge: duplicate gate: no embedding")


def test_without_moderation_nothing_is_queued(
    filled: Engine,
    clock: FixedClock,
    llm_settings: Settings,
    llm: BudgetedClient,
    cache: Cache,
    policies: Policies,
    writer: Writer,
) -> None:
    writer.moderation = trouble(400)
    report = run(filled, clock, llm_settings, llm, cache, policies)
    assert report.queued == 0
    assert set(statuses(filled)) == {"blocked"}
    with filled.begin() as conn:
        found = conn.execute(text("SELECT gate, verdict FROM gate_verdicts")).all()
        lost = conn.execute(text("SELECT count(*) FROM content_candidates WHERE state <> 'fresh'")).scalar_one()
    assert (found, lost) == ([("safety", "error")], 0)
    assert "not moderated: OpenAI did not answer" in report.skipped["default"]


def test_a_flagged_text_is_blocked(
    filled: Engine,
    clock: FixedClock,
    llm_settings: Settings,
    llm: BudgetedClient,
    cache: Cache,
    policies: Policies,
    writer: Writer,
) -> None:
    writer.flagged = True
    assert run(filled, clock, llm_settings, llm, cache, policies).queued == 0
    assert set(statuses(filled)) == {"blocked"}


@pytest.mark.parametrize("table", ["content_candidates", "gate_verdicts", "decision_parts"])
def test_a_lookup_that_fails_queues_nothing_and_loses_no_money(
    filled: Engine,
    clock: FixedClock,
    llm_settings: Settings,
    llm: BudgetedClient,
    cache: Cache,
    policies: Policies,
    table: str,
) -> None:
    with filled.begin() as conn:
        conn.execute(text(f"ALTER TABLE {table} RENAME TO hidden"))
    with pytest.raises((DBAPIError, DatabaseError)):
        run(filled, clock, llm_settings, llm, cache, policies)
    assert statuses(filled) == {}
    with filled.begin() as conn:
        assert conn.execute(text("SELECT coalesce(sum(reserved_usd), 0) FROM budget_days")).scalar_one() == 0


def test_a_lost_stop_flag_counts_as_stopped(
    filled: Engine, clock: FixedClock, llm_settings: Settings, llm: BudgetedClient, cache: Cache, policies: Policies
) -> None:
    with filled.begin() as conn:
        conn.execute(text("DELETE FROM bot_config WHERE config_key = 'controls'"))
        assert plan.needs_planning(conn, clock.now(), llm_settings) == []
    assert run(filled, clock, llm_settings, llm, cache, policies).skipped == {"default": "stop_llm=true"}
    assert statuses(filled) == {}


def test_replies_are_off_unless_somebody_switched_them_on(settings: Settings) -> None:
    assert reply.refusal(settings.model_copy(update={"MODE": "shadow"})) == "REPLIES_ENABLED=false"
