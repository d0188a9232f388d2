"""The writer's contract on answers as models really give them (incident 21)."""

import json

import pytest

from xbot_dagster.domain.content.brief import Brief
from xbot_dagster.domain.content.drafts import Readable, Unreadable, read

BRIEF = Brief("sleep", "how_to", "none", "naps", drafts=3)
THREAD = Brief("sleep", "how_to", "none", "naps", drafts=2, parts=3)


def answer(*drafts: object) -> str:
    return json.dumps({"drafts": [draft if isinstance(draft, dict) else {"parts": [draft]} for draft in drafts]})


def test_a_good_answer_is_kept_in_order() -> None:
    result = read(answer("First text here.", "Second text here."), BRIEF)
    assert result == Readable((("First text here.",), ("Second text here.",)))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "empty"),
        ("", "empty"),
        ("  \n", "empty"),
        ("Here are your drafts: ...", "not JSON"),
        ("I'm sorry, but I can't help with that.", "a refusal"),
        ('{"drafts": [', "not JSON"),
        ("[]", 'no list "drafts"'),
        ('{"drafts": []}', 'no list "drafts"'),
        ('{"drafts": "text"}', 'no list "drafts"'),
        ('{"posts": ["a"]}', 'no list "drafts"'),
        ("null", 'no list "drafts"'),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_an_answer_that_is_not_the_promised_json(raw: str | None, reason: str) -> None:
    result = read(raw, BRIEF)
    assert isinstance(result, Unreadable)
    assert reason in result.reason


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        ("x" * 281, "281 characters, 280 allowed"),
        ("日" * 141, "282 characters"),
        ("x" * 100_000, "100000 characters"),
        ("", "empty"),
        ({"parts": ["a", "b"]}, "2 parts instead of 1"),
        ({"parts": []}, "0 parts"),
        ({"parts": [1]}, "list of strings"),
        ({"text": "a"}, "list of strings"),
        ('{"parts": ["nested"]}', "JSON, not text"),
    ],
)
def test_a_draft_that_cannot_be_posted_is_rejected_with_its_reason(draft: object, reason: str) -> None:
    result = read(answer("A fine text.", draft), BRIEF)
    assert isinstance(result, Readable)
    assert result.drafts == (("A fine text.",),)
    assert reason in result.rejected[0].reason


def test_drafts_that_are_strings_break_the_schema() -> None:
    result = read(json.dumps({"drafts": ["just a string"]}), BRIEF)
    assert isinstance(result, Readable)
    assert result.drafts == ()


def test_fences_and_quotes_around_everything_are_taken_off() -> None:
    assert read(f"```json\n{answer('Text one.')}\n```", BRIEF) == Readable((("Text one.",),))
    assert read(answer('"A quoted post."', "“Another one.”", 'He said "no" and left.'), BRIEF) == Readable(
        (("A quoted post.",), ("Another one.",), ('He said "no" and left.',))
    )


def test_repeated_and_surplus_drafts() -> None:
    result = read(answer("Same text.", "same TEXT", "Other.", "Third.", "Fourth."), BRIEF)
    assert isinstance(result, Readable)
    assert [parts[0] for parts in result.drafts] == ["Same text.", "Other.", "Third."]
    assert result.rejected[0].reason == "it repeats another draft"


def test_threads_have_all_their_parts() -> None:
    result = read(answer({"parts": ["One.", "Two.", "Three."]}, {"parts": ["One.", "", "Three."]}), THREAD)
    assert isinstance(result, Readable)
    assert result.drafts == (("One.", "Two.", "Three."),)
    assert result.rejected[0].reason == "part 2 is empty"
