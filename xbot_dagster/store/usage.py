"""The ledger of what is spent at OpenAI and at X: reserve, settle, release, one row a call, one locked row a budget day.

A budget day is a calendar day of BUDGET_ZONE. An entry is settled on the day it was reserved. Amounts are USD, rounded to a
billionth, so that a release restores the sum exactly.
"""

import json
import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

from xbot_dagster.clock import Clock
from xbot_dagster.errors import BudgetExceeded, CircuitOpen
from xbot_dagster.settings import Settings
from xbot_dagster.store import alerts
from xbot_dagster.store.engine import one

log = logging.getLogger("xbot")

DEPLOYMENT: Final = ""  # budget_days.account of the whole deployment
# A call and its retries end within minutes; a reservation older than this belongs to a process that died.
ABANDONED_AFTER: Final = timedelta(minutes=20)
# X API, pay-per-use prices since 2026-04-20, USD per request.
X_PRICES_USD: Final[dict[str, float]] = {
    "post": 0.015,
    "post_with_url": 0.200,
    "reply": 0.010,
    "owned_read": 0.001,
    "post_read": 0.005,
    "user_read": 0.010,
    "analytics_read": 0.005,
    "media_metadata": 0.005,
    "delete": 0.010,
}


@dataclass(frozen=True)
class Budget:
    """One budget day. USD; `remaining` never below 0. `x_used` is what X's API cost the same day."""

    day: date
    limit: float
    used: float
    reserved: float
    x_used: float
    circuit_open: bool
    circuit_reason: str | None

    @property
    def remaining(self) -> float:
        return max(0.0, self.limit - self.used - self.reserved)


def budget_day(now: datetime, settings: Settings) -> date:
    """The budget day of an instant, in BUDGET_ZONE."""
    return now.astimezone(ZoneInfo(settings.BUDGET_ZONE)).date()


