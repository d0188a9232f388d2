"""`xbot doctor x`: the table of the site holds on the replica, and a row that broke is named with its page."""

from dataclasses import replace

import pytest

from xbot_dagster.stages import site as stage
from xbot_dagster.x.browser import reading
from xbot_dagster.x.browser.site_check import check_site
from xbot_dagster.x.site import SITE

pytestmark = pytest.mark.browser


@pytest.fixture
def look(replica, host, handle, publish):
    post = publish("A note to look at https://example.com/a")
    replica.clock.sleep(3600)
    return lambda: check_site(
        host, replica.url, lambda account: replica.client.storage_state(handle), "default", handle, post
    )


def test_every_row_holds_on_the_replica(look) -> None:
    found = look()
    assert [(page.page, page.broken, page.problem) for page in found] == [
        (name, (), "") for name in ("profile", "status", "analytics", "compose")
    ]


def test_a_row_that_broke_is_named_with_its_pages(look, monkeypatch) -> None:
    monkeypatch.setattr(reading, "PAGE_S", 2.0)
    monkeypatch.setitem(SITE, "like_button", replace(SITE["like_button"], value='[data-testid="heart"]'))
    monkeypatch.setitem(SITE, "metric_profile_visits", replace(SITE["metric_profile_visits"], value="Visits"))
    found = look()
    assert {page.page: page.broken for page in found} == {
        "profile": ("like_button",),
        "status": ("like_button",),
        "analytics": ("metric_profile_visits",),
        "compose": (),
    }
    [check] = [check for page in found if page.page == "profile" for check in stage._checks(page, "default")]
    assert (check.verdict, check.what) == ("fail", "profile page")
    assert "'like_button' broke" in check.found
    assert "last known good 2026-10" in check.found


def test_an_ended_session_says_nothing_about_the_table(look, replica, handle) -> None:
    replica.client.set_fault("locked", handle=handle)
    [page] = look()
    assert (page.broken, page.problem.split(":")[0]) == ((), "challenge")
    [check] = list(stage._checks(page, "default"))
    assert (check.verdict, check.fix) == ("warn", "xbot session check --account default")
