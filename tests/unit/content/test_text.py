"""Text: what counts as the same, and what hides."""

from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.content import text


def test_case_spacing_punctuation_and_links_make_no_new_text() -> None:
    one = text.content_hash("Read ten pages, then sleep. https://example.com/a")
    assert one == text.content_hash("READ  ten pages\u00a0then sleep!")
    assert one != text.content_hash("Read nine pages, then sleep.")
    assert one.startswith("sha256:")
    assert text.content_hash("https://a.example/1") != text.content_hash("https://a.example/2")


@given(st.text(max_size=200))
def test_every_text_has_a_hash_and_tidying_is_stable(raw: str) -> None:
    assert len(text.content_hash(raw)) == 71
    once = text.tidy(raw)
    assert text.tidy(once) == once
    assert text.fold(text.fold(raw)) == text.fold(raw)


def test_look_alikes_read_as_the_letters_they_imitate() -> None:
    assert text.skeleton("Ѕhоp ｆｕｌｌ 𝐛𝐨𝐥𝐝 café") == "shop full bold cafe"


def test_hidden_characters_are_counted_but_emoji_joiners_are_not() -> None:
    assert text.invisible_characters("a\u200bb\ufeffc") == 2
    assert text.invisible_characters("a\u200db") == 1
    assert text.invisible_characters("family 👨‍👩‍👧, flag 🏳️‍🌈") == 0
    assert text.without_invisible("a\u200bb\u202ec\x07") == "abc"
    assert text.control_characters("a\tb\nc\r\nd") == 0
    assert text.control_characters("a\x00b\x1bc") == 2
