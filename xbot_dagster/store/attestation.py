"""Who vouches that an account carries X's automated label; without it nothing of the account is published for real."""

from sqlalchemy import Connection, text

from xbot_dagster.store import audit, deployment


def attest(conn: Connection, account: str, by: str) -> None:
    """Record that `by` has seen the label, now. Raises NotFound."""
    deployment.account(conn, account)
    conn.execute(
        text("UPDATE accounts SET label_attested_by = :by, label_attested_at = xbot_now() WHERE account = :account"),
        {"account": account, "by": by},
    )
    audit.record(conn, "LABEL_ATTESTED", "accounts", {"account": account, "by": by})


def withdraw(conn: Connection, account: str) -> None:
    """Take an attestation back. Raises NotFound."""
    deployment.account(conn, account)
    conn.execute(
        text("UPDATE accounts SET label_attested_by = NULL, label_attested_at = NULL WHERE account = :account"),
        {"account": account},
    )
    audit.record(conn, "LABEL_ATTESTATION_WITHDRAWN", "accounts", {"account": account})
