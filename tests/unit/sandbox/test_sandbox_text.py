"""Folding, fingerprints, X's weighted length, ids and vectors."""

import json

import numpy as np
import pytest

from xbot_dagster.sandbox import ngrams, snowflake
from xbot_dagster.sandbox.text import fingerprint, fold, has_url, hashtags, recognition_key, weighted_length
from xbot_dagster.sandbox.writer.brief import Brief, find


def test_spacing_and_composition_do_not_change_a_fingerprint() -> None:
    assert fingerprint("Caf\u00e9  and\u00a0tea\n") == fingerprint("Cafe\u0301 and tea")
    assert fingerprint("Tea") != fingerprint("tea")
    assert fold(" a \n\n b ") == "a b"


def test_recognition_survives_a_hashtag_a_link_and_other_dashes() -> None:
    written = "I used to negotiate \u2013 now I walk."
    assert recognition_key(written) == recognition_key(
        "I used to negotiate - now I walk. #smallhabits https://a.example"
    )
    assert recognition_key(written) != recognition_key("I used to negotiate, then I walked.")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("hello", 5),
        ("\u65e5\u672c", 4),
        ("\U0001f44d", 2),
        ("a" * 281, 281),
        ("see https://example.com/a/very/long/path/that/goes/on/and/on", 27),
        ("x" * 200 + " \u2026", 203),
        ("\u2610 list \u2713 done", 15),
        ("family \U0001f468\u200d\U0001f469\u200d\U0001f467 here", 14),
    ],
)
def test_weighted_length(text: str, length: int) -> None:
    assert weighted_length(text) == length


def test_links_and_hashtags_are_found() -> None:
    assert has_url("look: https://a.example/x")
    assert not has_url("no link here")
    assert hashtags("#one and #two, but not &#39; or #123") == 2


def test_ids_grow_also_when_the_clock_stands_or_runs_backwards() -> None:
    now, last, seen = 1_794_000_000_000, 0, []
    for step in (0, 0, 1, -5000, 0, 60_000):
        now += step
        last = snowflake.next_id(now, last)
        seen.append(last)
    assert seen == sorted(set(seen))
    assert snowflake.created_ms(seen[0]) == 1_794_000_000_000
    assert snowflake.created_ms(seen[-1]) == now


def test_a_full_millisecond_spills_into_the_next() -> None:
    first = snowflake.next_id(1_794_000_000_000, 0)
    full = first | 0xFFF
    following = snowflake.next_id(1_794_000_000_000, full)
    assert following > full
    assert snowflake.created_ms(following) == 1_794_000_000_001


def test_similar_texts_have_similar_vectors() -> None:
    one = "Pick one wake-up time and keep it for two weeks, Saturdays included."
    near = "Pick one wake-up time and keep it for two weeks, Sundays included."
    far = "Chop everything before the pan is hot."
    cosine = lambda a, b: float(ngrams.vector(a, 1536) @ ngrams.vector(b, 1536))  # noqa: E731
    assert cosine(one, near) > 0.85
    assert cosine(one, far) < 0.3
    assert np.linalg.norm(ngrams.vector("\u2026")) == pytest.approx(1)


def test_the_last_readable_brief_of_a_prompt_counts() -> None:
    prompt = (
        'First:\n```brief\n{"topic": "sleep"}\n```\nThe answer was bad. Again:\n'
        '```brief\n{"topic": "Home cooking", "style": "story", "hook": "shouting", "drafts": 99, "parts": "x"}\n```\n'
        "```brief\n{broken\n```"
    )
    assert find(prompt) == Brief(topic="home-cooking", style="story", hook="none", drafts=20, parts=1)
    assert find("no order at all") is None


def test_a_hashtag_needs_a_rule_and_room() -> None:
    def order(rules: str, most: int) -> Brief | None:
        given = json.dumps({"topic": "sleep", "max_hashtags": most, "rules": [rules]})
        return find(f"```brief\n{given}\n```")

    asked = [
        order("Use exactly one hashtag.", 1),
        order("Use exactly one hashtag.", 0),
        order("Write with no hashtags.", 3),
    ]
    assert [brief.hashtag for brief in asked if brief] == [True, False, False]