class UsageLedger:
    """The `Ledger` of llm/ on Postgres; each step is one short transaction of its own, so a crash loses no step before it."""

    def __init__(self, engine: Engine, settings: Settings, clock: Clock) -> None:
        self.engine = engine
        self.settings = settings
        self.clock = clock

    def reserve(self, *, account: str, purpose: str, model: str, usd: float, decision_id: UUID | None = None) -> int:
        """Set `usd` aside. Raises CircuitOpen, or BudgetExceeded when BUDGET_STRICT and a limit would be passed."""
        day = budget_day(self.clock.now(), self.settings)
        amount = round(usd, 9)
        with self.engine.begin() as conn:
            row = conn.execute(
                _RESERVE,
                {
                    "day": day,
                    "account": account,
                    "usd": amount,
                    "limit": self.settings.DAILY_OPENAI_LIMIT_USD,
                    "strict": self.settings.BUDGET_STRICT,
                    "purpose": purpose,
                    "model": model,
                    "decision_id": decision_id,
                    "simulated": self.settings.simulated,
                },
            ).one()
            entry: int | None = row.usage_id
            outcome = self._refusal(conn, day, account, amount) if entry is None else entry
        if not isinstance(outcome, int):
            # Raised after the transaction: what a refusal writes (the circuit, its alert) must stay.
            raise outcome
        if row.over:
            self._alert_overspend(day)
        return outcome

    def settle(
        self,
        usage_id: int,
        *,
        usd: float,
        input_tokens: int,
        cached_tokens: int,
        output_tokens: int,
        request_id: str | None,
    ) -> None:
        with self.engine.begin() as conn:
            _finish(
                conn,
                usage_id,
                "settled",
                usd,
                tokens=(input_tokens, cached_tokens, output_tokens),
                request_id=request_id,
            )

    def release(self, usage_id: int, error: str) -> None:
        with self.engine.begin() as conn:
            _finish(conn, usage_id, "released", 0.0, error=error)

    def open_circuit(self, reason: str) -> None:
        """Until the next budget day, or `close_circuit`. Raises one alert."""
        with self.engine.begin() as conn:
            open_circuit(conn, budget_day(self.clock.now(), self.settings), reason)

    def sweep(self) -> int:
        """Count reservations of dead processes as spent (the call may have been billed). Returns how many there were."""
        with self.engine.begin() as conn:
            stale = conn.execute(
                text(
                    "SELECT id, reserved_usd FROM api_usage WHERE state = 'reserved' "
                    "AND created_at < xbot_now() - cast(:age AS interval) FOR UPDATE SKIP LOCKED"
                ),
                {"age": ABANDONED_AFTER},
            ).all()
            for row in stale:
                _finish(
                    conn, row.id, "settled", row.reserved_usd, error="abandoned: the process ended before the answer"
                )
        return len(stale)

    def _refusal(self, conn: Connection, day: date, account: str, amount: float) -> BudgetExceeded | CircuitOpen:
        """Why a call was refused; the first one at the deployment's limit opens the circuit, where that is asked for."""
        budget = read_budget(conn, day, self.settings.DAILY_OPENAI_LIMIT_USD)
        if budget.circuit_open:
            return CircuitOpen(
                f"No LLM call is made until {day + timedelta(days=1)}: the circuit is open ({budget.circuit_reason}).",
                "Close it with: xbot resume",
            )
        if budget.remaining >= amount:
            whose, hint = (
                f"the daily cap of account '{account}'",
                "Raise the account's daily_llm_limit_usd or wait for the next budget day.",
            )
        else:
            whose = f"the daily limit of {self.settings.DAILY_OPENAI_LIMIT_USD:.2f} USD"
            hint = "Raise DAILY_OPENAI_LIMIT_USD or wait for the next budget day."
            if self.settings.DISABLE_LLM_WHEN_BUDGET_HIT:
                open_circuit(conn, day, "daily limit reached")
        return BudgetExceeded(f"A call of up to {amount:.6f} USD would pass {whose}.", hint)

    def _alert_overspend(self, day: date) -> None:
        log.warning(
            "[OPENAI] ⚠️ Budget exceeded day=%s limit=%.2f (BUDGET_STRICT=false: the call is made)",
            day,
            self.settings.DAILY_OPENAI_LIMIT_USD,
        )
        with self.engine.begin() as conn:
            alerts.raise_alert(
                conn,
                "llm_budget_exceeded",
                str(day),
                severity="warning",
                message=f"The LLM spend of {day} passed the daily limit of {self.settings.DAILY_OPENAI_LIMIT_USD:.2f} USD.",
                fix="Set BUDGET_STRICT=true to refuse such calls, or raise DAILY_OPENAI_LIMIT_USD.",
            )


_RESERVE = text(
    "SELECT usage_id, over FROM xbot_reserve(:day, :account, :usd, :limit, :strict, :purpose, :model, :decision_id, :simulated)"
)
_FINISH = text("SELECT xbot_finish_usage(:id, :state, :cost, :input, :cached, :output, :request, :error)")


def _finish(
    conn: Connection,
    usage_id: int,
    state: str,
    cost: float,
    *,
    tokens: tuple[int, int, int] | None = None,
    request_id: str | None = None,
    error: str | None = None,
) -> None:
    """Move an entry out of `reserved`, once; a second settle or release of the same entry changes nothing."""
    used, cached, written = tokens if tokens is not None else (None, None, None)
    conn.execute(
        _FINISH,
        {
            "id": usage_id,
            "state": state,
            "cost": round(cost, 9),
            "input": used,
            "cached": cached,
            "output": written,
            "request": request_id,
            "error": error[:300] if error else None,
        },
    )


def open_circuit(conn: Connection, day: date, reason: str) -> None:
    """Open the LLM circuit of a budget day; the first time raises an alert."""
    row = conn.execute(
        text(
            "INSERT INTO budget_days (budget_day, account, provider, circuit_open, circuit_reason) VALUES (:day, '', 'openai', true, :reason) "
            "ON CONFLICT (budget_day, account, provider) DO UPDATE SET circuit_open = true, circuit_reason = :reason "
            "WHERE NOT budget_days.circuit_open RETURNING 1"
        ),
        {"day": day, "reason": reason},
    ).first()
    if row is not None:
        log.warning("[OPENAI] ⚠️ circuit opened day=%s reason=%s", day, reason)
        alerts.raise_alert(
            conn,
            "llm_circuit_open",
            reason,
            severity="critical" if reason == "insufficient_quota" else "warning",
            message=f"No LLM call is made on {day}: {reason}.",
            fix="Top up the OpenAI account, then: xbot resume"
            if reason == "insufficient_quota"
            else "Raise DAILY_OPENAI_LIMIT_USD, then: xbot resume",
        )


