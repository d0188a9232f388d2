"""A measured history written straight into the tables, with effects that are known."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import Engine, text

from xbot_dagster.domain.content.seeding import seeded, seeded_id
from xbot_dagster.domain.learning.arms import ARMS
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.derive import derive

TOPICS = ("sleep", "walking", "reading", "focus")
HOOKS = ("did-you-know", "question", "contrarian", "none")


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
        conn.execute(
            text(
                "INSERT INTO content_metadata (decision_id, account, decision_type, text, topic, arm, hour_slot, "
                "generation_source, status, scheduled_at, hook_pattern, novelty, duplicate_similarity, policy, "
                "policy_version, propensity, tweet_id, simulated, created_at, target_tweet_id, target_username) "
                "VALUES (:d, :account, :type, :text, :topic, :arm, :hour, :gen, 'posted', :at, :hook, :novelty, 0.2, "
                "'growth', 'growth_v1.v0', 0.01, :tweet, :simulated, :created, :target, :who)"
            ),
            {
                "d": decision, "account": account, "type": decision_type, "text": words, "topic": topic, "arm": arm,
                "hour": posted.hour, "gen": "synthetic" if self.simulated else "real", "at": posted, "hook": hook,
                "novelty": novelty, "tweet": tweet, "simulated": self.simulated, "created": posted - timedelta(hours=12),
                "target": target[0], "who": target[1],
            },
        )  # fmt: skip
        conn.execute(
            text(
                "INSERT INTO posted_decisions "
                "(decision_id, account, tweet_id, text, posted_at, publisher, via, simulated) VALUES (:d, :account, :tweet, :text, :at, 'recorded', 'response', :simulated)"
            ),
            {
                "d": decision,
                "account": account,
                "tweet": tweet,
                "text": words,
                "at": posted,
                "simulated": self.simulated,
            },
        )
        final = float(np.exp(rng.normal(np.log(self.base_impressions), 0.6)))
        rate = np.exp(effect) * rng.gamma(4, 0.25)
        for number in passes:
            share = 0.45 if number == 1 else 1.0
            shown = max(1, int(final * share))
            counts = Counts(
                impressions=shown, likes=int(rng.poisson(shown * 0.01 * rate)), retweets=int(rng.poisson(shown * 0.002 * rate)),
                replies=int(rng.poisson(shown * 0.0008 * rate)), follows=int(rng.poisson(shown * 0.0004 * rate)),
                profile_visits=int(rng.poisson(shown * 0.003 * rate)),
            )  # fmt: skip
            age = timedelta(hours=1 if number == 1 else 24)
            self.outcome(conn, decision, account, tweet, number, counts, posted + age, source, novelty)

    def outcome(self, conn, decision, account, tweet, number, counts, collected, source="recorded", novelty=0.7):
        """One outcome row as the collector stores it."""
        derived = derive(counts, novelty, 0.2)
        names = ("impressions", "likes", "retweets", "replies", "follows", "profile_visits")
        conn.execute(
            text(
                f"INSERT INTO outcomes (decision_id, collected_pass, account, tweet_id, {', '.join(names)}, "
                "er_calculated, fpki, retweet_rate, reply_rate, reward_composite, exposure_weight, simulated, source, "
                "read_status, observed_age_s, collected_at) VALUES "
                f"(:d, :pass, :account, :tweet, {', '.join(':' + n for n in names)}, :er, :fpki, :rr, :pr, :reward, :weight, :simulated, :source, 'ok', 3600, :at)"
            ),
            {
                "d": decision, "pass": number, "account": account, "tweet": tweet,
                **{name: getattr(counts, name) for name in names},
                "er": derived.er, "fpki": derived.fpki, "rr": derived.retweet_rate, "pr": derived.reply_rate,
                "reward": derived.reward_composite, "weight": derived.exposure_weight, "simulated": self.simulated,
                "source": source, "at": collected,
            },
        )  # fmt: skip


@pytest.fixture
def history(engine: Engine) -> History:
    return History(engine)


@pytest.fixture
def snapshot(engine: Engine):
    """A function that reads every learner's row as JSON text, to compare before and after."""

    def read() -> str:
        with engine.begin() as conn:
            tables = {
                name: [dict(row) for row in conn.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2, 3")).mappings()]
                for name in ("bandit_arms", "learning_ledger", "outcome_rewards", "predictor_versions", "audit_log")
            }
        return json.dumps(tables, default=str, sort_keys=True)

    return read
