"""The shipped default policy, fed through the stored outcomes and the learning stage, beats random choice.

The recorded audience of the sandbox answers without a browser; everything between its counts and the next choice is the
product: outcome rows, contract join, learning, stored state, `Policies.steering`.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from tests.learning_world import History, insert
from xbot_dagster.domain.content.seeding import seeded, seeded_id
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.sandbox.audience import Audience, Traits
from xbot_dagster.sandbox.vocabulary import HOOKS, STYLES, TOPICS
from xbot_dagster.stages import learn
from xbot_dagster.stages.policies import Policies

START = datetime(2026, 6, 1, tzinfo=UTC)
SEEDS, DAYS, POSTS_A_DAY = 10, 24, 10
T_95_NINE = 2.262  # Student's t, two-sided 95 %, 9 degrees of freedom


def _play(engine, clock, settings, seed: int) -> float:
    """Mean utility of the policy's posts above that of a uniform choice at the same posts, over the second half."""
    audience = Audience(seed, f"player{seed}", int(START.timestamp() * 1000))
    book = History(engine)
    due: list[tuple[datetime, tuple]] = []
    gained = []
    for day in range(DAYS):
        now = START + timedelta(days=day)
        clock.set(now)
        with engine.begin() as conn:
            for _, row in [entry for entry in due if entry[0] <= now]:
                book.outcome(conn, *row)
        due = [entry for entry in due if entry[0] > now]
        learn.run(engine, clock, settings)
        policies = Policies(engine, clock, settings)
        rng = seeded(seed, "day", day)
        contexts = [
            {"topic": str(rng.choice(TOPICS)), "hook": str(rng.choice(HOOKS)), "novelty": float(rng.uniform(0.4, 0.95))}
            for _ in range(POSTS_A_DAY)
        ]
        choices = policies.steering("default").propose_day(contexts, rng, now=now, epsilon=policies.epsilon("default"))
        for number, choice in enumerate(choices):
            posted = now + timedelta(hours=choice.hour, minutes=number)
            context = choice.context
            traits = Traits(choice.arm, context["topic"], context["hook"], context["novelty"])
            utility = audience.utility(audience.day(int(posted.timestamp() * 1000)), traits)
            if day >= DAYS // 2:
                gained.append(utility[STYLES.index(choice.arm), choice.hour] - utility.mean())
            due += _publish(engine, audience, seed, day * POSTS_A_DAY + number, choice, posted, traits)
    return float(np.mean(gained))


def _publish(engine, audience, seed, ordinal, choice, posted, traits):
    decision = seeded_id(seed, "player", ordinal)
    tweet = str(10**17 + decision.int % 10**17)
    future = audience.outcome(ordinal, str(ordinal), int(posted.timestamp() * 1000), traits)
    with engine.begin() as conn:
        insert(
            conn,
            "content_metadata",
            decision_id=decision, account="default", decision_type="single", text=f"post {ordinal}", topic=traits.topic,
            arm=choice.arm, hour_slot=choice.hour, generation_source="synthetic", status="posted", scheduled_at=posted,
            hook_pattern=traits.hook, novelty=traits.novelty, tweet_id=tweet, simulated=True,
            created_at=posted - timedelta(hours=12),
        )  # fmt: skip
        insert(
            conn,
            "posted_decisions",
            decision_id=decision, account="default", tweet_id=tweet, text=f"post {ordinal}", posted_at=posted,
            publisher="recorded", via="response", simulated=True,
        )  # fmt: skip
    waiting = []
    for number, hours in ((1, 1), (2, 24)):
        seen = future.at(hours)
        counts = Counts(
            impressions=seen.impressions,
            likes=seen.likes,
            retweets=seen.retweets,
            replies=seen.replies,
            follows=seen.follows,
            profile_visits=seen.profile_visits,
        )
        at = posted + timedelta(hours=hours)
        waiting.append((at, (decision, "default", tweet, number, counts, at, "recorded", traits.novelty)))
    return waiting


@pytest.mark.slow
def test_it_beats_random_choice_on_ten_worlds(engine, clock, settings):
    gains = []
    for seed in range(SEEDS):
        gains.append(_play(engine, clock, settings, seed))
        with engine.begin() as conn:
            conn.execute(
                text(
                    "TRUNCATE bandit_arms, learning_ledger, outcome_rewards, outcomes, posted_decisions, content_metadata CASCADE"
                )
            )
    found = np.array(gains)
    low = found.mean() - T_95_NINE * found.std(ddof=1) / np.sqrt(SEEDS)
    assert low > 0, f"mean gain {found.mean():.4f}, lower bound {low:.4f}"


def test_replacing_the_stored_outcomes_changes_the_next_choices(engine, clock, settings, history):
    """The same posts with outcomes that favour another arm make another arm the favourite."""
    favourites = []
    for best in ("story", "analogy"):
        history.effects = {best: 2.0}
        history.add(150, clock.now() - timedelta(days=14))
        learn.run(engine, clock, settings)
        policy = Policies(engine, clock, settings).steering("default")
        choice = policy.propose({"topic": "sleep"}, None, np.random.default_rng(1), now=clock.now(), epsilon=0.05)
        favourites.append(choice.arms[int(choice.pair_propensities.sum(1).argmax())])
        with engine.begin() as conn:
            conn.execute(
                text(
                    "TRUNCATE bandit_arms, learning_ledger, outcome_rewards, outcomes, posted_decisions, content_metadata CASCADE"
                )
            )
    assert favourites == ["story", "analogy"]
