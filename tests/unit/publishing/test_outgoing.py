import pytest

from xbot_dagster.domain.publishing.outgoing import complaint


@pytest.mark.parametrize(
    ("kind", "parts", "words"),
    [
        ("single", [""], "empty"),
        ("single", ["  \n\u00a0"], "empty"),
        ("single", ["x" * 281], "281"),
        ("single", ["字" * 141], "282"),
        ("single", ["https://example.com/only/this"], "nothing but an address"),
        ("single", ["a\x00b"], "control"),
        ("single", ["a\ud83d"], "surrogate"),
        ("single", ["a", "b"], "one text"),
        ("thread", ["only one"], "2 to 25"),
        ("thread", ["first", "  "], "part 2: the text is empty"),
        ("thread", ["the same", "the  same"], "say the same"),
        ("reply", ["Thank you!"], "needs the id"),
    ],
)
def test_what_can_never_be_published_is_said_in_one_sentence(kind, parts, words):
    found = complaint(kind, parts)
    assert found is not None
    assert words in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("kind", "parts", "target"),
    [
        ("single", ["x" * 280], None),
        ("single", ["字" * 140], None),
        ("single", ["Read this: https://example.com/" + "a" * 300], None),
        ("single", ["Tabs\tand\nlines are fine 👩‍👩‍👧‍👦"], None),
        ("thread", ["first", "second"], None),
        ("reply", ["Thank you!"], "1212092628029698048"),
    ],
)
def test_what_x_would_take_passes(kind, parts, target):
    assert complaint(kind, parts, target) is None
