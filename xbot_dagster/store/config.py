"""Live configuration (`bot_config`): what operators change without a restart. Account rows override the rows of ''.

The database's own trigger validates and audits every write, so raw SQL and this module obey the same rules.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from xbot_dagster.errors import ConfigError
from xbot_dagster.settings import Settings

KEYS = ("feature_flags", "learning_config", "content_config", "controls")


@dataclass(frozen=True)
class LiveConfig:
    """One account's live configuration. Fractions 0..1, interval in minutes, quiet hours 0..23 in the account's zone."""

    post_fraction: float
    epsilon: float
    epsilon_anchored_at: datetime | None
    post_interval_min: float
    max_hashtags: int
    quiet_hours: tuple[int, ...]
    posts_per_day: int
    learning_engine_v2: bool
    stop_posting: bool
    stop_llm: bool
    topics_allowed: tuple[str, ...]


def defaults(settings: Settings) -> dict[str, dict[str, Any]]:
    """The rows a new deployment starts with."""
    sandbox = settings.family == "sandbox"
    return {
        "feature_flags": {"learning_engine_v2": sandbox},
        "learning_config": {
            "post_fraction": 1.0 if sandbox else 0.0,
            "epsilon": 0.2,
            "post_interval_min": 30 if sandbox else 60,
            "max_hashtags": 3,
            "quiet_hours": [2, 3, 4, 5],
            "posts_per_day": 8 if sandbox else 6,
        },
        "content_config": {
            "topics_allowed": [],
            "url_policy": "block",
            "domains_allowed": [],
            "mentions_allowed": [],
            "thread_share": 0.1,
        },
        "controls": {"stop_posting": False, "stop_llm": False},
    }


def install_defaults(conn: Connection, settings: Settings) -> None:
    """Write the rows of a new deployment; rows that exist are left alone."""
    for key, value in defaults(settings).items():
        conn.execute(
            text(
                "INSERT INTO bot_config (environment, account, config_key, config_value) VALUES (:env, '', :key, cast(:value AS jsonb)) "
                "ON CONFLICT DO NOTHING"
            ),
            {"env": settings.app_env, "key": key, "value": json.dumps(value)},
        )


def read_raw(conn: Connection, settings: Settings, account: str = "") -> dict[str, dict[str, Any]]:
    """key -> value, the account's own values laid over those of all accounts."""
    return _merged(_rows(conn, settings, (account,)))


def read_own(conn: Connection, settings: Settings, account: str) -> dict[str, dict[str, Any]]:
    """key -> value, what is stored for this account alone ('' = for all accounts)."""
    return _merged([row for row in _rows(conn, settings, (account,)) if row.account == account])


def read_config(conn: Connection, settings: Settings, account: str = "") -> LiveConfig:
    """The live configuration of an account. A missing stop flag counts as *stopped*: the guard fails closed."""
    return _live(read_raw(conn, settings, account), settings)


def read_configs(conn: Connection, settings: Settings, accounts: Sequence[str]) -> dict[str, LiveConfig]:
    """The live configuration of several accounts ('' = the values of all), by account."""
    own: dict[str, list[Any]] = {}
    for row in _rows(conn, settings, accounts):
        own.setdefault(row.account, []).append(row)
    shared = own.pop("", [])
    of_all = _live(_merged(shared), settings)
    # Most accounts of a large deployment have no value of their own: they share one record.
    return {
        account: _live(_merged([*shared, *own[account]]), settings) if account in own else of_all
        for account in accounts
    }


def _rows(conn: Connection, settings: Settings, accounts: Sequence[str]) -> list[Any]:
    """What is stored for all accounts, and after it what is stored for each of `accounts`."""
    found = conn.execute(
        text(
            "SELECT account, config_key, config_value FROM bot_config "
            "WHERE environment = :env AND account = ANY(:accounts) ORDER BY account"
        ),
        {"env": settings.app_env, "accounts": ["", *accounts]},
    )
    return list(found)


