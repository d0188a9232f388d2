"""An account's standing with X: the state of its session and its circuit (closed = may post)."""

from datetime import datetime

from sqlalchemy import Connection, text

from xbot_dagster.store.engine import one


def set_session(conn: Connection, account: str, state: str) -> None:
    """Write down what the last probe found ('ok', 'expired', … or 'unknown')."""
    conn.execute(
        text("UPDATE accounts SET session_state = :state, session_checked_at = xbot_now() WHERE account = :account"),
        {"account": account, "state": state},
    )


def open_circuit(conn: Connection, account: str, reason: str) -> bool:
    """Stop posting for the account until a person closes the circuit. False when it was open already."""
    done = conn.execute(
        text(
            "UPDATE accounts SET circuit_state = 'open', circuit_reason = :reason, circuit_changed_at = xbot_now() "
            "WHERE account = :account AND circuit_state = 'closed'"
        ),
        {"account": account, "reason": reason},
    )
    return done.rowcount == 1


def close_circuit(conn: Connection, account: str) -> bool:
    """Let the account post again. False when the circuit was not open."""
    done = conn.execute(
        text(
            "UPDATE accounts SET circuit_state = 'closed', circuit_reason = NULL, circuit_changed_at = xbot_now() "
            "WHERE account = :account AND circuit_state = 'open'"
        ),
        {"account": account},
    )
    return done.rowcount == 1


def ghosts_since(conn: Connection, account: str) -> datetime:
    """From when on every post on the timeline must be explained: since we know the account, at most seven days."""
    return one(
        conn,
        "SELECT greatest(created_at, xbot_now() - interval '7 days') AS since FROM accounts WHERE account = :account",
        account=account,
    ).since
