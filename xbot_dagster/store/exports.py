"""The rows of each exported data set, streamed."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.domain.measuring.datasets import DATASETS

_BATCH = 5_000
_SPECIAL = {
    ("posts", "link"): "'https://x.com/' || a.handle || '/status/' || p.tweet_id",
    ("outcomes", "rewards"): "(SELECT jsonb_object_agg(r.reward_version, r.reward) FROM outcome_rewards r "
    "WHERE (r.decision_id, r.collected_pass) = (o.decision_id, o.collected_pass))",
}
_FROM = {
    "queue": "content_metadata c WHERE c.status NOT IN ('posted', 'shadowed') AND {own} ORDER BY c.scheduled_at, c.decision_id",
    "posts": "posted_decisions p JOIN content_metadata c USING (decision_id) JOIN accounts a ON a.account = p.account "
    "LEFT JOIN final_outcomes o USING (decision_id) WHERE {own} ORDER BY p.posted_at, p.tweet_id",
    "outcomes": "outcomes o WHERE {own} ORDER BY o.collected_at, o.decision_id, o.collected_pass",
    "arms": "bandit_arms b WHERE {own} ORDER BY b.account, b.scope, b.arm_name",
    "versions": "predictor_versions v WHERE {own} ORDER BY v.account, v.kind, v.version",
}
_TABLE = {"queue": "c", "posts": "p", "outcomes": "o", "arms": "b", "versions": "v"}
# In `posts` the columns of the decision and of the outcome are not those of the post.
_OTHER = {
    "c": {"decision_type", "topic", "arm", "hook_pattern", "novelty"},
    "o": {
        *("collected_pass", "observed_age_s", "impressions", "engagements", "likes", "retweets", "replies", "quotes"),
        *(
            "bookmarks",
            "profile_visits",
            "link_clicks",
            "follows",
            "er_calculated",
            "fpki",
            "retweet_rate",
            "reply_rate",
        ),
        *("reward_composite", "exposure_weight"),
    },
}


def batches(conn: Connection, dataset: str, account: str | None) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows of `dataset` in the order of its documented columns, in batches; of one account or of all (None)."""
    own = "true" if account is None else f"{_TABLE[dataset]}.account = :account"
    sql = f"SELECT {', '.join(_expression(dataset, c.name) for c in DATASETS[dataset])} FROM {_FROM[dataset].format(own=own)}"
    result = conn.execution_options(stream_results=True, yield_per=_BATCH).execute(
        text(sql), {"account": account} if account else {}
    )
    for partition in result.partitions():
        yield [tuple(row) for row in partition]


def _expression(dataset: str, name: str) -> str:
    if (dataset, name) in _SPECIAL:
        return _SPECIAL[dataset, name]
    table = _TABLE[dataset]
    if dataset == "posts":
        table = next((alias for alias, names in _OTHER.items() if name in names), table)
    return f"{table}.{name}::text" if name == "decision_id" else f"{table}.{name}"
