"""What the client needs of a budget: reserve before the call, settle or release after it."""

from typing import Protocol
from uuid import UUID

from xbot_dagster.errors import UserError


class LlmFailed(UserError):
    """The call did not succeed and its retries are used up, or may not be retried."""


class LlmAnswerUnusable(LlmFailed):
    """The answer broke the contract twice: once, and once more after the repair attempt."""


class TickExhausted(LlmFailed):
    """The retries of one tick are used up: the tick ends, the next one begins afresh."""


class Ledger(Protocol):
    """Money in USD. Implementations are atomic under concurrency; `store.usage.UsageLedger` is the one on Postgres."""

    def reserve(self, *, account: str, purpose: str, model: str, usd: float, decision_id: UUID | None = None) -> int:
        """Set `usd` aside and return the id of the entry. Raises BudgetExceeded or CircuitOpen."""
        ...

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
        """The call was answered and cost `usd`."""
        ...

    def release(self, usage_id: int, error: str) -> None:
        """The call cost nothing: give back what was set aside."""
        ...

    def open_circuit(self, reason: str) -> None:
        """No call until the next budget day or a command; one alert."""
        ...
