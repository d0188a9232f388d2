"""Hook patterns: precision on the labelled sample, order of the rules, odd input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.content.hooks import HOOK_PATTERNS, hook_pattern, opening

from .hook_sample import HELD_OUT, TUNING

MIN_PRECISION = 0.95
MIN_RECALL = {"did-you-know": 0.8, "new-study": 0.8, "question": 0.95, "contrarian": 0.7, "cta": 0.9, "none": 0.95}


def test_sample_is_large_balanced_and_without_repeats():
    texts = [text for _, text in TUNING + HELD_OUT]
    assert len(texts) >= 150
    assert len(set(texts)) == len(texts)
    for label in HOOK_PATTERNS:
        assert sum(1 for given_label, _ in HELD_OUT if given_label == label) >= 12


@pytest.mark.parametrize("label", [label for label in HOOK_PATTERNS if label != "none"])
@pytest.mark.parametrize("sample", [TUNING, HELD_OUT], ids=["tuning", "held_out"])
def test_precision_of_each_hook(sample, label):
    predicted = [truth for truth, text in sample if hook_pattern(text) == label]
    assert predicted, f"no text was labelled {label}"
    assert sum(truth == label for truth in predicted) / len(predicted) >= MIN_PRECISION


@pytest.mark.parametrize("label", HOOK_PATTERNS)
def test_recall_of_each_hook_on_held_out(label):
    own = [text for truth, text in HELD_OUT if truth == label]
    assert sum(hook_pattern(text) == label for text in own) / len(own) >= MIN_RECALL[label]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Did you know a new study shows naps help?", "did-you-know"),
        ("A new study shows naps help. Do you nap?", "new-study"),
        ("Do you nap? Reply with your answer below.", "question"),
        ("Naps help. What do you do? Reply with your answer below.", "cta"),
        ("@anna https://example.com/x did you know this exists?", "did-you-know"),
        ("I had to sign the form to learn more about the flat.", "none"),
        ("A new column of data appears after the import.", "none"),
        ("", "none"),
        ("   \n ", "none"),
        ("https://example.com", "none"),
        ("🔥🔥🔥", "none"),
    ],
)
def test_order_of_rules_and_near_misses(text, label):
    assert hook_pattern(text) == label


def test_curly_and_straight_apostrophes_are_the_same():
    assert hook_pattern("You don’t need luck. You need sleep.") == hook_pattern("You don't need luck. You need sleep.")


def test_opening_drops_mentions_links_and_labels():
    assert opening("@anna 1/ Friday thought: sleep is free. Use it.") == "sleep is free."


@given(st.text(max_size=400))
def test_any_text_gets_one_of_the_labels(text):
    assert hook_pattern(text) in HOOK_PATTERNS
