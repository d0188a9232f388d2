"""Every environment flag, its default and its check. The only module that reads the environment.

Defaults that depend on MODE are resolved by the properties (interfaces: "what each flag does"): an unset POSTING_DISABLED
counts as *disabled* outside the sandbox.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from xbot_dagster.errors import SettingsError

Mode = Literal["sandbox", "shadow", "live"]
Family = Literal["sandbox", "real"]
PublisherName = Literal["shadow", "sandbox", "recorded", "x_api", "playwright"]

X_OAUTH1 = ("X_API_KEY", "X_API_SECRET", "X_ACCESS_TOKEN", "X_ACCESS_TOKEN_SECRET")
# What a machine or process may have of its own.
_OF_ONE_PROCESS = {
    "XBOT_HOME", "XBOT_LAUNCHER", "XBOT_HOST", "XBOT_API_PORT", "XBOT_DAGSTER_PORT", "XBOT_BROWSER_PATH", "ADMIN_TOKEN",
}  # fmt: skip
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _empty_is_unset(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Flag = Annotated[bool | None, BeforeValidator(_empty_is_unset)]


class Settings(BaseSettings):
    """One deployment's flags. Build it with `load_settings`, which turns a wrong value into one sentence."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    MODE: Mode = "sandbox"
    APP_ENV: str | None = None
    XBOT_HOME: Path = Path(".xbot")
    XBOT_LAUNCHER: Literal["default", "celery"] = "default"

    DATABASE_URL: SecretStr | None = None
    SUPABASE_DB_URL: SecretStr | None = None
    DAGSTER_DATABASE_URL: SecretStr | None = None
    REDIS_URL: SecretStr | None = None
    REDIS_PREFIX: str | None = None

    POSTING_DISABLED: Flag = None
    LIVE_POSTS: Flag = None
    REAL_METRICS_ENABLED: Flag = None
    PUBLISHER: PublisherName | None = None
    ACCEPT_BROWSER_AUTOMATION_RISK: bool = False

    OPENAI_API_KEY: SecretStr | None = None
    OPENAI_BASE_URL: str | None = None
    OPENAI_MODEL: str = "gpt-4o-mini"
    OPENAI_TEMPERATURE: float = Field(0.8, ge=0, le=2)
    OPENAI_TOP_P: float = Field(1.0, gt=0, le=1)
    OPENAI_MAX_TOKENS: int = Field(300, ge=50, le=4000)
    OPENAI_TIMEOUT_SECONDS: float = Field(60, gt=0, le=600)
    LLM_AT_ONCE: int = Field(8, ge=1, le=64)
    OPENAI_PRICE_OVERRIDES: str = ""
    EMBEDDER: Literal["openai", "wordllama"] | None = None
    DRAFTS_PER_SLOT: int = Field(3, ge=1, le=10)
    AI_QUOTA_CIRCUIT_OPEN: bool = False
    DAILY_OPENAI_LIMIT_USD: float = Field(10.0, ge=0)
    BUDGET_STRICT: bool = True
    DISABLE_LLM_WHEN_BUDGET_HIT: bool = True
    BUDGET_ZONE: str = "UTC"

    MAX_POSTS_PER_HOUR: int = Field(2, ge=0, le=50)
    MIN_POST_INTERVAL_MINUTES: int = Field(30, ge=0, le=1440)
    REPLY_MAX_PER_DAY: int = Field(10, ge=0, le=200)
    REPLIES_ENABLED: Flag = None
    AI_REPLY_APPROVAL_REF: str = ""

    X_HANDLE: str | None = Field(None, pattern=r"^[A-Za-z0-9_]{1,15}$")
    X_ZONE: str = "UTC"
    X_BASE_URL: str = "https://x.com"
    X_API_BASE_URL: str = "https://api.x.com"
    X_API_KEY: SecretStr | None = None
    X_API_SECRET: SecretStr | None = None
    X_ACCESS_TOKEN: SecretStr | None = None
    X_ACCESS_TOKEN_SECRET: SecretStr | None = None
    X_OAUTH2_TOKEN: SecretStr | None = None
    XBOT_BROWSER_PATH: Path | None = None

    XBOT_SOURCES: str | None = None
    FEED_ALLOW_LOOPBACK: Flag = None
    FEED_TIMEOUT_SECONDS: float = Field(10, gt=0, le=120)

    ADMIN_TOKEN: SecretStr | None = None
    XBOT_HOST: str = "127.0.0.1"
    XBOT_API_PORT: int = Field(8000, ge=0, le=65535)
    XBOT_DAGSTER_PORT: int = Field(3000, ge=0, le=65535)
    ALERT_URLS: SecretStr | None = None
    DEADMAN_URL: SecretStr | None = None

    KEEP_RUNS_DAYS: int = Field(90, ge=1, le=36500)
    KEEP_TICKS_DAYS: int = Field(60, ge=1, le=36500)
    KEEP_EVIDENCE_DAYS: int = Field(90, ge=1, le=36500)
    KEEP_QUARANTINE_DAYS: int = Field(180, ge=1, le=36500)
    KEEP_DETAILS_DAYS: int = Field(3650, ge=30, le=36500)

    @field_validator("BUDGET_ZONE", "X_ZONE")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"'{value}' is not a time zone name such as 'UTC' or 'Europe/Berlin'") from None
        return value

    @field_validator("X_BASE_URL", "X_API_BASE_URL", "OPENAI_BASE_URL")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        return value.rstrip("/") if value else value

    @property
    def family(self) -> Family:
        return "sandbox" if self.MODE == "sandbox" else "real"

    @property
    def simulated(self) -> bool:
        """The `simulated` mark of every row this deployment writes: family is sandbox, always."""
        return self.family == "sandbox"

    @property
    def app_env(self) -> str:
        return self.APP_ENV or {"sandbox": "sandbox", "shadow": "staging", "live": ""}[self.MODE]

    @property
    def redis_prefix(self) -> str:
        return self.REDIS_PREFIX or {"sandbox": "sandbox:", "shadow": "stg:", "live": ""}[self.MODE]

    @property
    def posting_disabled(self) -> bool:
        return self.MODE != "sandbox" if self.POSTING_DISABLED is None else self.POSTING_DISABLED

    @property
    def live_posts(self) -> bool:
        return bool(self.LIVE_POSTS)

    @property
    def metrics_enabled(self) -> bool:
        return self.MODE == "sandbox" or bool(self.REAL_METRICS_ENABLED)

    @property
    def replies_enabled(self) -> bool:
        return self.MODE == "sandbox" if self.REPLIES_ENABLED is None else self.REPLIES_ENABLED

    @property
    def publisher(self) -> PublisherName:
        return self.PUBLISHER or ("sandbox" if self.MODE == "sandbox" else "shadow")

    @property
    def embedder(self) -> str:
        return self.EMBEDDER or ("wordllama" if self.MODE == "sandbox" else "openai")

    @property
    def feed_allow_loopback(self) -> bool:
        return self.MODE == "sandbox" if self.FEED_ALLOW_LOOPBACK is None else self.FEED_ALLOW_LOOPBACK

    @property
    def database_url(self) -> str | None:
        """The external database, or None for the embedded one."""
        secret = self.DATABASE_URL or self.SUPABASE_DB_URL
        return secret.get_secret_value() if secret else None

    @property
    def home(self) -> Path:
        return self.XBOT_HOME.expanduser().absolute()

    def fingerprint(self) -> dict[str, str]:
        """A digest of each flag that must be alike in all processes of a deployment; of a secret only whether it is set."""
        return {
            name: hashlib.sha256(f"{name}={_shown(getattr(self, name))}".encode()).hexdigest()[:12]
            for name in type(self).model_fields
            if name not in _OF_ONE_PROCESS
        }

    @property
    def generation_source(self) -> Literal["real", "synthetic"]:
        return "synthetic" if self.family == "sandbox" else "real"

    @property
    def has_x_keys(self) -> bool:
        """Whether one of the two kinds of user tokens of X's API is complete."""
        return self.X_OAUTH2_TOKEN is not None or all(getattr(self, name) for name in X_OAUTH1)

    @property
    def browser_refusal(self) -> str | None:
        """Why no browser may be pointed at X_BASE_URL by this program, to write or to read; None when one may.

        The sandbox never points one there. A person who signs in by hand (xbot login) is not concerned."""
        if self.family == "sandbox" or self.ACCEPT_BROWSER_AUTOMATION_RISK or is_loopback(self.X_BASE_URL):
            return None
        return (
            f"it would drive {self.X_BASE_URL} with a browser, which X's rules forbid and which may cost the account: "
            "use PUBLISHER=x_api, or set ACCEPT_BROWSER_AUTOMATION_RISK=true."
        )

    def complaints(self) -> list[str]:
        """What is wrong between flags that are each right by themselves; one sentence each."""
        found = []
        if self.MODE == "live":
            if not self.APP_ENV:
                found.append("MODE=live needs APP_ENV to be set explicitly, for example APP_ENV=production.")
            if not self.REDIS_PREFIX:
                found.append("MODE=live needs REDIS_PREFIX to be set explicitly, for example REDIS_PREFIX=prod:.")
        if self.MODE == "shadow" and self.LIVE_POSTS:
            found.append("LIVE_POSTS=true contradicts MODE=shadow: unset it, or set MODE=live.")
        if self.MODE != "sandbox" and self.publisher in ("sandbox", "recorded"):
            found.append(f"PUBLISHER={self.publisher} exists only in MODE=sandbox: use shadow, x_api or playwright.")
        if self.MODE == "sandbox" and self.publisher in ("x_api", "playwright"):
            found.append(f"PUBLISHER={self.publisher} is refused in MODE=sandbox: use sandbox, recorded or shadow.")
        if self.browser_refusal is not None and self.publisher == "playwright":
            found.append(f"PUBLISHER=playwright: {self.browser_refusal}")
        reads_pages = self.publisher == "shadow" and self.metrics_enabled and not self.has_x_keys
        if self.browser_refusal is not None and reads_pages:
            found.append(f"REAL_METRICS_ENABLED=true with PUBLISHER=shadow: {self.browser_refusal}")
        if self.redis_prefix and not self.redis_prefix.endswith(":"):
            found.append(f"REDIS_PREFIX={self.redis_prefix} must end with a colon, for example {self.redis_prefix}:.")
        return found


