"""What a created post costs at X's API, entered with the post itself so that the spend shown is the whole spend."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from xbot_dagster.domain.measuring.weighted_length import url_spans
from xbot_dagster.settings import Settings
from xbot_dagster.store.claims import Claim
from xbot_dagster.store.usage import record_x


def record_created(conn: Connection, settings: Settings, now: datetime, claim: Claim) -> None:
    """Enter the price of one created post; only the official API has one."""
    if claim.publisher != "x_api":
        return
    purpose = "post_with_url" if url_spans(claim.text) else "post"
    if claim.decision_type == "reply":
        purpose = "reply"
    record_x(conn, settings, now, claim.account, purpose, decision_id=UUID(claim.decision_id))
