"""Numbers as X writes them: exact, rounded, unknown, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.measuring.numbers import (
    Number,
    NumberError,
    UnsupportedLocale,
    is_english,
    leading_integer,
    parse_count,
    parse_group_label,
)


@pytest.mark.parametrize(
    ("text", "value", "approximate"),
    [
        ("0", 0, False),
        ("41589", 41589, False),
        ("1,234", 1234, False),
        ("99,999", 99_999, False),
        ("1,234,567", 1_234_567, False),
        ("1.2K", 1200, True),
        ("13K", 13_000, True),
        ("123K", 123_000, True),
        ("3.6M", 3_600_000, True),
        ("61.7M", 61_700_000, True),
        ("1B", 10**9, True),
        ("1.2k", 1200, True),
        (" 12\u00a0K ", 12_000, True),
    ],
)
def test_english_counts(text: str, value: int, approximate: bool) -> None:
    assert parse_count(text) == Number(value, approximate, text.replace("\u00a0", " ").strip())


@pytest.mark.parametrize("text", ["", "   ", None])
def test_nothing_is_unknown(text: str | None) -> None:
    assert parse_count(text) is None


@pytest.mark.parametrize(
    "text",
    ["1.234", "1,23", "12,3456", "1,2K", "K", "-5", "1e3", "4 replies", "1.2.3K", "\u0661\u0662x", "9" * 20, "12 mil"],
)
def test_junk_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        parse_count(text)


@pytest.mark.parametrize("text", ["1.234", "1,2 mil", "3,4\u00a0Mio.", "1,2K", "3\u4e07"])
def test_other_languages_are_not_guessed(text: str) -> None:
    with pytest.raises(UnsupportedLocale):
        parse_count(text, "de")


def test_languages() -> None:
    assert [is_english(lang) for lang in ("en", "en-GB", "EN_us", "de", "", None, "eng")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("label", "value"),
    [("143 Likes. Like", 143), ("41589 Mal angezeigt", 41589), ("7\u4ef6\u306e\u3044\u3044\u306d", 7), ("Like", None), ("1.234 Mal", None), ("1,2 mil", None), (None, None)],
)  # fmt: skip
def test_the_integer_a_button_begins_with(label: str | None, value: int | None) -> None:
    assert leading_integer(label) == value


def test_a_group_label() -> None:
    label = "7 replies, 6 reposts, Reposted, 143 likes, Liked, Bookmarked, 396 bookmarks, 41589 views"
    assert parse_group_label(label) == {
        "replies": 7,
        "retweets": 6,
        "likes": 143,
        "bookmarks": 396,
        "impressions": 41589,
    }
    assert parse_group_label("1 reply, 1 repost, 1 like, 1 bookmark, 1 view") == dict.fromkeys(
        ("replies", "retweets", "likes", "bookmarks", "impressions"), 1
    )
    assert parse_group_label("") == {}


@pytest.mark.parametrize("label", ["7 hugs", "seven replies", "7 replies, 8 replies", "1,234 likes"])
def test_a_strange_label_is_refused_whole(label: str) -> None:
    with pytest.raises(NumberError):
        parse_group_label(label)


def test_a_label_in_another_language_is_refused() -> None:
    with pytest.raises(UnsupportedLocale):
        parse_group_label("7 Antworten", "de")


@given(st.integers(0, 10**9))
def test_full_and_grouped_forms_read_back(value: int) -> None:
    assert parse_count(str(value)) == Number(value, False, str(value))
    assert parse_count(f"{value:,}") == Number(value, False, f"{value:,}")


@given(st.text(max_size=20))
def test_any_text_is_a_count_nothing_or_an_error(text: str) -> None:
    try:
        found = parse_count(text)
    except NumberError:
        return
    assert found is None or found.value >= 0
