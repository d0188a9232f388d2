"""The deployment's stamp and its accounts."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.errors import DatabaseError, NotFound
from xbot_dagster.settings import Settings
from xbot_dagster.store import audit
from xbot_dagster.store.engine import one

DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True)
class Deployment:
    family: str
    app_env: str
    seed: int
    created_at: datetime


@dataclass(frozen=True)
class Account:
    """One X account; zone is an IANA name, voice the parsed voice file."""

    account: str
    handle: str
    zone: str
    enabled: bool
    voice: dict[str, Any]
    approval_posts: str
    approval_replies: str
    replies_enabled: bool
    daily_llm_limit_usd: float | None
    label_attested_by: str | None
    label_attested_at: datetime | None
    circuit_state: str
    circuit_reason: str | None
    session_state: str


_ACCOUNT_COLUMNS = ", ".join(Account.__dataclass_fields__)


def stamp(conn: Connection, settings: Settings, seed: int) -> Deployment:
    """Stamp the database with this deployment's family, once. Raises DatabaseError when it belongs to another family."""
    conn.execute(
        text("INSERT INTO deployment (family, app_env, seed) VALUES (:family, :env, :seed) ON CONFLICT DO NOTHING"),
        {"family": settings.family, "env": settings.app_env, "seed": seed},
    )
    return require_family(conn, settings)


def require_family(conn: Connection, settings: Settings) -> Deployment:
    """The stamp. Raises DatabaseError for an unstamped database or one of the other family or environment."""
    row = one(conn, "SELECT family, app_env, seed, created_at FROM deployment")
    if row is None:
        raise DatabaseError("The database is not set up.", "Run: xbot init")
    if row.family != settings.family:
        raise DatabaseError(
            f"The database belongs to the {row.family} family, but MODE={settings.MODE} is of the {settings.family} family.",
            "Use another XBOT_HOME or DATABASE_URL for this mode.",
        )
    if row.app_env != settings.app_env:
        raise DatabaseError(
            f"The database is stamped APP_ENV={row.app_env}, but this process runs with APP_ENV={settings.app_env}.",
            "Set APP_ENV to the stamped value or use another database.",
        )
    return Deployment(row.family, row.app_env, row.seed, row.created_at)


def add_account(conn: Connection, account: str, handle: str, zone: str, **columns: Any) -> None:
    """Insert an account when it is missing (an existing one is left as it is)."""
    names = ["account", "handle", "zone", *columns]
    conn.execute(
        text(
            f"INSERT INTO accounts ({', '.join(names)}) VALUES ({', '.join(':' + n for n in names)}) ON CONFLICT DO NOTHING"
        ),
        {"account": account, "handle": handle, "zone": zone, **columns},
    )


# What an operator may change of an account; each column's own CHECK holds its values.
CHANGEABLE = ("approval_posts", "approval_replies", "replies_enabled", "daily_llm_limit_usd", "enabled", "voice")


def change_account(conn: Connection, name: str, changes: dict[str, Any]) -> Account:
    """Set columns of CHANGEABLE. Raises NotFound."""
    before = account(conn, name)
    if unknown := set(changes) - set(CHANGEABLE):
        raise ValueError(f"not changeable: {sorted(unknown)}")
    values = {key: json.dumps(value) if key == "voice" else value for key, value in changes.items()}
    if values:
        sets = ", ".join(f"{key} = {f'cast(:{key} AS jsonb)' if key == 'voice' else f':{key}'}" for key in values)
        conn.execute(text(f"UPDATE accounts SET {sets} WHERE account = :account"), {**values, "account": name})
    after = account(conn, name)
    differing = [key for key in changes if getattr(before, key) != getattr(after, key)]
    if differing:
        audit.record(
            conn,
            "ACCOUNT_CHANGED",
            "accounts",
            {key: {"before": getattr(before, key), "after": getattr(after, key)} for key in differing},
            account=name,
        )
    return after


def accounts(conn: Connection, *, enabled_only: bool = True) -> list[Account]:
    """Every account, in order of its key."""
    rows = conn.execute(
        text(f"SELECT {_ACCOUNT_COLUMNS} FROM accounts WHERE enabled OR NOT :enabled ORDER BY account"),
        {"enabled": enabled_only},
    )
    return [Account(**row) for row in rows.mappings()]


def account(conn: Connection, name: str) -> Account:
    """One account. Raises NotFound."""
    row = (
        conn.execute(text(f"SELECT {_ACCOUNT_COLUMNS} FROM accounts WHERE account = :name"), {"name": name})
        .mappings()
        .first()
    )
    if row is None:
        raise unknown_account(name)
    return Account(**row)


def unknown_account(name: str) -> NotFound:
    return NotFound(f"There is no account '{name}'.", "List them with: xbot accounts list")
