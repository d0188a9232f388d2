"""How long an experiment still needs: said only where its pace says something."""

import pytest

from xbot_dagster.domain.learning.outlook import days_still_needed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"days": 10, "effective_n": 60, "lift": 0.2, "se": 0.02, "told": True}, 0),
        (
            {"days": 4, "effective_n": 10, "lift": None, "se": None, "told": False},
            8,
        ),  # a third of the 30 posts in 4 days
        (
            {"days": 2, "effective_n": 40, "lift": None, "se": None, "told": False},
            3,
        ),  # enough posts, but of 2 days only
        ({"days": 10, "effective_n": 60, "lift": 0.1, "se": 0.05, "told": False}, 10 * (1.4**2 - 1)),
        (
            {"days": 10, "effective_n": 60, "lift": 0.0, "se": 0.05, "told": False},
            None,
        ),  # nothing seen: nothing to wait for
        ({"days": 10, "effective_n": 0, "lift": None, "se": None, "told": False}, None),
        ({"days": 0, "effective_n": 5, "lift": None, "se": None, "told": False}, None),
        ({"days": 10, "effective_n": None, "lift": None, "se": None, "told": False}, None),
    ],
)
def test_days(given: dict, expected: float | None) -> None:
    found = days_still_needed(**given)
    assert found is None if expected is None else found == pytest.approx(expected)
