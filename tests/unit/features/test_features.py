"""Post features: hand-computed values, time zones, and the weighted length against twitter-text itself."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twitter_text import parse_tweet
from twitter_text.regexp.emoji import emoji, emoji_list
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from xbot_dagster.domain.measuring.features import (
    FEATURE_VERSION,
    ReplyTarget,
    UnknownZone,
    extract,
    readability,
    tweet_velocity,
)
from xbot_dagster.domain.measuring.sentiment import sentiment
from xbot_dagster.domain.measuring.weighted_length import emoji_count, url_spans, weighted_length

NOON = datetime(2024, 7, 3, 22, 30, tzinfo=UTC)  # a Wednesday; Thursday 00:30 in Berlin

PIECES = st.sampled_from(
    [
        "a",
        " ",
        ".",
        "7",
        "#",
        "*",
        "️",
        "⃣",
        "‍",
        "é",
        "é",
        "日",
        "本",
        "\n",
        "\r",
        "\r\n",
        "“",
        "—",
        "…",
        "ᄀ",
        "👩‍💻",
        "🇩🇪",
        "👍🏽",
        "1️⃣",
        "❤️",
        "©",
        "example.com ",
        "https://t.co/abc ",
        " http://münchen.de/ü?x=1 ",
        "co.uk",
        "@you",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_weighted_length_equals_the_library(text):
    assert weighted_length(text) == parse_tweet(text).weightedLength


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_weighted_length_equals_the_library_on_any_text(text):
    assert weighted_length(text) == parse_tweet(text).weightedLength


VADER = SentimentIntensityAnalyzer()
SPOKEN = st.sampled_from([
    "good", "BAD", "Great!", "no", "not", "never", "so", "this", "without", "doubt", "least", "at", "very", "kind", "of", "but", "",
    "hardly", "isn't", "the", "shit", "bus", "stop", "kiss", "death", "or", "nor", ":)", "ok,", "love", "hate!!!", "???", "😀", "💔👍",
    "yeah", "right", "sort", "ALL", "it's", "incredibly", "I",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(SPOKEN, max_size=12).map(" ".join))
def test_sentiment_equals_the_library(text):
    assert sentiment(text) == VADER.polarity_scores(text)["compound"]


def test_every_emoji_counts_as_in_the_library():
    pictures = [entry.emoji for entry in emoji_list]
    for first, second in zip(pictures[::7], pictures[3::7], strict=False):
        for text in (first + second, first + "1" + second, first[:-1] + second):
            assert emoji_count(text) == len(emoji.findall(text)), ascii(text)


def test_structure_is_counted():
    features = extract("Sleep 8h! 😀 Why?\n#Rest @anna example.com/a https://x.test/b", NOON, "UTC")
    assert features.feature_version == FEATURE_VERSION
    assert (features.urls, features.hashtags, features.mentions, features.emoji) == (1, 1, 1, 1)
    assert (features.question_marks, features.exclamation_marks, features.line_breaks, features.digits) == (1, 1, 1, 1)
    assert features.starts_with_mention is False


def test_link_only_and_reply_shape():
    assert extract("https://example.com/x", NOON, "UTC").link_only is True
    assert extract("@anna thanks", NOON, "UTC").starts_with_mention is True
    empty = extract("", NOON, "UTC")
    assert (empty.words, empty.sentences, empty.sentiment, empty.readability_score) == (0, 0, 0.0, 0.0)
    assert empty.link_only is False


def test_hour_and_weekday_are_those_of_the_account():
    berlin = extract("x", NOON, "Europe/Berlin")
    utc = extract("x", NOON, "UTC")
    assert (berlin.hour, berlin.weekday) == (0, 3)
    assert (utc.hour, utc.weekday) == (22, 2)
    assert berlin.hour_sin == pytest.approx(math.sin(2 * math.pi * 0.5 / 24))
    assert utc.weekday_cos == pytest.approx(math.cos(2 * math.pi * 2 / 7))


def test_readability_formulas_by_hand():
    # "The cat sat on the mat today." = 22 letters, 7 words, 1 sentence; made longer to leave the clipped range.
    ari, coleman_liau = readability(letters=60, words=10, sentences=1)
    assert ari == pytest.approx(4.71 * 6 + 0.5 * 10 - 21.43)
    assert coleman_liau == pytest.approx(0.0588 * 600 - 0.296 * 10 - 15.8)
    assert readability(0, 0, 0) == (0.0, 0.0)
    assert readability(900, 10, 1) == (20.0, 20.0)


def test_sentiment_sign_and_range():
    assert sentiment("I love this, it is wonderful!") > 0.5
    assert sentiment("This is a horrible, terrible failure.") < -0.5
    assert sentiment("The table is made of wood.") == 0


def test_reply_features_pass_through_and_stay_null():
    target = ReplyTarget(follower_count=1200, tweet_velocity=3.5, tweet_age_min=12.0)
    known = extract("x", NOON, "UTC", novelty=0.4, target=target)
    assert (known.follower_count, known.tweet_velocity, known.tweet_age_min, known.novelty) == (1200, 3.5, 12.0, 0.4)
    unknown = extract("x", NOON, "UTC")
    assert (unknown.follower_count, unknown.tweet_velocity, unknown.novelty) == (None, None, None)
    assert replace(known, follower_count=None, tweet_velocity=None, tweet_age_min=None, novelty=None) == unknown


def test_velocity():
    assert tweet_velocity(30, 10.0) == 3.0
    assert tweet_velocity(5, 0.2) == 5.0
    assert tweet_velocity(None, 10.0) is None
    assert tweet_velocity(5, None) is None


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "Europe"])
def test_unknown_zone_is_one_sentence(zone):
    with pytest.raises(UnknownZone, match="not a known time zone"):
        extract("x", NOON, zone)


def test_naive_time_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        extract("x", NOON.replace(tzinfo=None), "UTC")


def test_emoji_and_links():
    assert emoji_count("👩‍💻🇩🇪 1️⃣ 12 # plain") == 3
    assert url_spans("see example.com and https://x.org/a.") == ((4, 15), (20, 35))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_finite_features(text):
    row = extract(text, NOON, "America/New_York").as_dict()
    assert -1 <= row["sentiment"] <= 1
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
