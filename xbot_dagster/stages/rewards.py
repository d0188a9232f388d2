"""Rewards computed again from the raw counts; versions stand side by side in `outcome_rewards`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from xbot_dagster.domain.learning.reward import DEFAULT_REFERENCES, SEED_V1, RewardReferences
from xbot_dagster.domain.measuring.derive import REWARD_VERSIONS, reward_of
from xbot_dagster.errors import UsageError
from xbot_dagster.store import rewards as store
from xbot_dagster.store.rewards import Measured

_BATCH = 20_000


@dataclass(frozen=True)
class RecomputeReport:
    """`computed` rewards of `version` from `rows` outcome rows; `changed` differ from what was stored before."""

    version: str
    rows: int
    computed: int
    changed: int


def recompute(engine: Engine, version: str, references: RewardReferences = DEFAULT_REFERENCES) -> RecomputeReport:
    """Recompute every reward of `version` from the raw columns. Raises UsageError for a version that does not exist."""
    if version not in REWARD_VERSIONS:
        raise UsageError(f"There is no reward version '{version}'.", f"Known versions: {', '.join(REWARD_VERSIONS)}.")
    rows = computed = changed = 0
    after = None
    with engine.begin() as conn:
        while batch := store.measured_counts(conn, after, _BATCH):
            made, different = recompute_rows(conn, batch, version, references)
            rows, computed, changed = rows + len(batch), computed + made, changed + different
            after = (batch[-1].decision_id, batch[-1].collected_pass)
        if version == SEED_V1:
            store.repeat_composites(conn, SEED_V1)
    return RecomputeReport(version, rows, computed, changed)


def recompute_rows(
    conn: Connection, rows: Sequence[Measured], version: str, references: RewardReferences = DEFAULT_REFERENCES
) -> tuple[int, int]:
    """Store the rewards of `rows`; returns (rewards computed, rewards that differ from what was stored)."""
    rewards = []
    for row in rows:
        reward = reward_of(version, row.counts, row.novelty, row.similarity, references)
        if reward is not None:
            rewards.append((row.decision_id, row.collected_pass, version, reward.reward, reward.weight, reward.refs))
    return len(rewards), store.upsert_rewards(conn, rewards)
