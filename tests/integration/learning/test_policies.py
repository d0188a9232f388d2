"""Which policy steers, where its state comes from, and what happens when that is missing or damaged."""

import json
import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import event, text

from xbot_dagster.stages import learn
from xbot_dagster.stages.policies import Others, Policies
from xbot_dagster.store import config, deployment
from xbot_dagster.store.cache import Cache

START = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def cache(cache_url, request):
    cache = Cache(cache_url, f"{request.node.name}:")
    yield cache
    cache.clear()
    cache.close()


def _choice(policies, clock, account="default"):
    return policies.steering(account).propose(
        {"topic": "sleep"}, None, np.random.default_rng(3), now=clock.now(), epsilon=0.1
    )


def test_the_flag_decides_who_steers(engine, clock, settings):
    policies = Policies(engine, clock, settings)
    assert (policies.steering("default").name, policies.shadow("default").name) == ("growth", "seed")
    with engine.begin() as conn:
        config.write(conn, settings, "feature_flags", "learning_engine_v2", False)
    assert (policies.steering("default").name, policies.shadow("default").name) == ("seed", "growth")


def test_an_account_without_outcomes_gets_the_prior(engine, clock, settings):
    choice = _choice(Policies(engine, clock, settings), clock)
    assert choice.version == "growth_v1.v0"
    assert choice.pair_propensities.sum() == pytest.approx(1)
    assert choice.pair_propensities.min() >= 0.1 / choice.pair_propensities.size


def test_the_same_choice_from_postgres_from_the_cache_and_after_a_flush(engine, clock, settings, history, cache):
    history.add(30, START)
    learn.run(engine, clock, settings, cache)
    assert f"{cache.prefix}bandit:policy:growth" in cache.scan("bandit:*")
    assert f"{cache.prefix}bandit:content:story" in cache.scan("bandit:*")
    from_cache = _choice(Policies(engine, clock, settings, cache), clock)
    cache.clear()
    from_postgres = _choice(Policies(engine, clock, settings, cache), clock)
    assert f"{cache.prefix}bandit:policy:growth" in cache.scan("bandit:*"), "a miss is read through"
    without = _choice(Policies(engine, clock, settings), clock)
    gone = _choice(Policies(engine, clock, settings, Cache("redis://127.0.0.1:1/0", "x:")), clock)
    for other in (from_postgres, without, gone):
        assert json.dumps(other.to_record(), sort_keys=True) == json.dumps(from_cache.to_record(), sort_keys=True)


def test_an_old_or_damaged_cache_is_not_believed(engine, clock, settings, history, cache, caplog):
    history.add(10, START)
    learn.run(engine, clock, settings, cache)
    old = cache.get("default", "bandit:policy:growth")
    history.add(10, START + timedelta(days=3))
    learn.run(engine, clock, settings)
    cache.put("default", "bandit:policy:growth", old)
    assert _choice(Policies(engine, clock, settings, cache), clock).version == "growth_v1.v2"
    cache.put("default", "bandit:policy:growth", '{"version": 2, "state": {"format": "policy/1"}}')
    with caplog.at_level(logging.WARNING, "xbot"):
        assert _choice(Policies(engine, clock, settings, cache), clock).version == "growth_v1.v2"
    assert "is damaged" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        "'{}'::jsonb",
        "jsonb_set(state, '{format}', '\"policy/99\"')",
        "jsonb_set(state, '{policy,format}', '\"growth/99\"')",
        "jsonb_set(state, '{policy,model,mean}', '[1, 2]')",
    ],
)
def test_a_damaged_state_is_the_prior_with_a_reason_until_learning_repairs_it(
    engine, clock, settings, history, caplog, damage
):
    history.add(20, START)
    learn.run(engine, clock, settings)
    with engine.begin() as conn:
        conn.execute(text(f"UPDATE bandit_arms SET state = {damage} WHERE scope = 'policy' AND arm_name = 'growth'"))
    with caplog.at_level(logging.WARNING, "xbot"):
        choice = _choice(Policies(engine, clock, settings), clock)
    assert "starts from its prior" in caplog.text
    assert choice.fallback is not None
    history.add(1, START + timedelta(days=4), purpose="one more")
    report = learn.run(engine, clock, settings)
    assert report.accounts[0].fallback
    assert report.outcomes == 21
    assert _choice(Policies(engine, clock, settings), clock).fallback is None