def _merged(rows: list[Any]) -> dict[str, dict[str, Any]]:
    """key -> value; a later row's values lie over those of an earlier one."""
    merged: dict[str, dict[str, Any]] = {key: {} for key in KEYS}
    for row in rows:
        merged[row.config_key] = {**merged[row.config_key], **row.config_value}
    return merged


def _live(raw: dict[str, dict[str, Any]], settings: Settings) -> LiveConfig:
    learning, standard = raw["learning_config"], defaults(settings)["learning_config"]
    value = {**standard, **learning}
    anchored = learning.get("epsilon_anchored_at")
    controls = raw["controls"]
    return LiveConfig(
        post_fraction=float(learning.get("post_fraction", 0.0)),
        epsilon=float(value["epsilon"]),
        epsilon_anchored_at=datetime.fromisoformat(anchored) if anchored else None,
        post_interval_min=float(value["post_interval_min"]),
        max_hashtags=int(value["max_hashtags"]),
        quiet_hours=tuple(int(h) for h in value["quiet_hours"]),
        posts_per_day=int(value["posts_per_day"]),
        learning_engine_v2=bool(raw["feature_flags"].get("learning_engine_v2", False)),
        stop_posting=bool(controls.get("stop_posting", True)),
        stop_llm=bool(controls.get("stop_llm", True)),
        topics_allowed=tuple(raw["content_config"].get("topics_allowed", [])),
    )


def write(conn: Connection, settings: Settings, key: str, name: str, value: Any, account: str = "") -> None:
    """Set one value. Raises ConfigError for an unknown key or a value the database refuses."""
    _require_known(settings, key, name)
    try:
        written = json.dumps(value, allow_nan=False)
    except ValueError:
        raise ConfigError(f"'{name}' must be a number that JSON can hold, got {value}.") from None
    try:
        conn.execute(
            text(
                "INSERT INTO bot_config (environment, account, config_key, config_value) "
                "VALUES (:env, :account, :key, jsonb_build_object(cast(:name AS text), cast(:value AS jsonb))) "
                "ON CONFLICT (environment, account, config_key) "
                "DO UPDATE SET config_value = bot_config.config_value || EXCLUDED.config_value"
            ),
            {"env": settings.app_env, "account": account, "key": key, "name": name, "value": written},
        )
    except IntegrityError as error:
        raise ConfigError(str(error.orig).splitlines()[0].removeprefix("bot_config: ").strip() + ".") from None


def unset(conn: Connection, settings: Settings, key: str, name: str, account: str) -> None:
    """Take an account's own value away, so that the value for all accounts counts. Raises ConfigError where it has none."""
    _require_known(settings, key, name)
    changed = conn.execute(
        text(
            "UPDATE bot_config SET config_value = config_value - cast(:name AS text) "
            "WHERE environment = :env AND account = :account AND account <> '' AND config_key = :key "
            "AND config_value ? cast(:name AS text)"
        ),
        {"env": settings.app_env, "account": account, "key": key, "name": name},
    )
    if changed.rowcount == 0:
        raise ConfigError(f"'{account}' has no {key}.{name} of its own.", "The value for all accounts counts already.")


def _require_known(settings: Settings, key: str, name: str) -> None:
    if key not in KEYS:
        raise ConfigError(f"There is no configuration '{key}'.", f"Known: {', '.join(KEYS)}.")
    if name not in defaults(settings)[key]:
        raise ConfigError(f"'{key}' has no value '{name}'.", f"Known: {', '.join(defaults(settings)[key])}.")


def history(conn: Connection, limit: int = 50) -> list[dict[str, Any]]:
    """Newest changes first: at, actor, environment, account, config_key, before, after."""
    rows = conn.execute(
        text(
            "SELECT at, actor, event_data FROM audit_log WHERE event_type = 'CONFIG_CHANGED' ORDER BY at DESC, id DESC LIMIT :limit"
        ),
        {"limit": limit},
    )
    return [{"at": row.at, "actor": row.actor, **row.event_data} for row in rows]
