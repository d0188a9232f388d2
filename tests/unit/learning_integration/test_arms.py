"""Arms are data: an account may narrow them, and a mistake is one sentence."""

import pytest

from xbot_dagster.domain.content.brief import STYLES
from xbot_dagster.domain.learning.arms import ARMS, arms_of
from xbot_dagster.errors import UserError
from xbot_dagster.sandbox import vocabulary


def test_one_list_of_styles():
    """Prompts, sandbox audience and policies speak of the same ten styles."""
    assert ARMS == tuple(STYLES) == vocabulary.STYLES


def test_an_account_narrows_them_in_their_own_order():
    assert arms_of({}) == ARMS
    assert arms_of({"arms": ["story", "how_to"]}) == ("how_to", "story")


@pytest.mark.parametrize(("voice", "words"), [({"arms": []}, "an empty list"), ({"arms": ["limerick"]}, "limerick")])
def test_mistakes(voice, words):
    with pytest.raises(UserError, match=words):
        arms_of(voice)
