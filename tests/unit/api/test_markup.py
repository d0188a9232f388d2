"""Script in any text stays text, wherever it enters the markup."""

import pytest

from xbot_dagster.dashboard.markup import EMPTY, Html, join, lines, tag, text

EVIL = "<script>alert('x')</script>\"onload=\"x"


@pytest.mark.parametrize(
    "made",
    [
        text(EVIL),
        tag("p", EVIL),
        tag("p", [EVIL, (EVIL,)]),
        tag("a", "x", href=EVIL, data_id=EVIL),
        join([EVIL, EVIL], EVIL),
        lines(EVIL + "\n" + EVIL),
        EMPTY + EVIL,
        tag("p", "x") + EVIL,
    ],
)
def test_nothing_injected_survives(made: Html) -> None:
    assert isinstance(made, Html)
    assert "<script" not in made
    assert '"onload="' not in made


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "a & b")) == "<p><b>a &amp; b</b></p>"
    assert tag("input", name="q", disabled=True, hidden=False, value=None) == '<input name="q" disabled/>'
    assert tag("p", aria_label="x", class_="y") == '<p aria-label="x" class="y"></p>'


def test_the_head_of_a_page_is_markup_not_text() -> None:
    from xbot_dagster.dashboard.assets import head_links
    from xbot_dagster.dashboard.frame import _SCRIPT

    assert "&lt;" not in head_links() + _SCRIPT
