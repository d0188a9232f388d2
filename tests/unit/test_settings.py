"""Flags: defaults by mode, one sentence per wrong value, nothing posted by default."""

import re
from pathlib import Path

import pytest

from xbot_dagster.errors import SettingsError
from xbot_dagster.settings import Settings, load_settings

LIVE = {"MODE": "live", "APP_ENV": "production", "REDIS_PREFIX": "prod:"}
EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_unset_means_no_posting_outside_the_sandbox() -> None:
    for flags in ({"MODE": "shadow"}, LIVE):
        settings = load_settings(flags)
        assert settings.posting_disabled
        assert not settings.live_posts
        assert not settings.metrics_enabled
        assert settings.publisher == "shadow"
        assert not settings.simulated
    sandbox = load_settings({})
    assert not sandbox.posting_disabled
    assert sandbox.publisher == "sandbox"
    assert sandbox.simulated


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"MODE": "prod"}, "MODE=prod"),
        ({"MODE": "live"}, "needs APP_ENV"),
        ({"MODE": "live", "APP_ENV": "production"}, "needs REDIS_PREFIX"),
        ({"MODE": "shadow", "LIVE_POSTS": "true"}, "LIVE_POSTS=true contradicts"),
        ({"MODE": "shadow", "PUBLISHER": "sandbox"}, "only in MODE=sandbox"),
        ({"PUBLISHER": "x_api"}, "refused in MODE=sandbox"),
        ({**LIVE, "PUBLISHER": "playwright"}, "ACCEPT_BROWSER_AUTOMATION_RISK"),
        ({**LIVE, "REAL_METRICS_ENABLED": "true"}, "ACCEPT_BROWSER_AUTOMATION_RISK"),
        ({"MODE": "shadow", "REAL_METRICS_ENABLED": "true"}, "REAL_METRICS_ENABLED=true with PUBLISHER=shadow"),
        (
            {**LIVE, "PUBLISHER": "playwright", "X_BASE_URL": "http://127.0.0.1:80@x.com"},
            "ACCEPT_BROWSER_AUTOMATION_RISK",
        ),
        ({"DAILY_OPENAI_LIMIT_USD": "-1"}, "DAILY_OPENAI_LIMIT_USD=-1"),
        ({"DAILY_OPENAI_LIMIT_USD": "ten"}, "DAILY_OPENAI_LIMIT_USD=ten"),
        ({"X_ZONE": "Berlin"}, "'Berlin' is not a time zone"),
        ({"BUDGET_ZONE": "Mars/Base"}, "'Mars/Base' is not a time zone"),
        ({"X_HANDLE": "@name"}, "X_HANDLE=@name"),
        ({"REDIS_PREFIX": "stg"}, "must end with a colon"),
        ({"OPENAI_BASE_URL": "localhost:1"}, "must start with http"),
        ({"POSTING_DISABLED": "perhaps"}, "POSTING_DISABLED=perhaps"),
    ],
)
def test_each_wrong_value_is_named(flags: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)) as raised:
        load_settings(flags)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "more",
    [{"PUBLISHER": "x_api"}, {"ACCEPT_BROWSER_AUTOMATION_RISK": "true"}, {"X_BASE_URL": "http://[::1]:8080"}],
    ids=["API", "acknowledged", "this machine"],
)
def test_metrics_may_be_read_where_no_foreign_site_is_driven_or_somebody_took_the_risk(more: dict[str, str]) -> None:
    assert load_settings({"MODE": "shadow", "REAL_METRICS_ENABLED": "true", **more}).metrics_enabled


def test_several_wrong_values_are_all_named() -> None:
    with pytest.raises(SettingsError, match=r"MODE=prod.*MAX_POSTS_PER_HOUR=x"):
        load_settings({"MODE": "prod", "MAX_POSTS_PER_HOUR": "x"})


def test_a_secret_is_never_repeated() -> None:
    settings = load_settings(
        {"OPENAI_API_KEY": "sk-secret-1", "DATABASE_URL": "postgresql://u:pw-secret@h/d", "ADMIN_TOKEN": "t-secret"}
    )
    assert "secret" not in repr(settings)
    assert "secret" not in str(settings.model_dump())


def test_an_empty_value_is_an_unset_one() -> None:
    assert load_settings({"MODE": "", "POSTING_DISABLED": " "}) == load_settings({})


def test_the_example_lists_every_flag_and_no_other() -> None:
    listed = set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert listed == set(Settings.model_fields)


def test_the_example_states_the_defaults() -> None:
    stated = dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=([^ #\n]*)", EXAMPLE.read_text(), re.MULTILINE))
    for name, field in Settings.model_fields.items():
        if stated[name]:
            assert getattr(load_settings({name: stated[name]}), name) == field.default, name
