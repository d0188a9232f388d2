"""Several accounts are planned side by side: their posts are written at the same time, and nothing depends on who answers first."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text

from tests.content_parts import Writer, quota, sentence
from xbot_dagster.clock import FixedClock
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import loading, plan, refresh
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store import config, deployment, sources
from xbot_dagster.store.cache import Cache

ACCOUNTS = ("default", "fifth", "fourth", "second", "third")  # as planning takes them
Run = Callable[..., plan.PlanReport]


@pytest.fixture
def httpserver() -> Iterator[HTTPServer]:
    """One that answers several calls at once."""
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def plan_all(
    filled: Engine, clock: FixedClock, llm_settings: Settings, llm: BudgetedClient, cache: Cache, tmp_path: Path
) -> Run:
    """Plans five accounts that have the same things to say, `at_once` of them side by side."""
    specs = loading.read_specs(tmp_path / "sources.yaml")
    with filled.begin() as conn:
        config.write(conn, llm_settings, "learning_config", "posts_per_day", 6)
        for name in ACCOUNTS[1:]:
            deployment.add_account(conn, name, f"xbot_{name}", "UTC")
            sources.save_specs(conn, name, [replace(spec, source=f"{spec.source}-{name}") for spec in specs])
    refresh.run(filled, clock, llm_settings, cache)

    def run(at_once: int) -> plan.PlanReport:
        settings = llm_settings.model_copy(update={"LLM_AT_ONCE": at_once})
        return plan.run(filled, clock, settings, llm, cache, Policies(filled, clock, settings, cache), 7)

    return run


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.begin() as conn:
        return [tuple(row) for row in conn.execute(text(sql))]


def start_over(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE content_metadata CASCADE"))
        conn.execute(text("UPDATE content_candidates SET state = 'fresh', state_reason = NULL"))


class Crowd:
    """Counts the calls that are being answered at the same time; `pause(brief)` seconds pass in each. It has little to say: the
    accounts get in each other's way."""

    def __init__(self, pause: Callable[[dict[str, Any]], float]) -> None:
        self.pause, self.now, self.most = pause, 0, 0
        self._lock = threading.Lock()

    def text(self, brief: dict[str, Any], draft: int, part: int) -> str:
        if (draft, part) == (0, 0):
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(self.pause(brief))
            with self._lock:
                self.now -= 1
        return sentence({**brief, "angle": "one idea", "style": "", "hook": ""}, draft, part)


@pytest.mark.parametrize("at_once", [1, 3])
def test_as_many_posts_are_written_at_once_as_may_be(plan_all: Run, writer: Writer, filled: Engine, at_once: int):
    crowd = Crowd(lambda brief: 0.15)
    writer.text = crowd.text
    report = plan_all(at_once)
    assert crowd.most == at_once
    assert rows(filled, "SELECT count(*) FROM content_metadata WHERE status = 'queued'") == [(report.queued,)]
    assert {account for (account,) in rows(filled, "SELECT DISTINCT account FROM content_metadata")} == set(ACCOUNTS)
    assert report.skipped == {}


def test_who_answers_first_changes_nothing(plan_all: Run, writer: Writer, filled: Engine):
    decided = "SELECT decision_id, account, text, status, status_reason, arm, scheduled_at, propensity FROM content_metadata ORDER BY 1"
    writer.text = Crowd(lambda brief: len(brief["angle"]) % 7 * 0.02).text
    plan_all(4)
    first = rows(filled, decided)
    start_over(filled)
    writer.text = Crowd(lambda brief: 0.12 - len(brief["angle"]) % 7 * 0.02).text
    plan_all(4)
    assert rows(filled, decided) == first
    said = [row[2] for row in first if row[3] != "blocked"]
    assert len(said) == len(set(said)), "no account says what another has said, though they were written together"
    assert any(row[3] == "blocked" for row in first), "else this test shows nothing of who comes first"


def test_without_credit_what_was_written_is_kept_and_the_rest_goes_back(plan_all: Run, writer: Writer, filled: Engine):
    writer.answers = [quota()]
    report = plan_all(4)
    chats = [call for call in writer.calls if call["path"].endswith("/chat/completions")]
    assert len(chats) <= 4, "one round, and nothing after it"
    assert report.queued + report.blocked == len(chats) - 1
    assert rows(filled, "SELECT count(*) FROM content_metadata") == [(len(chats) - 1,)]
    assert rows(filled, "SELECT count(*) FROM content_candidates WHERE state = 'chosen'") == [(0,)]
    assert set(report.skipped) == set(ACCOUNTS[:4])
    assert set(report.skipped.values()) == {"insufficient_quota"}
    assert rows(filled, "SELECT sum(reserved_usd) FROM budget_days WHERE account = ''") == [(0,)]
