"""Fixtures of the learning tests: a measured history written straight into the tables, with effects that are known."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from xbot_dagster.domain.content.seeding import seeded, seeded_id
from xbot_dagster.domain.learning.arms import ARMS
from xbot_dagster.domain.learning.reward import NORM_V1
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.derive import derive, reward_of

TOPICS = ("sleep", "walking", "reading", "focus")
HOOKS = ("did-you-know", "question", "contrarian", "none")


def insert(conn: Connection, table: str, **values: Any) -> None:
    """One row; columns that are not named get their defaults."""
    names = ", ".join(values)
    conn.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + name for name in values)})"), values)


@dataclass
class History:
    """Writes posts of an account with both passes. `effects` are log rates of arms; every number comes from `seed`."""

    engine: Engine
    seed: int = 11
    simulated: bool = True
    effects: dict[str, float] | None = None
    base_impressions: float = 900.0

    def add(
        self,
        count: int,
        start: datetime,
        *,
        account: str = "default",
        every: timedelta = timedelta(hours=2),
        passes: tuple[int, ...] = (1, 2),
        arm: str | None = None,
        purpose: str = "posts",
        collected_from: datetime | None = None,
        source: str = "recorded",
        decision_type: str = "single",
    ) -> list[UUID]:
        """`count` posts from `start`; returns their decision ids in order of posting."""
        rng = seeded(self.seed, purpose, account, start.isoformat())
        effects = self.effects or {}
        ids = []
        with self.engine.begin() as conn:
            for number in range(count):
                decision = seeded_id(self.seed, purpose, account, start.isoformat(), number)
                ids.append(decision)
                chosen = arm or ARMS[int(rng.integers(len(ARMS)))]
                posted = start + number * every
                self._post(
                    conn,
                    rng,
                    decision,
                    account,
                    chosen,
                    posted,
                    passes,
                    effects.get(chosen, 0.0),
                    source,
                    decision_type,
                )
        return ids

    def _post(self, conn, rng, decision, account, arm, posted, passes, effect, source, decision_type):
        tweet = str(10**17 + decision.int % 10**17)
        topic, hook = TOPICS[int(rng.integers(4))], HOOKS[int(rng.integers(4))]
        novelty = float(rng.uniform(0.4, 0.95))
        target = ("200000000000000001", "someone") if decision_type == "reply" else (None, None)
        drawn = " ".join(rng.choice(["rest", "steps", "pages", "habit", "week"], 6))
        words = f"Post {decision.hex[:8]} about {topic}: {drawn}."
        insert(
            conn,
            "content_metadata",
            decision_id=decision, account=account, decision_type=decision_type, text=words, topic=topic, arm=arm,
            hour_slot=posted.hour, generation_source="synthetic" if self.simulated else "real", status="posted",
            scheduled_at=posted, hook_pattern=hook, novelty=novelty, duplicate_similarity=0.2, policy="growth",
            policy_version="growth_v1.v0", propensity=0.01, tweet_id=tweet, simulated=self.simulated,
            created_at=posted - timedelta(hours=12), target_tweet_id=target[0], target_username=target[1],
        )  # fmt: skip
        insert(
            conn,
            "posted_decisions",
            decision_id=decision, account=account, tweet_id=tweet, text=words, posted_at=posted, publisher="recorded",
            via="response", simulated=self.simulated,
        )  # fmt: skip
        final = float(np.exp(rng.normal(np.log(self.base_impressions), 0.6)))
        rate = np.exp(effect) * rng.gamma(4, 0.25)
        for number in passes:
            share = 0.45 if number == 1 else 1.0
            shown = max(1, int(final * share))
            counts = Counts(
                impressions=shown,
                likes=int(rng.poisson(shown * 0.01 * rate)),
                retweets=int(rng.poisson(shown * 0.002 * rate)),
                replies=int(rng.poisson(shown * 0.0008 * rate)),
                follows=int(rng.poisson(shown * 0.0004 * rate)),
                profile_visits=int(rng.poisson(shown * 0.003 * rate)),
            )
            age = timedelta(hours=1 if number == 1 else 24)
            self.outcome(conn, decision, account, tweet, number, counts, posted + age, source, novelty)

    def outcome(self, conn, decision, account, tweet, number, counts, collected, source="recorded", novelty=0.7):
        """One outcome row as the collector stores it."""
        derived = derive(counts, novelty, 0.2)
        names = ("impressions", "likes", "retweets", "replies", "follows", "profile_visits")
        insert(
            conn,
            "outcomes",
            decision_id=decision, collected_pass=number, account=account, tweet_id=tweet,
            **{name: getattr(counts, name) for name in names},
            er_calculated=derived.er, fpki=derived.fpki, retweet_rate=derived.retweet_rate,
            reply_rate=derived.reply_rate, reward_composite=derived.reward_composite,
            exposure_weight=derived.exposure_weight, simulated=self.simulated, source=source, read_status="ok",
            observed_age_s=3600.0 if number == 1 else 86_400.0, collected_at=collected,
        )  # fmt: skip
        reward = reward_of(NORM_V1, counts, novelty, 0.2)
        if reward is not None:
            insert(
                conn,
                "outcome_rewards",
                decision_id=decision, collected_pass=number, reward_version=NORM_V1, reward=reward.reward, weight=reward.weight,
            )  # fmt: skip


@pytest.fixture
def history(engine: Engine) -> History:
    return History(engine)


@pytest.fixture
def snapshot(engine: Engine):
    """A function that reads every learner's row as JSON text, to compare before and after (`norm_v1` is the collector's)."""
    ours = "(SELECT * FROM outcome_rewards WHERE reward_version <> 'norm_v1') AS rewards"

    def read() -> str:
        with engine.begin() as conn:
            tables = {
                name: [dict(row) for row in conn.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2, 3")).mappings()]
                for name in ("bandit_arms", "learning_ledger", ours, "predictor_versions", "audit_log")
            }
        return json.dumps(tables, default=str, sort_keys=True)

    return read