def test_a_changed_list_of_arms_starts_a_new_learner_version(engine, clock, settings, history):
    history.add(20, START)
    learn.run(engine, clock, settings)
    with engine.begin() as conn:
        conn.execute(text("""UPDATE accounts SET voice = '{"arms": ["story", "question"]}'"""))
    assert Policies(engine, clock, settings).steering("default").arms == ("story", "question")
    history.add(1, START + timedelta(days=4), purpose="one more")
    assert learn.run(engine, clock, settings).accounts[0].learner_version == "growth_v1.r2"


def test_a_new_account_starts_from_what_the_others_know(engine, clock, settings, history):
    history.effects = {"story": 1.5}
    with engine.begin() as conn:
        deployment.add_account(conn, "second", "second_demo", "UTC")
    history.add(120, START - timedelta(days=10))
    learn.run(engine, clock, settings)
    shares = _choice(Policies(engine, clock, settings), clock, "second").pair_propensities.sum(1)
    arms = Policies(engine, clock, settings).steering("second").arms
    assert shares[arms.index("story")] > 1.5 / len(arms)


def test_epsilon_falls_from_the_familys_first_own_outcome(engine, clock, settings, history):
    policies = Policies(engine, clock, settings)
    assert policies.epsilon("default") == 0.2
    history.add(3, clock.now() - timedelta(days=400), source="import", purpose="imported")
    assert policies.epsilon("default") == 0.2, "an imported history was not explored by us"
    history.add(3, clock.now() - timedelta(days=7, hours=1), passes=(1,))
    assert policies.epsilon("default") == pytest.approx(0.125)
    clock.sleep(30 * 86_400)
    assert policies.epsilon("default") == pytest.approx(0.05)
    with engine.begin() as conn:
        config.write(conn, settings, "learning_config", "epsilon", 0.3)
    assert policies.epsilon("default") == pytest.approx(0.3)
    clock.sleep(7 * 86_400)
    assert policies.epsilon("default") == pytest.approx(0.175)


def test_new_accounts_read_the_others_once_and_start_alike(engine, clock, settings, history):
    history.effects = {"story": 1.5}
    history.add(60, START - timedelta(days=6))
    learn.run(engine, clock, settings)
    with engine.begin() as conn:
        for number in range(3):
            deployment.add_account(conn, f"new-{number}", f"new_{number}", "UTC")
    for number in range(3):
        history.add(8, START, account=f"new-{number}", purpose="alike")
    asked = []

    @event.listens_for(engine, "before_cursor_execute")
    def _count(conn, cursor, statement, *_):
        asked.append("FROM bandit_arms WHERE scope = 'policy' AND arm_name" in statement)

    learn.run(engine, clock, settings)
    assert sum(asked) == 1
    with engine.begin() as conn:
        states = (
            conn.execute(
                text(
                    "SELECT state->'policy'->'pooled' FROM bandit_arms WHERE scope = 'policy' AND arm_name = 'growth' AND account <> 'default'"
                )
            )
            .scalars()
            .all()
        )
    assert len(states) == 3
    assert states[0], "what the first account knows"
    assert states[0] == states[1] == states[2], "whoever learns first"


def test_an_account_does_not_learn_from_itself(engine, clock, settings, history):
    history.add(30, START)
    learn.run(engine, clock, settings)
    others = Others(simulated=True)
    with engine.begin() as conn:
        assert others.prior_for(conn, "default") == {}
        assert others.prior_for(conn, "somebody new") != {}
