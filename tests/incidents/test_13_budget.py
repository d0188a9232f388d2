"""Incident 13: the budget was negative, bypassed and raced (106 commits). Nothing is spent that was not reserved first."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import BudgetExceeded, CircuitOpen
from xbot_dagster.settings import Settings
from xbot_dagster.store import usage
from xbot_dagster.store.engine import make_engine
from xbot_dagster.store.usage import UsageLedger

CALLERS = 100
PRICE = 0.01
ROOM = 37  # calls that still fit


@pytest.fixture
def many(database_url: str, engine: Engine, clock: FixedClock):
    """A pool as wide as Postgres allows, on the same database."""
    wide = make_engine(database_url, clock, pool_size=24)
    yield wide
    wide.dispose()


def test_a_hundred_callers_at_the_limit_never_pass_it(many: Engine, clock: FixedClock, settings: Settings) -> None:
    strict = settings.model_copy(
        update={"DISABLE_LLM_WHEN_BUDGET_HIT": False, "DAILY_OPENAI_LIMIT_USD": ROOM * PRICE + PRICE / 2}
    )
    ledger = UsageLedger(many, strict, clock)

    def call(_: int) -> int | None:
        try:
            return ledger.reserve(account="default", purpose="content_generation", model="gpt-4o-mini", usd=PRICE)
        except BudgetExceeded:
            return None

    with ThreadPoolExecutor(CALLERS) as pool:
        entries = [entry for entry in pool.map(call, range(CALLERS)) if entry is not None]
    assert len(entries) == ROOM
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda entry: ledger.release(entry, "failed"), entries))
    with many.begin() as conn:
        budget = usage.read_budget(conn, date(2026, 11, 8), 1.0)
        assert (budget.reserved, budget.used) == (0.0, 0.0), "failures restore exactly"
        assert conn.execute(text("SELECT count(*) FROM api_usage WHERE state = 'released'")).scalar_one() == ROOM


def test_the_sum_of_the_entries_is_the_sum_of_the_day(many: Engine, clock: FixedClock, settings: Settings) -> None:
    ledger = UsageLedger(many, settings, clock)

    def call(number: int) -> None:
        entry = ledger.reserve(account="default", purpose="embedding", model="gpt-4o-mini", usd=0.013)
        if number % 3:
            ledger.settle(entry, usd=0.0071, input_tokens=1, cached_tokens=0, output_tokens=1, request_id=None)
        elif number % 2:
            ledger.release(entry, "failed")

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(120)))
    with many.begin() as conn:
        sums = conn.execute(
            text(
                "SELECT sum(cost_usd) AS cost, sum(reserved_usd) FILTER (WHERE state = 'reserved') AS held FROM api_usage"
            )
        ).one()
        days = conn.execute(text("SELECT account, settled_usd, reserved_usd FROM budget_days ORDER BY account")).all()
    assert [row.account for row in days] == ["", "default"]
    for row in days:
        assert row.settled_usd == pytest.approx(sums.cost, abs=1e-12)
        assert row.reserved_usd == pytest.approx(sums.held, abs=1e-12)
        assert row.settled_usd >= 0
        assert row.reserved_usd >= 0


def test_the_circuit_is_seen_by_every_caller_at_once(many: Engine, clock: FixedClock, settings: Settings) -> None:
    ledger = UsageLedger(many, settings, clock)
    ledger.open_circuit("insufficient_quota")

    def call(_: int) -> str:
        try:
            ledger.reserve(account="default", purpose="x", model="gpt-4o-mini", usd=0.001)
        except CircuitOpen as error:
            return error.message
        return "reserved"

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(call, range(40)))
    assert len(answers) == 1
    assert "circuit is open (insufficient_quota)" in answers.pop()
    with many.begin() as conn:
        assert conn.execute(text("SELECT occurrences FROM alerts")).scalars().all() == [1]


def test_only_the_llm_room_imports_openai() -> None:
    root = Path(__file__).parents[2] / "xbot_dagster"
    importers = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if any(
            line.strip().startswith(("import openai", "from openai"))
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    }
    assert importers == {"llm"}


def test_planning_can_be_imported_without_openai() -> None:
    code = "import sys; import xbot_dagster.stages.plan, xbot_dagster.stages.reply; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
