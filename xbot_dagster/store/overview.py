"""The figures of `xbot status` and of the rehearsal's summary; every one counted from rows."""

from typing import Any

from sqlalchemy import Connection, text

_OVERVIEW = """
SELECT (SELECT family FROM deployment) AS family,
       (SELECT count(*) FROM accounts WHERE enabled) AS accounts,
       (SELECT count(*) FROM content_candidates WHERE state = 'fresh') AS candidates_fresh,
       (SELECT count(*) FROM content_metadata WHERE status = 'queued') AS queued,
       (SELECT count(*) FROM content_metadata WHERE status = 'awaiting_approval') AS awaiting_approval,
       (SELECT count(*) FROM content_metadata WHERE status = 'blocked') AS blocked,
       (SELECT count(*) FROM posting_attempts WHERE state IN ('armed', 'in_doubt')) AS in_doubt,
       (SELECT count(*) FROM content_metadata WHERE status = 'needs_human') AS needs_human,
       (SELECT count(*) FROM posted_decisions) AS posts_published,
       (SELECT max(posted_at) FROM posted_decisions) AS last_post_at,
       (SELECT min(scheduled_at) FROM content_metadata WHERE status = 'queued') AS next_post_at,
       (SELECT count(*) FROM outcomes WHERE collected_pass = 1) AS pass1,
       (SELECT count(*) FROM outcomes WHERE collected_pass = 2) AS pass2,
       (SELECT count(*) FROM posted_decisions WHERE posted_at <= xbot_now() - interval '24 hours') AS pass2_due,
       (SELECT count(*) FROM predictor_versions WHERE state <> 'backtest') AS predictor_versions,
       (SELECT round(coalesce(sum(cost_usd), 0)::numeric, 4)::double precision FROM api_usage WHERE state = 'settled') AS spend_usd,
       (SELECT count(*) FROM alerts WHERE state = 'open') AS alerts_open
"""


def read(conn: Connection) -> dict[str, Any]:
    """Counts over the whole deployment; times are None where nothing happened yet."""
    return dict(conn.execute(text(_OVERVIEW)).mappings().one())
