"""One alert per account while it has nothing to write about; it closes by itself as soon as there is a candidate again.

Planning, refreshing and adding an idea all end here, so that no other change is needed for the alert to go.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection

from xbot_dagster.store import alerts, candidates

log = logging.getLogger("xbot")

RULE = "candidate_queue_empty"


def raise_for(conn: Connection, account: str, topics_allowed: Sequence[str]) -> None:
    """Say that planning found no candidate, and whether it is the list of allowed topics that leaves none."""
    log.warning("[PLAN_JOB] ⚠️ queue is empty account=%s", account)
    elsewhere = candidates.queue_depth(conn, account) if topics_allowed else 0
    alerts.raise_alert(
        conn,
        RULE,
        account,
        severity="warning",
        message=f"There is no candidate to write about for account {account}."
        + (f" {elsewhere} wait on topics that topics_allowed leaves out." if elsewhere else ""),
        fix="Look at: xbot config get content_config"
        if elsewhere
        else "Run: xbot candidates refresh, and look at: xbot sources stats",
        account=account,
    )


def close_when_over(conn: Connection, account: str, topics_allowed: Sequence[str]) -> None:
    """Close the alert when planning would find a candidate now."""
    if candidates.fresh(conn, account, topics=topics_allowed, limit=1):
        alerts.close_alert(conn, RULE, account)
