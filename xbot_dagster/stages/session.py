"""The session of an account: one probe, its state on the account's row, one alert while it is not in order."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from xbot_dagster.store import alerts, deployment, standing
from xbot_dagster.store.deployment import Account
from xbot_dagster.x.protocols import Probe, Publisher

PublisherFor = Callable[[Account], Publisher]
_FIXES = {
    "expired": "Sign in again: xbot login (with PUBLISHER=x_api: renew the keys)",
    "challenge": "Open x.com in a browser, answer the challenge, then: xbot login",
    "locked": "Open x.com in a browser and unlock the account, then: xbot login",
    "suspended": "The account is suspended by X: appeal there. Nothing is posted meanwhile.",
    "consent": "Open x.com in a browser, answer the consent page, then: xbot login",
}


@dataclass(frozen=True)
class SessionReport:
    """State per account: ok, expired, challenge, locked, suspended, consent or unknown."""

    states: dict[str, str]

    @property
    def healthy(self) -> bool:
        return all(state == "ok" for state in self.states.values())


def run(engine: Engine, publisher_for: PublisherFor, accounts: list[str] | None = None) -> SessionReport:
    """Probe the session of every enabled account (or of those named)."""
    with engine.begin() as conn:
        rows = [row for row in deployment.accounts(conn) if accounts is None or row.account in accounts]
    return SessionReport({row.account: check(engine, row, publisher_for(row)).state for row in rows})


def check(engine: Engine, account: Account, publisher: Publisher) -> Probe:
    """Probe one account's session and write down what it said."""
    found = publisher.probe(account.account, account.handle)
    with engine.begin() as conn:
        record(conn, account.account, found)
    return found


def record(conn: Connection, account: str, found: Probe) -> None:
    """State on the account's row; one alert per account while it is not ok, closed when it is again."""
    standing.set_session(conn, account, found.state)
    if found.state == "ok":
        alerts.close_alert(conn, "session", account)
        alerts.close_alert(conn, "timeline_unreadable", account)
    elif found.state == "unknown":
        alerts.raise_alert(
            conn,
            "timeline_unreadable",
            account,
            "warning",
            f"The profile of account {account} cannot be read, so nothing is posted: {found.detail}",
            "Check the pages with: xbot doctor x",
            account,
        )
    else:
        message = f"The session of account {account} is not in order ({found.state}): {found.detail}. Posting is paused, the queue is kept."
        alerts.raise_alert(conn, "session", account, "critical", message, _FIXES[found.state], account)
