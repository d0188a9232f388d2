"""The default policy: finds what is there, imagines nothing, replaces provisional rows, and survives being written down."""

import json
from datetime import timedelta

import numpy as np
import pytest

from tests.unit.learning_policy.worlds import ARMS, CONTEXT, START, after, history, outcome
from xbot_dagster.domain.learning.growth_config import GrowthConfig
from xbot_dagster.domain.learning.growth_policy import GrowthPolicy
from xbot_dagster.domain.learning.policy import Choice, NoChoice, Pending, Policy
from xbot_dagster.domain.learning.reach import HourReach
from xbot_dagster.errors import UserError

FLAT = dict.fromkeys(ARMS, 0.0)


def arm_shares(policy: Policy, days: int, context=CONTEXT, epsilon: float = 0.0) -> dict[str, float]:
    choice = policy.propose(context, None, np.random.default_rng(1), now=after(days), epsilon=epsilon)
    assert isinstance(choice, Choice)
    return dict(zip(choice.arms, choice.pair_propensities.sum(1).tolist(), strict=True))


@pytest.mark.parametrize("best", ARMS)
def test_a_planted_best_arm_is_found(best):
    policy = GrowthPolicy(ARMS)
    policy.update(history(20, {**FLAT, best: 0.6}), now=after(20))
    assert arm_shares(policy, 20)[best] > 0.95


def test_shuffled_arms_teach_nothing():
    """The same counts with the arms dealt out anew: on average over deals no arm stands out."""
    rows = history(20, {**FLAT, "story": 0.6})
    total = dict.fromkeys(ARMS, 0.0)
    for deal in range(8):
        names = np.random.default_rng(deal).permutation([row.arm for row in rows])
        policy = GrowthPolicy(ARMS)
        policy.update(
            [
                outcome(i, **{**vars(row), "arm": str(name)})
                for i, (row, name) in enumerate(zip(rows, names, strict=True))
            ],
            now=after(20),
        )
        for arm, share in arm_shares(policy, 20).items():
            total[arm] += share / 8
    assert max(total.values()) < 0.6


def test_without_a_signal_it_stays_near_uniform_at_first():
    policy = GrowthPolicy(ARMS)
    shares = arm_shares(policy, 0)
    assert all(0.2 < share < 0.3 for share in shares.values())


def test_without_a_signal_no_arm_is_favoured_over_many_accounts():
    total = dict.fromkeys(ARMS, 0.0)
    for seed in range(24):
        policy = GrowthPolicy(ARMS)
        policy.update(history(3, FLAT, seed=seed), now=after(3))
        for arm, share in arm_shares(policy, 3).items():
            total[arm] += share / 24
    assert all(0.05 < share < 0.5 for share in total.values())


def test_the_best_hours_are_found_jointly_with_the_arm():
    lift = {hour: 0.4 * np.cos(2 * np.pi * (hour - 20) / 24) for hour in range(24)}
    policy = GrowthPolicy(ARMS)
    policy.update(history(40, {**FLAT, "story": 0.5}, hour_effect=lift), now=after(40))
    choice = policy.propose(CONTEXT, None, np.random.default_rng(0), now=after(40), epsilon=0.0)
    assert isinstance(choice, Choice)
    assert choice.pair_propensities[ARMS.index("story"), 17:24].sum() > 0.8


def test_an_arm_that_suits_one_topic_only_is_chosen_there_only():
    rows = []
    for number, row in enumerate(history(90, FLAT, seed=4)):
        topic = ("space", "health")[number % 2]
        lift = {"health": 2.0, "space": 0.5}[topic] if row.arm == "question" else 1.0
        counts = {name: int(lift * getattr(row, name)) for name in ("follows", "retweets", "replies")}
        rows.append(outcome(number, **{**vars(row), "context": {**CONTEXT, "topic": topic}, **counts}))
    policy = GrowthPolicy(ARMS)
    policy.update(rows, now=after(90))
    in_health = arm_shares(policy, 90, {**CONTEXT, "topic": "health"})["question"]
    assert in_health > arm_shares(policy, 90, {**CONTEXT, "topic": "space"})["question"] + 0.3