def _shown(value: object) -> str:
    return f"secret, {'set' if value.get_secret_value() else 'empty'}" if isinstance(value, SecretStr) else str(value)


def is_loopback(url: str) -> bool:
    """Whether a web address points at this machine by name or number."""
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the flags: of `environment`, else of the process over those of `.env` in the working directory.

    Raises SettingsError naming each wrong value; secrets are never repeated.
    """
    if environment is None:
        environment = {**_dotenv(), **os.environ}
    values = {name: value for name, value in environment.items() if name in Settings.model_fields and value.strip()}
    try:
        settings = Settings(**values)  # pyright: ignore[reportArgumentType] (pydantic converts the strings)
    except ValidationError as error:
        raise SettingsError(
            " ".join(_sentence(e, values) for e in error.errors()), "Correct it in the environment or in .env."
        ) from None
    complaints = settings.complaints()
    if complaints:
        raise SettingsError(" ".join(complaints))
    return settings


def _dotenv() -> dict[str, str]:
    source = DotEnvSettingsSource(Settings, env_file=".env", case_sensitive=True)
    return {name: value for name, value in source.env_vars.items() if value is not None}


def _sentence(error: object, values: Mapping[str, str]) -> str:
    assert isinstance(error, dict)
    name = str(error["loc"][0])
    field = Settings.model_fields[name]
    secret = "SecretStr" in str(field.annotation)
    shown = "(hidden)" if secret else values.get(name, "")
    return f"{name}={shown} cannot be used: {str(error['msg']).removeprefix('Value error, ')}."
