"""Propensities: they sum to one, keep every admissible pair possible, come back from the same seed, and are true."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.learning_policy.worlds import ARMS, CONTEXT, START, after, history
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice, NoChoice, Policy
from xbot_dagster.domain.learning.propensity import after_drops, mixture
from xbot_dagster.domain.learning.seed_policy import SeedPolicy


def taught(kind: type[Any]) -> Policy:
    policy = kind(ARMS)
    policy.update(history(10, {"educational": 0.5, "story": 0, "question": 0, "contrarian": -0.5}), now=after(10))
    return policy


POLICIES = {"growth": taught(GrowthPolicy), "seed": taught(SeedPolicy)}
masks = st.lists(st.booleans(), min_size=96, max_size=96).map(lambda bits: np.array(bits).reshape(4, 24))


@pytest.mark.parametrize("name", POLICIES)
@given(mask=masks, epsilon=st.floats(0, 1), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_propensities_sum_to_one_over_the_admissible_pairs_and_none_of_them_is_impossible(name, mask, epsilon, seed):
    choice = POLICIES[name].propose(CONTEXT, mask, np.random.default_rng(seed), now=after(10), epsilon=epsilon)
    if not mask.any():
        assert isinstance(choice, NoChoice)
        return
    assert isinstance(choice, Choice)
    shares = choice.pair_propensities
    assert shares.sum() == pytest.approx(1)
    assert (shares[~mask] == 0).all()
    assert (shares[mask] >= epsilon / mask.sum() - 1e-12).all()
    at = ARMS.index(choice.arm)
    assert mask[at, choice.hour]
    assert choice.propensity == shares[at, choice.hour] > 0
    assert choice.arm_propensity == pytest.approx(shares[at].sum())
    assert choice.hour_propensity == pytest.approx(shares[:, choice.hour].sum())


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_seed_makes_the_same_batch(name):
    def plan(seed: int) -> list[dict[str, Any]]:
        found = POLICIES[name].propose_day([CONTEXT] * 6, np.random.default_rng(seed), now=after(10), epsilon=0.2)
        return [choice.to_record() for choice in found if isinstance(choice, Choice)]

    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


@pytest.mark.parametrize("name", POLICIES)
def test_choices_are_drawn_with_the_propensity_that_is_logged(name):
    policy, rng, tries = POLICIES[name], np.random.default_rng(5), 400
    taken = np.zeros(len(ARMS))
    expected = np.zeros(len(ARMS))
    for _ in range(tries):
        choice = policy.propose(CONTEXT, None, rng, now=after(10), epsilon=0.5)
        assert isinstance(choice, Choice)
        taken[ARMS.index(choice.arm)] += 1
        expected += choice.pair_propensities.sum(1)
    spread = np.sqrt(expected * (1 - expected / tries)) + 1
    assert (np.abs(taken - expected) < 4 * spread).all()


@pytest.mark.parametrize("name", POLICIES)
def test_exploring_is_reported_as_forced_as_often_as_epsilon_says(name):
    rng = np.random.default_rng(3)
    found = [POLICIES[name].propose(CONTEXT, None, rng, now=after(10), epsilon=0.3) for _ in range(300)]
    forced = [choice for choice in found if isinstance(choice, Choice) and choice.forced_explore]
    assert {choice.forced_explore for choice in forced} == {"high_uncertainty"}
    assert 60 <= len(forced) <= 120
    assert not any(
        choice.forced_explore
        for choice in POLICIES[name].propose_day([CONTEXT] * 20, rng, now=after(10), epsilon=0.0)
        if isinstance(choice, Choice)
    )


def test_the_record_of_a_choice_is_plain_json():
    import json

    choice = POLICIES["growth"].propose(CONTEXT, None, np.random.default_rng(1), now=after(10), epsilon=0.1)
    assert isinstance(choice, Choice)
    record = json.loads(json.dumps(choice.to_record()))
    assert sum(p for hours in record["candidates"].values() for p in hours.values()) == pytest.approx(1)
    assert record["candidates"][choice.arm][str(choice.hour)] == choice.propensity
    assert set(record["posterior"]) == set(ARMS)


@given(st.lists(st.floats(0, 1), min_size=24, max_size=24), st.floats(0, 1))
def test_the_mixture_is_exactly_what_the_documents_say(weights, epsilon):
    picked = np.array(weights).reshape(1, 24)
    if picked.sum() == 0:
        picked[0, 0] = 1
    picked = picked / picked.sum()
    admissible = np.ones((1, 24), bool)
    assert np.allclose(mixture(picked, admissible, epsilon), (1 - epsilon) * picked + epsilon / 24)


def test_a_gate_that_drops_pairs_leaves_the_conditional_propensities():
    shares = np.array([[0.5, 0.3], [0.2, 0.0]])
    assert np.allclose(after_drops(shares, np.array([[True, False], [False, False]])), [[0, 0.6], [0.4, 0]])
    assert not after_drops(shares, np.ones((2, 2), bool)).any()


def test_nothing_to_choose_from_is_an_answer():
    choice = POLICIES["growth"].propose(
        CONTEXT, np.zeros((4, 24), bool), np.random.default_rng(0), now=START, epsilon=0.1
    )
    assert isinstance(choice, NoChoice)
    assert "admissible" in choice.reason