def test_pass_two_replaces_pass_one():
    final = [outcome(i, collected_pass=2) for i in range(6)]
    first = [outcome(i, collected_pass=1, impressions=400, follows=3, retweets=9, replies=4) for i in range(6)]
    both, only_final = GrowthPolicy(ARMS), GrowthPolicy(ARMS)
    assert both.update(first, now=after(1)).provisional == 6
    excited = both.propose(CONTEXT, None, np.random.default_rng(0), now=after(1), epsilon=0.0)
    summary = both.update(final, now=after(1))
    assert (summary.learned, summary.replaced, summary.provisional) == (6, 6, 0)
    only_final.update(final, now=after(1))
    assert np.array_equal(both.model.mean, only_final.model.mean)
    assert np.array_equal(both.model.cov, only_final.model.cov)
    calm = both.propose(CONTEXT, None, np.random.default_rng(0), now=after(1), epsilon=0.0)
    assert isinstance(excited, Choice)
    assert isinstance(calm, Choice)
    assert excited.expected_reward[ARMS[0]][0] > calm.expected_reward[ARMS[0]][0]


def test_both_passes_in_one_batch_count_once_and_a_late_first_pass_is_ignored():
    policy = GrowthPolicy(ARMS)
    summary = policy.update([outcome(1, collected_pass=2), outcome(1, collected_pass=1)], now=after(1))
    assert (summary.learned, summary.provisional) == (1, 0)
    late = policy.update([outcome(1, collected_pass=1)], now=after(1))
    assert late.skipped == {"already learned": 1}


def test_the_same_rows_twice_change_nothing():
    policy, rows = GrowthPolicy(ARMS), history(5, FLAT)
    policy.update(rows, now=after(5))
    before = policy.state()
    assert policy.update(rows, now=after(5)).skipped == {"already learned": len(rows)}
    assert policy.state() == before


def test_rows_in_any_order_teach_the_same():
    rows = history(6, {**FLAT, "story": 0.5})
    forward, shuffled = GrowthPolicy(ARMS), GrowthPolicy(ARMS)
    forward.update(rows, now=after(6))
    shuffled.update([rows[i] for i in np.random.default_rng(0).permutation(len(rows))], now=after(6))
    assert np.allclose(forward.model.mean.sum(), shuffled.model.mean.sum(), atol=1e-9)
    assert arm_shares(forward, 6) == pytest.approx(arm_shares(shuffled, 6), abs=0.05)


def test_a_first_pass_whose_final_one_never_came_stops_counting():
    policy = GrowthPolicy(ARMS)
    policy.update([outcome(1, collected_pass=1)], now=START + timedelta(days=1))
    assert len(policy.ledger.provisional) == 1
    policy.update([], now=START + timedelta(days=9))
    assert not policy.ledger.provisional


def test_what_was_learned_fades():
    policy = GrowthPolicy(ARMS)
    policy.update(history(20, {**FLAT, "story": 0.6}), now=after(20))
    fresh, stale = policy.beliefs(now=after(20)), policy.beliefs(now=after(200))
    width = {belief.name: belief.ci_width for belief in fresh if belief.scope == "content"}
    for belief in stale:
        if belief.scope == "content":
            assert belief.ci_width > width[belief.name]


def test_written_down_and_read_back_it_makes_the_same_choices():
    policy = GrowthPolicy(ARMS)
    rows = history(15, {**FLAT, "story": 0.3})
    policy.update(rows[:-20], now=after(15))
    policy.update([outcome(900, collected_pass=1, posted_at=START + timedelta(days=15))], now=after(15))
    read = GrowthPolicy.from_state(json.loads(json.dumps(policy.state())))

    def plans(found: GrowthPolicy) -> list[dict]:
        made = found.propose_day([CONTEXT] * 6, np.random.default_rng(3), now=after(15), epsilon=0.1)
        return [choice.to_record() for choice in made if isinstance(choice, Choice)]

    assert plans(read) == plans(policy)
    for found in (policy, read):
        found.update(rows[-20:], now=after(16))
    assert plans(read) == plans(policy)