def close_circuit(conn: Connection, day: date) -> bool:
    """Close the LLM circuit of a budget day; whether it was open."""
    row = conn.execute(
        text(
            "UPDATE budget_days SET circuit_open = false, circuit_reason = NULL "
            "WHERE (budget_day, account, provider) = (:day, '', 'openai') AND circuit_open RETURNING 1"
        ),
        {"day": day},
    ).first()
    return row is not None


def read_budget(conn: Connection, day: date, limit: float, account: str = DEPLOYMENT) -> Budget:
    """The deployment's budget of one day, or one account's own spend against the deployment's limit."""
    rows = {
        row.provider: row
        for row in conn.execute(
            text(
                "SELECT provider, reserved_usd, settled_usd, circuit_open, circuit_reason FROM budget_days WHERE budget_day = :day AND account = :account"
            ),
            {"day": day, "account": account},
        )
    }
    llm, x = rows.get("openai"), rows.get("x")
    return Budget(
        day=day,
        limit=limit,
        used=llm.settled_usd if llm else 0.0,
        reserved=llm.reserved_usd if llm else 0.0,
        x_used=x.settled_usd if x else 0.0,
        circuit_open=bool(llm and llm.circuit_open),
        circuit_reason=llm.circuit_reason if llm else None,
    )


def record_x(
    conn: Connection,
    settings: Settings,
    now: datetime,
    account: str,
    purpose: str,
    requests: int = 1,
    decision_id: UUID | None = None,
) -> float:
    """Enter paid requests to X's API (`purpose` is a key of X_PRICES_USD) so that the spend shown is the whole spend; USD."""
    cost = round(X_PRICES_USD[purpose] * requests, 9)
    day = budget_day(now, settings)
    conn.execute(
        text(
            "INSERT INTO api_usage (account, provider, purpose, model, budget_day, state, reserved_usd, cost_usd, decision_id, simulated, settled_at) "
            "VALUES (:account, 'x', :purpose, 'x-api', :day, 'settled', 0, :cost, :decision_id, :simulated, xbot_now())"
        ),
        {
            "account": account,
            "purpose": purpose,
            "day": day,
            "cost": cost,
            "decision_id": decision_id,
            "simulated": settings.simulated,
        },
    )
    conn.execute(
        text(
            "INSERT INTO budget_days (budget_day, account, provider, settled_usd) SELECT :day, a, 'x', :cost FROM unnest(cast(:accounts AS text[])) a "
            "ON CONFLICT (budget_day, account, provider) DO UPDATE "
            "SET settled_usd = round((budget_days.settled_usd + EXCLUDED.settled_usd)::numeric, 9)::double precision"
        ),
        {"day": day, "cost": cost, "accounts": [DEPLOYMENT, account]},
    )
    return cost


def calls_today(conn: Connection, day: date) -> tuple[int, int]:
    """(LLM calls, failed ones) of a budget day."""
    row = one(
        conn,
        "SELECT count(*) AS calls, count(*) FILTER (WHERE state = 'released') AS failed FROM api_usage WHERE budget_day = :day AND provider = 'openai'",
        day=day,
    )
    return int(row.calls), int(row.failed)


def usage_record(conn: Connection, usage_id: int) -> dict[str, Any]:
    """One entry as JSON-able fields, for `xbot explain`; empty when there is none."""
    row = conn.execute(text("SELECT to_jsonb(u) AS record FROM api_usage u WHERE id = :id"), {"id": usage_id}).first()
    return json.loads(json.dumps(row.record, default=str)) if row else {}
