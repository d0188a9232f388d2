"""What a rehearsal came to: counts from our tables beside those of the replica's own ledger, and the audience's truth."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.errors import HomeError
from xbot_dagster.rehearsal.record import Record
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.store import overview

_FILE = "summary.json"


@dataclass(frozen=True)
class Summary:
    """The figures at the rehearsal's last simulated moment.

    `replica_posts`, `replica_tweets` (with the later parts of threads) and `duplicates` come from the replica's ledger alone.
    `followers_random` is what the same audience would have given a random choice of style and hour on the same days;
    `follows_expected` and `follows_random` compare the choices themselves, the luck of the draw set aside.
    """

    days: int
    seed: int
    start: str
    until: str
    posts_published: int
    replies_published: int
    threads_published: int
    replica_posts: int
    replica_tweets: int
    duplicates: int
    in_doubt: int
    needs_human: int
    pass1: int
    pass2: int
    pass2_due: int
    pass2_missing: int
    followers_start: int | None
    followers_end: int | None
    followers_random: float | None
    follows_expected: float
    follows_random: float
    mean_reward_first_half: float | None
    mean_reward_second_half: float | None
    arms_learned: int
    predictor_versions: int
    champions: list[str]
    experiments: list[dict[str, Any]]
    blocked: int
    spend_usd: float
    alerts: int
    runs: int
    seconds: float
    peak_rss_mb: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def save(home: Path, summary: Summary) -> None:
    """Keep the summary: later the home goes on, and its figures with it."""
    (home / _FILE).write_text(json.dumps(asdict(summary), default=str))


def load(home: Path) -> Summary:
    """The summary of the home's finished rehearsal. Raises HomeError when it is missing or from another version."""
    try:
        return Summary(**json.loads((home / _FILE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        raise HomeError(f"{home / _FILE} cannot be read.", "Start again with: xbot rehearse --fresh") from None


_FIGURES = """
SELECT (SELECT count(*) FROM posted_decisions p JOIN content_metadata c USING (decision_id) WHERE c.decision_type = 'reply') AS replies,
       (SELECT count(*) FROM posted_decisions p JOIN content_metadata c USING (decision_id) WHERE c.decision_type = 'thread') AS threads,
       (SELECT count(*) FROM posted_decisions p WHERE posted_at <= xbot_now() - interval '24 hours'
           AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.decision_id = p.decision_id AND o.collected_pass = 2)) AS pass2_missing,
       (SELECT followers FROM follower_snapshots ORDER BY taken_at LIMIT 1) AS followers_start,
       (SELECT followers FROM follower_snapshots ORDER BY taken_at DESC LIMIT 1) AS followers_end,
       (SELECT count(*) FROM bandit_arms WHERE scope = 'content' AND n > 0) AS arms_learned,
       (SELECT count(DISTINCT run_id) FROM tick_log WHERE run_id IS NOT NULL) AS tick_runs,
       (SELECT count(*) FROM alerts) AS alerts
"""

_REWARD_HALVES = """
SELECT avg(r.reward) FILTER (WHERE p.posted_at < m.middle) AS first, avg(r.reward) FILTER (WHERE p.posted_at >= m.middle) AS second
FROM outcome_rewards r JOIN posted_decisions p USING (decision_id)
CROSS JOIN (SELECT min(posted_at) + (max(posted_at) - min(posted_at)) / 2 AS middle FROM posted_decisions) m
WHERE r.collected_pass = 2 AND r.reward_version <> 'seed_v1'
"""


def summarise(conn: Connection, record: Record, world: SandboxClient, handle: str, runs: int) -> Summary:
    """Count everything anew. `runs` is the number of Dagster runs stored for this home."""
    figures = conn.execute(text(_FIGURES)).one()
    halves = conn.execute(text(_REWARD_HALVES)).one()
    known = overview.read(conn)
    live = world.ledger(handle=handle)
    ids = {post["id"] for post in live["posts"]}
    random_choice = world.counterfactual(handle)
    champions = conn.execute(
        text("SELECT kind || ' v' || version AS name FROM predictor_versions WHERE state = 'champion' ORDER BY kind")
    ).scalars()
    lifts = conn.execute(
        text(
            "SELECT DISTINCT ON (experiment_id, metric) experiment_id, metric, verdict, reason, n, lift, low, high FROM experiment_lifts "
            "ORDER BY experiment_id, metric, as_of DESC"
        )
    ).mappings()
    return Summary(
        days=record.days,
        seed=record.seed,
        start=record.start,
        until=record.until,
        posts_published=known["posts_published"],
        replies_published=figures.replies,
        threads_published=figures.threads,
        replica_posts=sum(post["in_reply_to"] not in ids for post in live["posts"]),
        replica_tweets=live["count"],
        duplicates=live["duplicates"],
        in_doubt=known["in_doubt"],
        needs_human=known["needs_human"],
        pass1=known["pass1"],
        pass2=known["pass2"],
        pass2_due=known["pass2_due"],
        pass2_missing=figures.pass2_missing,
        followers_start=figures.followers_start,
        followers_end=figures.followers_end,
        followers_random=random_choice["followers_random"],
        follows_expected=random_choice["follows_expected"],
        follows_random=random_choice["follows_random"],
        mean_reward_first_half=halves.first,
        mean_reward_second_half=halves.second,
        arms_learned=figures.arms_learned,
        predictor_versions=known["predictor_versions"],
        champions=list(champions),
        experiments=[dict(row) for row in lifts],
        blocked=known["blocked"],
        spend_usd=known["spend_usd"],
        alerts=figures.alerts,
        runs=runs,
        seconds=record.seconds,
        peak_rss_mb=record.peak_rss_mb,
    )
