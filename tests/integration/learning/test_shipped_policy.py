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
from xbot_dagster.domain.content.slots import DayRules, capacity
from xbot_dagster.domain.learning.policy import Pending
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.sandbox.audience import Audience, Traits
from xbot_dagster.sandbox.vocabulary import HOOKS, STYLES, TOPICS
from xbot_dagster.stages import learn
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store import decisions

START = datetime(2026, 6, 1, tzinfo=UTC)
PLANNED_AT = timedelta(minutes=2)  # the planning schedule's first tick of a day
WORLDS, DAYS, POSTS_A_DAY = 10, 24, 10
RULES = DayRules("UTC", 2, timedelta(minutes=30), (2, 3, 4, 5), POSTS_A_DAY)
OPEN_HOURS = [hour for hour in range(24) if hour not in RULES.quiet_hours]
T_95_NINE = 2.262  # Student's t, two-sided 95 %, 9 degrees of freedom
EVERYTHING = "bandit_arms, learning_ledger, outcome_rewards, outcomes, posted_decisions, content_metadata"


def _play(engine, clock, settings, seed: int, days: int, posts: int) -> tuple[float, float]:
    """(mean utility above a uniform choice over the second half, expected follows / those of a uniform choice - 1).

    Planned as the product plans: minutes after midnight, outside the quiet hours, with what is pending.
    """
    audience = Audience(seed, f"player{seed}", int(START.timestamp() * 1000))
    book = History(engine)
    due: list[tuple[datetime, tuple]] = []
    gained, follows, by_chance = [], 0.0, 0.0
    for day in range(days):
        now = START + timedelta(days=day) + PLANNED_AT
        clock.set(now)
        with engine.begin() as conn:
            for _, row in [entry for entry in due if entry[0] <= now]:
                book.outcome(conn, *row)
        due = [entry for entry in due if entry[0] > now]
        learn.run(engine, clock, settings)
        policies = Policies(engine, clock, settings)
        rng = seeded(seed, "day", day)
        contexts = [{"topic": str(rng.choice(TOPICS)), "hook": str(rng.choice(HOOKS))} for _ in range(posts)]
        with engine.begin() as conn:
            pending = [Pending(p.arm, p.hour, p.context) for p in decisions.pending_posts(conn, "default", RULES.zone)]
        choices = policies.steering("default").propose_day(
            contexts,
            rng,
            now=now,
            epsilon=policies.epsilon("default"),
            capacity=capacity(now.date(), RULES, [], now),
            pending=pending,
        )
        for number, choice in enumerate(choices):
            posted = START + timedelta(days=day, hours=choice.hour, minutes=10 + 4 * number)
            context = choice.context
            traits = Traits(choice.arm, context["topic"], context["hook"], float(rng.uniform(0.4, 0.95)))
            today = audience.day(int(posted.timestamp() * 1000))
            utility, expected = audience.utility(today, traits), audience.expected_follows(today, traits)
            style = STYLES.index(choice.arm)
            follows += expected[style, choice.hour]
            by_chance += expected[:, OPEN_HOURS].mean()
            if day >= days // 2:
                gained.append(utility[style, choice.hour] - utility[:, OPEN_HOURS].mean())
            due += _publish(engine, audience, seed, day * posts + number, choice, posted, traits)
    with engine.begin() as conn:
        conn.execute(text(f"TRUNCATE {EVERYTHING} CASCADE"))
    return float(np.mean(gained)), follows / by_chance - 1


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


def _surely_above_zero(found: list[float]) -> None:
    gains = np.array(found)
    low = gains.mean() - T_95_NINE * gains.std(ddof=1) / np.sqrt(len(gains))
    assert low > 0, f"mean gain {gains.mean():.4f}, lower bound {low:.4f}"


@pytest.mark.slow
def test_it_beats_random_choice_on_ten_worlds(engine, clock, settings):
    played = [_play(engine, clock, settings, seed, DAYS, POSTS_A_DAY) for seed in range(WORLDS)]
    _surely_above_zero([utility for utility, _ in played])
    _surely_above_zero([follows for _, follows in played])


def test_a_fortnight_of_it_brings_more_followers_than_chance(engine, clock, settings):
    """The rehearsal's fortnight on three worlds; ten of them are played by the test above."""
    gains = [follows for _, follows in (_play(engine, clock, settings, seed, 14, 8) for seed in range(3))]
    assert np.mean(gains) > 0.2, gains


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
            conn.execute(text(f"TRUNCATE {EVERYTHING} CASCADE"))
    assert favourites == ["story", "analogy"]
