"""The tree of errors that a person can mend. Anything else is a defect and keeps its traceback."""


class UserError(Exception):
    """Something the user can mend: one sentence that says what is wrong, one that says what to do."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(UserError):
    """An environment flag holds a value that cannot be used."""

    exit_code = 2


class UsageError(UserError):
    """The command was called with words that do not fit."""

    exit_code = 2


class HomeError(UserError):
    """The home directory or a service embedded in it cannot be used."""


class DatabaseError(UserError):
    """The database cannot be reached, is of another family, or has another schema."""


class BrowserError(UserError):
    """No usable browser was found, or it could not be started."""


class ConfigError(UserError):
    """A live configuration value (bot_config) is not acceptable."""

    exit_code = 2


class SourceError(UserError):
    """A content source cannot be read: broken YAML, broken feed, unreachable or refused address."""


class BudgetExceeded(UserError):
    """A reservation would pass the daily limit, or the model's price is not known under BUDGET_STRICT."""


class QuotaExhausted(UserError):
    """OpenAI answered `insufficient_quota`: never retried; the circuit is open."""


class CircuitOpen(UserError):
    """No LLM call is made: AI_QUOTA_CIRCUIT_OPEN, `xbot stop --llm`, or the budget circuit of the day."""


class NotFound(UserError):
    """An id that nothing has."""


class Conflict(UserError):
    """Somebody else changed the same row first."""
