"""The documents' policy: Thompson sampling over arms, UCB1 over hours with a bonus for rare ones, nothing more."""

import json
from datetime import timedelta

import numpy as np
import pytest

from tests.unit.learning_policy.worlds import ARMS, CONTEXT, START, after, history, outcome
from xbot_dagster.domain.learning.policy import Choice, Pending
from xbot_dagster.domain.learning.reward import exposure_weight
from xbot_dagster.domain.learning.seed_policy import SeedPolicy
from xbot_dagster.domain.learning.tallies import outcome_value
from xbot_dagster.domain.learning.timing import RARE_HOUR_BONUS, ucb1_scores
from xbot_dagster.errors import UserError

FLAT = dict.fromkeys(ARMS, 0.0)


def test_a_planted_best_arm_is_preferred():
    policy = SeedPolicy(ARMS)
    policy.update(history(60, {**FLAT, "story": 0.8}), now=after(60))
    choice = policy.propose(CONTEXT, None, np.random.default_rng(0), now=after(60), epsilon=0.0)
    assert isinstance(choice, Choice)
    shares = choice.pair_propensities.sum(1)
    assert shares.argmax() == ARMS.index("story")


def test_an_arm_gains_its_reward_weighted_by_exposure():
    policy, row = SeedPolicy(ARMS), outcome(1, impressions=4000, follows=1, retweets=8, replies=2)
    policy.update([row], now=after(1))
    reward, weight = outcome_value(row, policy.references), exposure_weight(4000)
    assert policy.evidence[ARMS[0]] == pytest.approx([weight * reward, weight * (1 - reward)])


def test_every_hour_is_tried_before_any_is_repeated():
    policy, hours = SeedPolicy(ARMS), []
    for _ in range(24):
        waiting = [Pending(ARMS[0], hour) for hour in hours]
        choice = policy.propose(
            CONTEXT, None, np.random.default_rng(len(hours)), now=START, epsilon=0.0, pending=waiting
        )
        assert isinstance(choice, Choice)
        hours.append(choice.hour)
    assert sorted(hours) == list(range(24))


def test_a_batch_counts_its_own_posts():
    made = SeedPolicy(ARMS).propose_day([CONTEXT] * 24, np.random.default_rng(2), now=START, epsilon=0.0)
    assert sorted(choice.hour for choice in made if isinstance(choice, Choice)) == list(range(24))


def test_ucb1_is_the_mean_plus_the_width_plus_the_bonus_of_rare_hours():
    pulls, rewards = np.full(24, 10.0), np.full(24, 4.0)
    pulls[3], rewards[3] = 2.0, 0.8
    scores = ucb1_scores(pulls, rewards)
    width = np.sqrt(2 * np.log(pulls.sum()))
    assert scores[0] == pytest.approx(0.4 + width / np.sqrt(10))
    assert scores[3] == pytest.approx(0.4 + width / np.sqrt(2) + 0.6 * RARE_HOUR_BONUS)
    pulls[5] = 0
    assert ucb1_scores(pulls, rewards).argmax() == 5


def test_pass_two_replaces_pass_one():
    first = outcome(1, collected_pass=1, impressions=300, follows=2, retweets=6, replies=3)
    both, only_final = SeedPolicy(ARMS), SeedPolicy(ARMS)
    both.update([first], now=after(1))
    assert both.beliefs(now=after(1))[0].samples == 1
    both.update([outcome(1)], now=after(1))
    only_final.update([outcome(1)], now=after(1))
    assert both.beliefs(now=after(1)) == only_final.beliefs(now=after(1))


def test_written_down_and_read_back_it_makes_the_same_choices():
    policy = SeedPolicy(ARMS)
    policy.update(history(10, {**FLAT, "story": 0.5}), now=after(10))
    policy.update([outcome(900, collected_pass=1, posted_at=START + timedelta(days=10))], now=after(10))
    read = SeedPolicy.from_state(json.loads(json.dumps(policy.state())))
    plans = [
        [
            choice.to_record()
            for choice in found.propose_day([CONTEXT] * 6, np.random.default_rng(3), now=after(10), epsilon=0.2)
            if isinstance(choice, Choice)
        ]
        for found in (policy, read)
    ]
    assert plans[0] == plans[1]


def test_beliefs_hold_the_counts_of_the_documents():
    policy = SeedPolicy(ARMS)
    policy.update(history(10, FLAT), now=after(10))
    for belief in policy.beliefs(now=after(10)):
        assert belief.successes + belief.failures == belief.samples
        assert belief.ci_low < belief.mean_reward < belief.ci_high
        assert belief.alpha / (belief.alpha + belief.beta) == pytest.approx(belief.mean_reward)


@pytest.mark.parametrize("damage", [{"format": "seed/9"}, {"evidence": {"story": [1]}}, {"tallies": [["content"]]}])
def test_a_state_that_cannot_be_read_is_refused_in_one_sentence(damage):
    with pytest.raises(UserError):
        SeedPolicy.from_state({**SeedPolicy(ARMS).state(), **damage})
