import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.publishing.fingerprint import (
    fingerprint,
    is_tweet_id,
    normalised,
    plausible_id,
    snowflake_time,
)


def test_an_id_tells_its_birth():
    # The id of a public post whose creation time X documents (2013-05-03T15:05:58Z in its snowflake announcement's era).
    assert snowflake_time("1212092628029698048") == datetime(2019, 12, 31, 19, 26, 16, 771000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["", "12345", "1636400000000x00", "１２３４５６７８９０１２３４５６", None, 1212092628029698048, "9" * 21]
)
def test_only_digits_of_the_right_number_are_ids(value):
    assert not is_tweet_id(value)


def test_a_timestamp_stored_as_an_id_is_not_plausible():
    now = datetime(2026, 11, 8, 12, tzinfo=UTC)
    assert not plausible_id(str(int(now.timestamp() * 1000)), now)
    assert not plausible_id(str(int(now.timestamp() * 1_000_000)), now)


@pytest.mark.parametrize(("seconds", "expected"), [(-61, False), (-59, True), (0, True), (599, True), (601, False)])
def test_an_id_is_born_around_its_submit(seconds, expected):
    armed = datetime(2026, 11, 8, 12, tzinfo=UTC)
    born = int((armed + timedelta(seconds=seconds)).timestamp() * 1000 - 1288834974657) << 22
    assert plausible_id(str(born), armed) is expected


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("See https://example.com/a/very/long/path?x=1 for more", "See example.com/a/very/long/pa… for more"),
        ("See https://example.com.", "See example.com."),
        ("Tea\u00a0time", "Tea time"),
        ("One\n\ntwo  three ", "One two three"),
        ("cafe\u0301", "café"),
        ("Start small.", "@a_reader Start small."),
    ],
)
def test_what_the_site_changes_does_not_change_the_fingerprint(written, shown):
    assert fingerprint(written) == fingerprint(shown)


@pytest.mark.parametrize(("one", "other"), [("Walk 20 minutes", "Walk 25 minutes"), ("walk", "Walk"), ("a", "a!")])
def test_other_words_are_another_post(one, other):
    assert fingerprint(one) != fingerprint(other)


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    once = normalised(text)
    assert normalised(once) == once
    assert fingerprint(unicodedata.normalize("NFD", text)) == fingerprint(text)
