"""The live configuration on a real database: what is refused, what is recorded, and that raw SQL obeys the same rules."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import ConfigError
from xbot_dagster.settings import Settings
from xbot_dagster.store import config

RAW = (
    "UPDATE bot_config SET config_value = jsonb_set(config_value, cast(:path AS text[]), cast(:value AS jsonb)) "
    "WHERE config_key = :key"
)


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("learning_config", "post_fraction", 1.5),
        ("learning_config", "post_fraction", "0.1"),
        ("learning_config", "epsilon", -0.1),
        ("learning_config", "epsilon", None),
        ("learning_config", "post_interval_min", 5),
        ("learning_config", "max_hashtags", 2.5),
        ("learning_config", "quiet_hours", [2, 24]),
        ("learning_config", "quiet_hours", [2.5]),
        ("learning_config", "quiet_hours", 3),
        ("learning_config", "post_fractoin", 0.1),
        ("feature_flags", "learning_engine_v2", "true"),
        ("controls", "stop_llm", 0),
        ("content_config", "url_policy", "sometimes"),
        ("content_config", "url_policy", None),
        ("content_config", "topics_allowed", "sleep"),
        ("content_config", "domains_allowed", [1]),
        ("content_config", "mentions_allowed", [""]),
        ("content_config", "thread_share", 2),
    ],
)
def test_what_nothing_could_act_on_is_refused_by_command_and_by_raw_sql(
    engine: Engine, settings: Settings, key: str, name: str, value: Any
) -> None:
    with pytest.raises(ConfigError, match=name), engine.begin() as conn:
        config.write(conn, settings, key, name, value)
    with pytest.raises(IntegrityError, match="bot_config"), engine.begin() as conn:
        conn.execute(text(RAW), {"path": [name], "value": json.dumps(value), "key": key})
    with engine.begin() as conn:
        assert config.history(conn) == []


def test_a_number_json_cannot_hold_is_one_sentence(engine: Engine, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="epsilon"), engine.begin() as conn:
        config.write(conn, settings, "learning_config", "epsilon", float("nan"))


def test_the_runbooks_raw_sql_is_recorded_and_effective_at_once(engine: Engine, settings: Settings) -> None:
    with engine.begin() as conn:
        conn.execute(text(RAW), {"path": ["post_fraction"], "value": "0.1", "key": "learning_config"})
    with engine.begin() as conn:
        assert config.read_config(conn, settings).post_fraction == 0.1
        (change,) = config.history(conn)
        assert (change["before"]["post_fraction"], change["after"]["post_fraction"]) == (1.0, 0.1)
        assert change["actor"] == conn.execute(text("SELECT session_user")).scalar_one()


def test_an_accounts_first_own_value_and_a_lost_row_are_changes_too(
    engine: Engine, settings: Settings, clock: FixedClock
) -> None:
    with engine.begin() as conn:
        config.write(conn, settings, "learning_config", "epsilon", 0.4, "default")
    with engine.begin() as conn:
        live = config.read_config(conn, settings, "default")
        assert (live.epsilon, live.epsilon_anchored_at) == (0.4, clock.now())
        assert config.read_config(conn, settings).epsilon == 0.2
        conn.execute(text("DELETE FROM bot_config WHERE config_key = 'controls'"))
    with engine.begin() as conn:
        lost, own = config.history(conn)
        assert config.read_config(conn, settings).stop_posting, "a lost stop flag counts as stopped"
    assert (own["account"], own["before"], own["after"]["epsilon"]) == ("default", {}, 0.4)
    assert (lost["before"]["stop_posting"], lost["after"]) == (False, {})


def test_an_account_that_gives_up_its_own_value_follows_all_accounts_again(
    engine: Engine, settings: Settings, clock: FixedClock
) -> None:
    with engine.begin() as conn:
        config.write(conn, settings, "learning_config", "epsilon", 0.4, "default")
        config.write(conn, settings, "learning_config", "max_hashtags", 1, "default")
        assert config.read_own(conn, settings, "default")["learning_config"].keys() >= {"epsilon", "max_hashtags"}
    clock.sleep(60)
    with engine.begin() as conn:
        config.unset(conn, settings, "learning_config", "epsilon", "default")
        assert config.read_own(conn, settings, "default")["learning_config"] == {"max_hashtags": 1}
        live = config.read_config(conn, settings, "default")
        assert (live.epsilon, live.epsilon_anchored_at, live.max_hashtags) == (0.2, None, 1)
        config.write(conn, settings, "learning_config", "epsilon", 0.3, "default")
        assert config.read_config(conn, settings, "default").epsilon_anchored_at == clock.now()
        _, unset, *_ = config.history(conn)
    assert (unset["account"], unset["before"]["epsilon"], unset["after"].get("epsilon")) == ("default", 0.4, None)


@pytest.mark.parametrize(
    ("key", "name", "account", "words"),
    [
        ("learning_config", "epsilon", "default", "no learning_config.epsilon of its own"),
        ("learning_config", "epsilon", "", "of its own"),
        ("learning_config", "volume", "default", "no value 'volume'"),
        ("bogus", "epsilon", "default", "no configuration 'bogus'"),
    ],
)
def test_what_is_not_an_accounts_own_cannot_be_given_up(
    engine: Engine, settings: Settings, key: str, name: str, account: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words), engine.begin() as conn:
        config.unset(conn, settings, key, name, account)
    with engine.begin() as conn:
        assert config.read_config(conn, settings).epsilon == 0.2


def test_every_content_rule_can_be_set(engine: Engine, settings: Settings) -> None:
    with engine.begin() as conn:
        config.write(conn, settings, "content_config", "url_policy", "domains")
        config.write(conn, settings, "content_config", "domains_allowed", ["example.org"])
        config.write(conn, settings, "content_config", "thread_share", 0)
        assert config.read_raw(conn, settings)["content_config"] == {
            "topics_allowed": [],
            "url_policy": "domains",
            "domains_allowed": ["example.org"],
            "mentions_allowed": [],
            "thread_share": 0,
        }
