"""Teach one policy of one account inside the caller's transaction: offered rows, references, state, ledger, rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from xbot_dagster.domain.learning.ledger import MEMORY_DAYS, problem_of
from xbot_dagster.domain.learning.policy import Outcome, days_since_epoch
from xbot_dagster.domain.learning.reward import (
    REFERENCE_MIN_POSTS,
    REFERENCE_WINDOW_DAYS,
    RewardReferences,
    exposure_weight,
    rates,
    trailing_references,
)
from xbot_dagster.domain.learning.tallies import outcome_value, references_state
from xbot_dagster.settings import Settings
from xbot_dagster.stages import policies
from xbot_dagster.stages.policies import LoadedPolicy, Others
from xbot_dagster.store import arms, learning, outcomes
from xbot_dagster.store.learning import Learnable

UNASSIGNED = "unassigned"  # the arm of imported posts, which nobody chose: they teach hours, topics and hooks
REFERENCES_KEPT = timedelta(days=7)  # references move with the account, but not under every learning
REFERENCES_SHIFT = 1.5  # factor beyond which a 95th percentile has moved more than it wobbles


@dataclass(frozen=True)
class Taught:
    loaded: LoadedPolicy
    learned: list[Learnable]
    provisional: int
    skipped: Mapping[str, int]
    references_frozen: bool
    fallback: str | None


def teach(
    conn: Connection, settings: Settings, account: str, name: str, now: datetime, others: Others
) -> Taught | None:
    """One policy: its unlearned rows, state, ledger and rewards. None when there was nothing for it."""
    loaded = policies.load(conn, account, name, others)
    offered = _offered(conn, settings, account, name, loaded)
    if not offered:
        return None
    references = _references_to_freeze(conn, settings, account, loaded, now)
    if references is not None:
        loaded = policies.fresh(
            conn,
            account,
            name,
            others,
            arms=loaded.policy.arms,
            references=references,
            references_version=loaded.references_version + (loaded.version > 0),
            references_at=now,
            version=loaded.version,
            fallback=loaded.fallback,
        )
        offered = _offered(conn, settings, account, name, loaded)
    rows = [(row, as_outcome(row)) for row in offered]
    refused = _refused(loaded, [outcome for _, outcome in rows], now)
    learned = [row for row, outcome in rows if outcome.id not in refused]
    summary = loaded.policy.update([outcome for _, outcome in rows if outcome.id not in refused], now=now)
    loaded.policy.version = f"{type(loaded.policy).version}.v{loaded.version + 1}"
    learner_version = loaded.learner_version
    head = arms.save_policy(
        conn,
        account,
        name,
        loaded.state(),
        learner_version=learner_version,
        simulated=settings.simulated,
        n=loaded.n + len(learned) - summary.replaced,
    )
    entries = [(row.decision_id, row.collected_pass, refused.get(outcome.id)) for row, outcome in rows]
    learning.record_learned(conn, account, name, learner_version, entries)
    _store_rewards(conn, learned, loaded)
    after = replace(loaded, version=head.version, last_updated=head.last_updated, n=head.n)
    return Taught(
        after, learned, summary.provisional, Counter(refused.values()), references is not None, loaded.fallback
    )


def _offered(conn: Connection, settings: Settings, account: str, name: str, loaded: LoadedPolicy) -> list[Learnable]:
    """Rows for this learner version. The query filters the family; so does the trainer, whatever the query says."""
    rows = learning.unlearned(
        conn, account, name, loaded.learner_version, since=loaded.last_updated, simulated=settings.simulated
    )
    return [row for row in rows if row.simulated == settings.simulated]


def as_outcome(row: Learnable) -> Outcome:
    """The row as policies take it."""
    context = {"topic": row.topic, "hook": row.hook_pattern, "novelty": row.novelty}
    return Outcome(
        str(row.decision_id),
        row.arm or UNASSIGNED,
        row.hour,
        row.posted_at,
        row.collected_pass,
        row.impressions,
        row.follows,
        row.retweets,
        row.replies,
        context,
    )


def _refused(loaded: LoadedPolicy, rows: Sequence[Outcome], now: datetime) -> dict[str, str]:
    """Rows that the policy will not take, by id, with the reason: the ledger keeps it, so that nobody asks again."""
    oldest = loaded.policy.ledger.newest - MEMORY_DAYS
    reasons = {row.id: problem_of(row, now) for row in rows}
    for row in rows:
        if reasons[row.id] is None and days_since_epoch(row.posted_at) < oldest:
            reasons[row.id] = "posted before the policy's memory begins"
    return {key: reason for key, reason in reasons.items() if reason is not None}


def _references_to_freeze(
    conn: Connection, settings: Settings, account: str, loaded: LoadedPolicy, now: datetime
) -> RewardReferences | None:
    """The account's own references when they differ enough from those in use and those are old enough; else None."""
    if loaded.references_at is not None and now - loaded.references_at < REFERENCES_KEPT:
        return None
    since = now - timedelta(days=REFERENCE_WINDOW_DAYS)
    posts = learning.measured_posts(conn, account, since=since, simulated=settings.simulated)
    if len(posts) < REFERENCE_MIN_POSTS:
        return None
    measured = [
        (
            post.impressions,
            rates(impressions=post.impressions, retweets=post.retweets, replies=post.replies, follows=post.follows),
        )
        for post in posts
    ]
    found, used = (
        references_state(trailing_references(measured, loaded.references)),
        references_state(loaded.references),
    )
    moved = any(not 1 / REFERENCES_SHIFT < found[name] / used[name] < REFERENCES_SHIFT for name in used)
    return RewardReferences(**found) if moved else None


def _store_rewards(conn: Connection, rows: Sequence[Learnable], loaded: LoadedPolicy) -> None:
    """The reward each row had for this learner version (it names the reward version), its weight and references."""
    refs = dict(references_state(loaded.references))
    rewards = []
    for row in rows:
        value, weight = outcome_value(as_outcome(row), loaded.references), exposure_weight(row.impressions)
        if value is not None and weight is not None:
            rewards.append((row.decision_id, row.collected_pass, loaded.learner_version, value, weight, refs))
    outcomes.upsert_rewards(conn, rewards)