def test_a_batch_respects_the_room_of_every_hour_and_says_when_there_is_none():
    policy = GrowthPolicy(ARMS)
    capacity = [0] * 24
    capacity[8], capacity[9] = 2, 1
    made = policy.propose_day([CONTEXT] * 5, np.random.default_rng(0), now=START, epsilon=0.2, capacity=capacity)
    hours = sorted(choice.hour for choice in made if isinstance(choice, Choice))
    assert hours == [8, 8, 9]
    assert [isinstance(choice, NoChoice) for choice in made] == [False, False, False, True, True]


def test_posts_still_pending_make_room_for_others():
    """A hundred unmeasured posts of one arm promise to settle it: its expected spread shrinks before they are measured."""
    policy = GrowthPolicy(ARMS)
    policy.update(history(2, FLAT), now=after(2))
    waiting = [Pending("story", hour % 24, CONTEXT) for hour in range(100)]
    bare = policy.propose(CONTEXT, None, np.random.default_rng(0), now=after(2), epsilon=0.0)
    full = policy.propose(CONTEXT, None, np.random.default_rng(0), now=after(2), epsilon=0.0, pending=waiting)
    assert isinstance(bare, Choice)
    assert isinstance(full, Choice)
    assert full.expected_reward["story"][1] < bare.expected_reward["story"][1]


def test_beliefs_name_every_arm_hour_and_tag_with_an_interval_around_the_mean():
    policy = GrowthPolicy(ARMS)
    policy.update(history(20, {**FLAT, "story": 0.6}), now=after(20))
    beliefs = policy.beliefs(now=after(20))
    scopes = {scope: [b for b in beliefs if b.scope == scope] for scope in ("content", "timing", "topic", "hook")}
    assert [b.name for b in scopes["content"]] == list(ARMS)
    assert [b.name for b in scopes["timing"]] == [str(hour) for hour in range(24)]
    assert [b.name for b in scopes["topic"]] == ["space"]
    assert max(scopes["content"], key=lambda b: b.mean_reward).name == "story"
    for b in beliefs:
        assert 0 <= b.ci_low <= b.mean_reward <= b.ci_high <= 1
        assert b.successes + b.failures == b.samples
        assert b.alpha / (b.alpha + b.beta) == pytest.approx(b.mean_reward)
    assert sum(b.samples for b in scopes["content"]) == 240
    assert policy.beliefs(now=after(20)) == beliefs


def test_the_posterior_stays_small_however_many_topics_there_are():
    config = GrowthConfig(max_topics=5, max_cells=8, max_hooks=3)
    policy = GrowthPolicy(ARMS, config=config)
    rows = [
        outcome(i, **{**vars(row), "context": {**CONTEXT, "topic": f"topic-{i % 40}", "hook": f"hook-{i % 9}"}})
        for i, row in enumerate(history(20, FLAT))
    ]
    policy.update(rows, now=after(20))
    for block, limit in (("topic", 5), ("cell", 8), ("hook", 3)):
        assert sum(key[0] == block for key in policy.model.keys) == limit
    assert sum(key[0] == "topic" for key in policy.reach.keys) == 5
    assert isinstance(
        policy.propose({"topic": "never seen"}, None, np.random.default_rng(0), now=after(20), epsilon=0.1), Choice
    )


@pytest.mark.parametrize("arms", [[], ["a", "a"]])
def test_arms_must_be_there_and_different(arms):
    with pytest.raises(UserError, match="arm"):
        GrowthPolicy(arms)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": "growth/0"},
        {"format": None},
        {"model": {}},
        {"reach": {}},
        {"reach": {**HourReach().state(), "mean": [float("nan")] * 6}},
        {"reach": {**HourReach().state(), "keys": [["hour", "0"]]}},
        {"ledger": {"final": {"a": "yesterday"}, "provisional": []}},
        {"config": {"temperature": 1}},
        {"arms": "none"},
    ],
)
def test_a_state_that_cannot_be_read_is_refused_in_one_sentence(damage):
    state = {**GrowthPolicy(ARMS).state(), **damage}
    with pytest.raises(UserError) as error:
        GrowthPolicy.from_state(state)
    assert error.value.hint
