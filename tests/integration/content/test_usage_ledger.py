"""The ledger on Postgres: days, caps, crashes, and X's prices beside OpenAI's."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import BudgetExceeded, CircuitOpen
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import usage
from xbot_dagster.store.usage import UsageLedger


def reserve(ledger: UsageLedger, usd: float, account: str = "default") -> int:
    return ledger.reserve(account=account, purpose="content_generation", model="gpt-4o-mini", usd=usd)


def settle(ledger: UsageLedger, entry: int, usd: float) -> None:
    ledger.settle(entry, usd=usd, input_tokens=1, cached_tokens=0, output_tokens=1, request_id="r")


def budget(engine: Engine, day: date, account: str = "") -> usage.Budget:
    with engine.begin() as conn:
        return usage.read_budget(conn, day, 10.0, account)


def test_settle_and_release_restore_exactly(engine: Engine, clock: FixedClock, settings: Settings) -> None:
    ledger = UsageLedger(engine, settings, clock)
    kept = [reserve(ledger, 0.1) for _ in range(7)]
    for entry in kept[:3]:
        ledger.release(entry, "no answer")
    for entry in kept[3:]:
        settle(ledger, entry, 0.03)
    found = budget(engine, date(2026, 11, 8))
    assert (found.reserved, found.used) == (0.0, 0.12)
    settle(ledger, kept[0], 5.0)
    ledger.release(kept[4], "again")
    assert budget(engine, date(2026, 11, 8)) == found, "a second end of the same entry changes nothing"


def test_a_budget_day_is_a_day_of_its_zone(engine: Engine, clock: FixedClock) -> None:
    settings = load_settings({"BUDGET_ZONE": "America/New_York"})
    clock.set(datetime(2026, 11, 9, 4, 30, tzinfo=UTC))
    ledger = UsageLedger(engine, settings, clock)
    entry = reserve(ledger, 1.0)
    clock.set(datetime(2026, 11, 9, 5, 30, tzinfo=UTC))
    settle(ledger, entry, 0.5)
    assert budget(engine, date(2026, 11, 8)).used == 0.5
    assert budget(engine, date(2026, 11, 9)).used == 0
    assert usage.budget_day(clock.now(), settings) == date(2026, 11, 9)


def test_an_account_may_have_a_lower_cap(engine: Engine, clock: FixedClock, settings: Settings) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE accounts SET daily_llm_limit_usd = 0.5"))
        conn.execute(text("INSERT INTO accounts (account, handle) VALUES ('second', 'second')"))
    ledger = UsageLedger(engine, settings, clock)
    reserve(ledger, 0.4)
    with pytest.raises(BudgetExceeded, match="cap of account 'default'"):
        reserve(ledger, 0.2)
    reserve(ledger, 0.2, "second")
    assert budget(engine, date(2026, 11, 8), "default").reserved == 0.4
    assert budget(engine, date(2026, 11, 8)).reserved == 0.6
    assert not budget(engine, date(2026, 11, 8)).circuit_open


def test_hitting_the_limit_opens_the_circuit_until_the_next_day(
    engine: Engine, clock: FixedClock, settings: Settings
) -> None:
    ledger = UsageLedger(engine, settings, clock)
    reserve(ledger, 9.9)
    with pytest.raises(BudgetExceeded, match=r"daily limit of 10\.00 USD"):
        reserve(ledger, 0.2)
    with pytest.raises(CircuitOpen):
        reserve(ledger, 0.01)
    clock.set(clock.now() + timedelta(days=1))
    assert reserve(ledger, 0.01)
    patient = UsageLedger(engine, settings.model_copy(update={"DISABLE_LLM_WHEN_BUDGET_HIT": False}), clock)
    reserve(patient, 9.9)
    with pytest.raises(BudgetExceeded):
        reserve(patient, 0.2)
    assert reserve(patient, 0.01)


def test_a_lenient_budget_goes_on_and_alerts(engine: Engine, clock: FixedClock, settings: Settings) -> None:
    lenient = UsageLedger(engine, settings.model_copy(update={"BUDGET_STRICT": False}), clock)
    for _ in range(3):
        reserve(lenient, 6.0)
    assert budget(engine, date(2026, 11, 8)).reserved == 18
    with engine.begin() as conn:
        row = conn.execute(text("SELECT rule, occurrences FROM alerts")).one()
    assert tuple(row) == ("llm_budget_exceeded", 2)


def test_what_a_dead_process_reserved_counts_as_spent(engine: Engine, clock: FixedClock, settings: Settings) -> None:
    ledger = UsageLedger(engine, settings, clock)
    reserve(ledger, 0.3)
    assert ledger.sweep() == 0
    clock.set(clock.now() + usage.ABANDONED_AFTER + timedelta(seconds=1))
    assert ledger.sweep() == 1
    found = budget(engine, date(2026, 11, 8))
    assert (found.reserved, found.used) == (0.0, 0.3)


def test_x_prices_are_in_the_same_ledger(engine: Engine, clock: FixedClock, settings: Settings) -> None:
    with engine.begin() as conn:
        assert usage.record_x(conn, settings, clock.now(), "default", "post_with_url") == 0.2
        assert usage.record_x(conn, settings, clock.now(), "default", "owned_read", requests=50) == 0.05
    found = budget(engine, date(2026, 11, 8))
    assert (found.x_used, found.used) == (0.25, 0.0)
    with engine.begin() as conn:
        assert conn.execute(
            text("SELECT sum(cost_usd) FROM api_usage WHERE provider = 'x'")
        ).scalar_one() == pytest.approx(0.25)
        assert usage.calls_today(conn, date(2026, 11, 8)) == (0, 0)
