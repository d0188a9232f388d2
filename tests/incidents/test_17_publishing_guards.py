"""Incident 17, the browser's part: nothing of this program opens a page of x.com unless somebody has taken the risk."""

from types import SimpleNamespace
from typing import Any

import pytest

from xbot_dagster.embedded.home import Home
from xbot_dagster.errors import SettingsError
from xbot_dagster.resources.x import X
from xbot_dagster.settings import Settings, load_settings

SHADOW = {"MODE": "shadow", "REPLIES_ENABLED": "true"}


def x(**environment: str) -> tuple[X, Any]:
    """The resource and a database whose home is never touched."""
    settings = load_settings({**SHADOW, **environment})
    home = Home(settings.home)
    return X(settings), SimpleNamespace(opened=SimpleNamespace(services=SimpleNamespace(home=home)))


def test_a_reader_without_the_acknowledgement_is_refused_in_one_sentence() -> None:
    """Mentions are asked for without REAL_METRICS_ENABLED: the door is guarded, not one flag in front of it."""
    resource, database = x()
    with pytest.raises(
        SettingsError, match=r"No browser is opened: .*ACCEPT_BROWSER_AUTOMATION_RISK=true\."
    ) as refused:
        resource.source_for(database)("default")
    assert "\n" not in str(refused.value)


def test_a_publisher_without_the_acknowledgement_is_refused_even_past_the_start_up_check() -> None:
    resource, database = x(PUBLISHER="playwright", ACCEPT_BROWSER_AUTOMATION_RISK="true")
    resource.settings = Settings(**{**resource.settings.model_dump(), "ACCEPT_BROWSER_AUTOMATION_RISK": False})
    publisher = resource.publisher_for(database)(SimpleNamespace())  # pyright: ignore[reportArgumentType]
    try:
        with pytest.raises(SettingsError, match="No browser is opened"):
            publisher.probe("default", "somebody")
    finally:
        publisher.close()


@pytest.mark.browser
@pytest.mark.parametrize("more", [{"ACCEPT_BROWSER_AUTOMATION_RISK": "true"}, {"X_BASE_URL": "http://127.0.0.1:9"}])
def test_with_the_risk_taken_or_on_this_machine_a_reader_is_built(more: dict[str, str]) -> None:
    resource, database = x(**more)
    assert resource.source_for(database)("default").name == "browser"
    resource.close()
