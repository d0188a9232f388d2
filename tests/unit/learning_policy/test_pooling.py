"""A new account starts from what the others have in common, as far as they agree."""

import numpy as np

from tests.unit.learning_policy.worlds import ARMS, CONTEXT, START, after, history
from xbot_dagster.domain.learning.growth_config import GrowthConfig
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice
from xbot_dagster.domain.learning.pooling import pooled_prior

FLAT = dict.fromkeys(ARMS, 0.0)
SD = GrowthConfig().arm_sd


def account(effects: dict[str, float], seed: int, days: int = 30, pooled=None) -> GrowthPolicy:
    policy = GrowthPolicy(ARMS, pooled=pooled)
    policy.update(history(days, effects, seed=seed), now=after(days))
    return policy


def test_accounts_that_agree_give_a_new_one_their_arm():
    pooled = pooled_prior([account({**FLAT, "story": 0.7}, seed).posterior() for seed in range(4)])
    choice = GrowthPolicy(ARMS, pooled=pooled).propose(CONTEXT, None, np.random.default_rng(0), now=START, epsilon=0.0)
    assert isinstance(choice, Choice)
    assert choice.pair_propensities[ARMS.index("story")].sum() > 0.8
    level = pooled[("arm", "story")]
    assert all(0 < sd < SD for sd in level.sd)


def test_accounts_that_disagree_leave_the_question_open():
    agreed = pooled_prior([account({**FLAT, "story": 0.6}, seed).posterior() for seed in range(4)])
    disagreed = pooled_prior(
        [account({**FLAT, "story": sign * 0.6}, i).posterior() for i, sign in enumerate((1, -1, 1, -1))]
    )
    assert abs(disagreed[("arm", "story")].mean[1]) < 0.5 * agreed[("arm", "story")].mean[1]
    assert disagreed[("arm", "story")].sd[1] > agreed[("arm", "story")].sd[1]


def test_an_account_that_learned_nothing_says_nothing():
    assert pooled_prior([GrowthPolicy(ARMS).posterior()]) == {}
    assert pooled_prior([]) == {}


def test_what_an_account_was_given_is_not_counted_as_its_own_experience():
    first = account({**FLAT, "story": 0.7}, 0)
    pooled = pooled_prior([first.posterior()])
    silent = GrowthPolicy(ARMS, pooled=pooled)
    again = pooled_prior([first.posterior(), silent.posterior()])
    assert np.allclose(again[("arm", "story")].mean, pooled[("arm", "story")].mean)
    assert np.allclose(again[("arm", "story")].sd, pooled[("arm", "story")].sd)


def test_the_intercept_stays_the_accounts_own():
    assert ("base",) not in pooled_prior([account(FLAT, 0).posterior()])


def test_a_pooled_start_survives_being_written_down():
    pooled = pooled_prior([account({**FLAT, "story": 0.7}, 0).posterior()])
    policy = GrowthPolicy(ARMS, pooled=pooled)
    assert GrowthPolicy.from_state(policy.state()).pooled == pooled
