"""What people are told when a submit ends badly: in the same transaction as the end itself."""

from sqlalchemy import Connection

from xbot_dagster.store import alerts
from xbot_dagster.store.claims import Claim


def circuit_open(conn: Connection, account: str, reason: str) -> None:
    """X refuses the account itself."""
    message = f"Posting of account {account} has stopped: {reason}"
    fix = "Look at the account on x.com, wait, then: xbot resume"
    alerts.raise_alert(conn, "circuit_open", account, "critical", message, fix, account)


def signed_out(conn: Connection, account: str, words: str) -> None:
    """The session ended between the probe and the submit."""
    message = f"The session of account {account} ended at the submit: {words} Posting is paused, the queue is kept."
    alerts.raise_alert(conn, "session", account, "critical", message, "Sign in again: xbot login", account)


def no_credits(conn: Connection, account: str, words: str) -> None:
    """The paid API creates nothing any more."""
    message = f"X's API has no credits left for account {account}: {words} The queue is kept."
    fix = "Buy credits or raise the spending limit in X's developer console."
    alerts.raise_alert(conn, "x_credits", account, "critical", message, fix, account)


def needs_human(conn: Connection, claim: Claim, reason: str) -> None:
    """A thread broke with parts of it live."""
    message = f"Decision {claim.decision_id} needs a person: part {claim.part + 1} of {claim.parts} failed: {reason}"
    fix = f"xbot explain {claim.decision_id}"
    alerts.raise_alert(conn, "needs_human", claim.decision_id, "critical", message, fix, claim.account)


def dead_letter(conn: Connection, claim: Claim, reason: str) -> None:
    """A decision was given up without ever having been submitted."""
    message = f"Decision {claim.decision_id} was given up after too many failures before the submit: {reason}"
    fix = f"xbot explain {claim.decision_id}"
    alerts.raise_alert(conn, "dead_letter", claim.decision_id, "warning", message, fix, claim.account)
