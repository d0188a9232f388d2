"""What `xbot export` writes: five data sets, each with a fixed, documented list of columns. Times are UTC, ISO 8601."""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "integer", "number", "boolean", "time", "json"]


@dataclass(frozen=True)
class Column:
    """One column: its name, type and meaning."""

    name: str
    type: ColumnType
    meaning: str


def _columns(*rows: tuple[str, ColumnType, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


_COUNTS: tuple[tuple[str, ColumnType, str], ...] = (
    ("impressions", "integer", "times shown; empty when unknown, as every count"),
    ("engagements", "integer", "clicks and taps of any kind"),
    ("likes", "integer", "likes"),
    ("retweets", "integer", "reposts, quotes among them; imported, as X's export counts them"),
    ("replies", "integer", "replies"),
    ("quotes", "integer", "how many of the reposts are quotes, where the source tells them apart"),
    ("bookmarks", "integer", "bookmarks"),
    ("profile_visits", "integer", "profile visits from the post"),
    ("link_clicks", "integer", "clicks on its links"),
    ("follows", "integer", "follows from the post"),
)
_DERIVED: tuple[tuple[str, ColumnType, str], ...] = (
    ("er_calculated", "number", "(likes + retweets + replies) / impressions"),
    ("fpki", "number", "follows per 1,000 impressions"),
    ("retweet_rate", "number", "retweets (quotes among them) / impressions"),
    ("reply_rate", "number", "replies / impressions"),
    ("reward_composite", "number", "reward version seed_v1"),
    ("exposure_weight", "number", "min(1, 1000 / impressions): a sample weight"),
)

DATASETS: dict[str, tuple[Column, ...]] = {
    "queue": _columns(
        ("decision_id", "text", "UUID of the decision"),
        ("account", "text", "key of the account"),
        ("status", "text", "where the decision stands"),
        ("status_reason", "text", "why, when it did not go the usual way"),
        ("decision_type", "text", "single, thread or reply"),
        ("text", "text", "what would be posted"),
        ("topic", "text", "topic of the candidate"),
        ("arm", "text", "style chosen by the policy"),
        ("hour_slot", "integer", "hour chosen, in the account's zone"),
        ("scheduled_at", "time", "when it is due"),
        ("expires_at", "time", "when it is dropped"),
        ("generation_source", "text", "real, synthetic, import or manual"),
        ("policy", "text", "policy that chose"),
        ("policy_version", "text", "its version"),
        ("propensity", "number", "probability with which arm and hour were chosen"),
        ("experiment_id", "text", "experiment it takes part in"),
        ("experiment_arm", "text", "its arm there"),
        ("simulated", "boolean", "whether it lives in the sandbox"),
        ("created_at", "time", "when it was decided"),
    ),
    "posts": _columns(
        ("tweet_id", "text", "id of the post on X"),
        ("account", "text", "key of the account"),
        ("link", "text", "address of the post"),
        ("posted_at", "time", "when it appeared"),
        ("text", "text", "what was posted"),
        ("decision_id", "text", "UUID of the decision"),
        ("decision_type", "text", "single, thread or reply"),
        ("topic", "text", "topic"),
        ("arm", "text", "style"),
        ("hook_pattern", "text", "how it opens"),
        ("novelty", "number", "1 - largest cosine with our posts of 30 days before"),
        ("publisher", "text", "what published it; import for history"),
        ("collected_pass", "integer", "1 or 2: which pass the counts are of"),
        ("observed_age_s", "number", "age of the post in seconds when they were read"),
        *_COUNTS,
        *_DERIVED,
        ("simulated", "boolean", "whether it lives in the sandbox"),
    ),
    "outcomes": _columns(
        ("decision_id", "text", "UUID of the decision"),
        ("collected_pass", "integer", "1 (T+1h), 2 (T+24h), 0 (ad hoc)"),
        ("account", "text", "key of the account"),
        ("tweet_id", "text", "id of the post on X"),
        *_COUNTS,
        *_DERIVED,
        ("source", "text", "browser, x_api, recorded or import"),
        ("read_status", "text", "ok, or why the pass was closed without counts"),
        ("approximate", "boolean", "whether X had rounded a count"),
        ("observed_age_s", "number", "age of the post in seconds when read"),
        ("late", "boolean", "too late to stand for its pass; not learned from"),
        ("collected_at", "time", "when it was read"),
        ("rewards", "json", "reward by version"),
        ("simulated", "boolean", "whether it lives in the sandbox"),
    ),
    "arms": _columns(
        ("account", "text", "key of the account"),
        ("scope", "text", "content, hour, tag or policy"),
        ("arm_name", "text", "name of the arm"),
        ("n", "integer", "outcomes learned from"),
        ("successes", "number", "weighted successes"),
        ("failures", "number", "weighted failures"),
        ("alpha", "number", "posterior"),
        ("beta", "number", "posterior"),
        ("mean_reward", "number", "posterior mean"),
        ("ci_low", "number", "lower end of the interval"),
        ("ci_high", "number", "upper end of the interval"),
        ("version", "integer", "how often it was updated"),
        ("last_updated", "time", "when it learned last"),
        ("simulated", "boolean", "whether it lives in the sandbox"),
    ),
    "versions": _columns(
        ("account", "text", "key of the account"),
        ("kind", "text", "content or timing"),
        ("version", "integer", "number of the version"),
        ("algorithm", "text", "model"),
        ("state", "text", "candidate, champion, retired or backtest"),
        ("state_reason", "text", "why"),
        ("as_of", "time", "what was known when it was trained"),
        ("n", "integer", "rows it was trained on"),
        ("metrics", "json", "walk-forward figures with intervals"),
        ("refs", "json", "reward references it froze"),
        ("promoted_at", "time", "when it became champion"),
        ("promoted_by", "text", "who or what promoted it"),
        ("simulated", "boolean", "whether it lives in the sandbox"),
        ("created_at", "time", "when it was stored"),
    ),
}
