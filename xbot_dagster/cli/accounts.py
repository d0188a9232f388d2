"""The X accounts of this deployment: list, add, attest."""

import math
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xbot_dagster.cli.runtime import Json, actor, console, deployment, group, print_rows
from xbot_dagster.errors import Conflict, UsageError
from xbot_dagster.settings import load_settings

_ATTEST = (
    "Vouch that an account carries X's automated-account label, says so in its bio and names its human owner: without it nothing "
    "is published for real. Example: xbot accounts attest default --by 'Ada Lovelace'"
)

_SET = (
    "Change an account's rules: who approves what, its LLM cap, its voice. Without an option, show them. "
    "Example: xbot accounts set default --approve-posts all"
)


class Approval(StrEnum):
    """Which drafts a person must see first."""

    none = "none"
    risky_only = "risky_only"
    all = "all"


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    accounts = group("The X accounts of this deployment. Example: xbot accounts list")
    accounts.command("list", help="List them. Example: xbot accounts list --json")(accounts_list)
    accounts.command("add", help="Add one. Example: xbot accounts add second my_handle --zone Europe/Berlin")(
        accounts_add
    )
    accounts.command("set", help=_SET)(accounts_set)
    accounts.command("attest", help=_ATTEST)(accounts_attest)
    app.add_typer(accounts, name="accounts")


def accounts_list(as_json: Json = False) -> None:
    from xbot_dagster.store import deployment as store

    with deployment() as opened, opened.engine.begin() as conn:
        rows = [asdict(row) for row in store.accounts(conn, enabled_only=False)]
    columns = (
        "account",
        "handle",
        "zone",
        "enabled",
        "approval_posts",
        "approval_replies",
        "session_state",
        "circuit_state",
        "label_attested_by",
    )
    print_rows(
        rows, columns, as_json=as_json, empty="There is no account yet. Add one with: xbot accounts add default HANDLE"
    )


def accounts_add(
    account: Annotated[str, typer.Argument(help="The account's key: lower-case letters, digits, - and _.")],
    handle: Annotated[str, typer.Argument(help="The handle on X, without @.")],
    zone: Annotated[str, typer.Option(help="IANA time zone of posting and quiet hours.")] = "UTC",
) -> None:
    import re
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not re.fullmatch(r"[a-z0-9_-]{1,40}", account):
        raise UsageError(
            f"'{account}' cannot be an account's key.", "Use up to 40 lower-case letters, digits, - and _."
        )
    if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", handle):
        raise UsageError(f"'{handle}' cannot be a handle on X.", "Give it without @, up to 15 letters, digits and _.")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"'{zone}' is not a time zone.", "Use an IANA name such as Europe/Berlin.") from None
    _add_account(account, handle, zone)
    console.print(f"added {account} (@{handle}, {zone}). It posts for real only after: xbot accounts attest {account}")


def _add_account(account: str, handle: str, zone: str) -> None:
    from xbot_dagster.clock import home_clock
    from xbot_dagster.embedded import services
    from xbot_dagster.resources.opening import initialise
    from xbot_dagster.store import audit
    from xbot_dagster.store import deployment as store
    from xbot_dagster.store.engine import make_engine

    settings = load_settings()
    initialise(settings)  # a deployment without accounts cannot be opened yet
    engine = make_engine(services.attach(settings).database_url, home_clock(settings.home), actor=f"cli:{actor()}")
    try:
        with engine.begin() as conn:
            for known in store.accounts(conn, enabled_only=False):
                if known.account == account or known.handle.lower() == handle.lower():
                    raise Conflict(f"There is an account '{known.account}' (@{known.handle}) already.")
            store.add_account(conn, account, handle, zone, replies_enabled=settings.replies_enabled)
            audit.record(conn, "ACCOUNT_ADDED", "accounts", {"account": account, "handle": handle, "zone": zone})
    finally:
        engine.dispose()


def accounts_set(
    account: Annotated[str, typer.Argument(help="The account's key.")],
    approve_posts: Annotated[Approval | None, typer.Option(help="Which posts a person must approve.")] = None,
    approve_replies: Annotated[Approval | None, typer.Option(help="Which replies a person must approve.")] = None,
    replies: Annotated[bool | None, typer.Option("--replies/--no-replies", help="Answer people at all.")] = None,
    daily_llm_limit: Annotated[
        str | None, typer.Option(help="USD a day for the LLM, or 'none' for no own cap.")
    ] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Plan and post for it.")] = None,
    voice: Annotated[Path | None, typer.Option(help="A voice file (YAML): tone, language, hashtags …")] = None,
) -> None:
    from xbot_dagster.stages.loading import read_voice
    from xbot_dagster.store import deployment as store

    asked = {
        "approval_posts": approve_posts.value if approve_posts else None,
        "approval_replies": approve_replies.value if approve_replies else None,
        "replies_enabled": replies,
        "enabled": enabled,
        "voice": read_voice(voice) if voice is not None else None,
    }
    changes = {name: value for name, value in asked.items() if value is not None}
    if daily_llm_limit is not None:
        changes["daily_llm_limit_usd"] = _cap(daily_llm_limit)
    with deployment() as opened, opened.engine.begin() as conn:
        row = store.change_account(conn, account, changes)
    for name in store.CHANGEABLE:
        value = getattr(row, name)
        console.print(f"{name:<20} {value if value is not None else '-'}", markup=False)


def _cap(raw: str) -> float | None:
    if raw.lower() == "none":
        return None
    try:
        value = float(raw)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"'{raw}' is no daily cap in USD.", "Examples: 2.5, 0 (no call at all), none.")
    return value


def accounts_attest(
    account: Annotated[str, typer.Argument(help="The account's key.")],
    by: Annotated[str, typer.Option("--by", help="Who vouches for it.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the attestation back.")] = False,
) -> None:
    from xbot_dagster.store import attestation

    if not withdraw and not by.strip():
        raise UsageError("An attestation needs a name.", "Say who has seen the label: --by 'Ada Lovelace'")
    with deployment() as opened, opened.engine.begin() as conn:
        if withdraw:
            attestation.withdraw(conn, account)
        else:
            attestation.attest(conn, account, by.strip())
    console.print(f"{account}: {'attestation withdrawn' if withdraw else f'attested by {by.strip()}'}", markup=False)
