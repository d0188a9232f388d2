"""What an account's posts did before an experiment: the spread of the metric it will be judged by."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from xbot_dagster.store.engine import one


@dataclass(frozen=True)
class Spread:
    """Posts per day and the primary metric, (retweets + profile visits) per impression: number, mean, deviation."""

    posts: int
    per_day: float
    mean: float | None
    sd: float | None


def spread(conn: Connection, account: str, *, since: datetime, simulated: bool, replies: bool) -> Spread:
    """Of the finally measured posts (or replies) published after `since`; profile visits count where they are known."""
    row = one(
        conn,
        "SELECT count(*) AS posts, avg(rate) AS mean, stddev_samp(rate) AS sd, "
        "count(*) / greatest(1, extract(epoch FROM max(posted_at) - min(posted_at)) / 86400) AS per_day FROM ("
        "SELECT p.posted_at, (coalesce(o.retweets, 0) + coalesce(o.profile_visits, 0))::double precision / o.impressions AS rate "
        "FROM posted_decisions p JOIN content_metadata c USING (decision_id) JOIN outcomes o USING (decision_id) "
        "WHERE p.account = :account AND p.simulated = :simulated AND o.simulated = :simulated AND p.posted_at > :since "
        "AND o.collected_pass = 2 AND o.read_status = 'ok' AND NOT o.late AND o.impressions > 0 "
        "AND (c.decision_type = 'reply') = :replies) AS rates",
        account=account,
        since=since,
        simulated=simulated,
        replies=replies,
    )
    return Spread(row.posts, float(row.per_day) if row.posts else 0.0, row.mean, row.sd)
