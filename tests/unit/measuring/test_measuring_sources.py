"""Which source reads the outcomes of a deployment that publishes nothing."""

from typing import Any, cast

import pytest

from xbot_dagster.errors import SettingsError
from xbot_dagster.resources.x import X
from xbot_dagster.settings import load_settings

SHADOW = {"MODE": "shadow", "REAL_METRICS_ENABLED": "true"}
NOTHING_OPENED = cast(Any, None)


def test_without_keys_or_consent_x_s_pages_are_not_read() -> None:
    with pytest.raises(SettingsError, match="ACCEPT_BROWSER_AUTOMATION_RISK"):
        load_settings(SHADOW)


def test_keys_of_the_api_are_preferred_to_pages() -> None:
    found = X(load_settings({**SHADOW, "X_OAUTH2_TOKEN": "token"}))
    source = found._make_source(NOTHING_OPENED)
    assert source.name == "x_api"
    source.close()
    assert found.look(NOTHING_OPENED) is None
