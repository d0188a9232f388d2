"""Reading X's analytics exports: what is accepted, what is left out with a reason, what is refused as a whole."""

import contextlib
import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbot_dagster.domain.measuring import exports
from xbot_dagster.domain.measuring.cells import bare_text, safe_text
from xbot_dagster.domain.measuring.exports import ExportError, parse

CLASSIC = [
    "Tweet id", "Tweet permalink", "Tweet text", "time", "impressions", "engagements", "engagement rate", "retweets", "replies",
    "likes", "user profile clicks", "url clicks", "hashtag clicks", "detail expands", "permalink clicks", "follows",
    "promoted impressions", "promoted engagements",
]  # fmt: skip
CONTENT = [
    "Post id", "Date", "Post text", "Link", "Impressions", "Likes", "Engagements", "Bookmarks", "Share", "New follows", "Replies",
    "Reposts", "Profile visits", "Detail expands", "Url clicks", "Hashtag clicks", "Permalink clicks",
]  # fmt: skip


def tweet_id(moment: datetime, serial: int = 1) -> str:
    return str((int(moment.timestamp() * 1000) - 1288834974657) << 22 | serial)


NOON = datetime(2025, 2, 3, 12, 34, 56, 789000, tzinfo=UTC)
ID = tweet_id(NOON)


def classic(**cells: str) -> list[str]:
    values = {
        "Tweet id": ID, "Tweet permalink": f"https://twitter.com/nightowl/status/{ID}", "Tweet text": "Sleep well", "time": "2025-02-03 12:34 +0000",
        "impressions": "215.0", "engagements": "4.0", "engagement rate": "0.0186", "retweets": "1.0", "replies": "0.0", "likes": "2.0",
        "user profile clicks": "1.0", "url clicks": "0.0", "follows": "0", "promoted impressions": "-", **cells,
    }  # fmt: skip
    return [values.get(name, "0") for name in CLASSIC]


def content(**cells: str) -> list[str]:
    values = {
        "Post id": ID, "Date": "Mon Feb 03 2025", "Post text": "Sleep well", "Link": f"https://x.com/nightowl/status/{ID}",
        "Impressions": "1,215", "Likes": "12", "Engagements": "40", "Bookmarks": "3", "New follows": "2", "Replies": "1", "Reposts": "4",
        "Profile visits": "9", "Url clicks": "5", **cells,
    }  # fmt: skip
    return [values.get(name, "0") for name in CONTENT]


def table(header: list[str], *rows: list[str], delimiter: str = ",", quoting: int = csv.QUOTE_ALL) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows([header, *rows])
    return out.getvalue().encode()


def test_a_classic_row_with_mark_decimals_and_promoted_dashes() -> None:
    found = parse(b"\xef\xbb\xbf" + table(CLASSIC, classic()))
    assert (found.format, found.read, found.skipped) == ("classic", 1, {})
    [row] = found.rows
    assert (row.tweet_id, row.handle, row.text, row.promoted) == (ID, "nightowl", "Sleep well", False)
    assert row.posted_at == NOON
    assert row.counts == exports.Counts(215, 4, 2, 1, 0, None, None, 1, 0, 0)


def test_a_content_row_takes_its_time_from_the_id() -> None:
    [row] = parse(table(CONTENT, content())).rows
    assert row.posted_at == NOON
    assert row.counts == exports.Counts(1215, 40, 12, 4, 1, None, 3, 9, 5, 2)


def test_promoted_counts_are_noticed_and_left_out() -> None:
    [row] = parse(table(CLASSIC, classic(**{"promoted impressions": "5000"}))).rows
    assert (row.promoted, row.counts.impressions) == (True, 215)


def test_dashes_and_empty_cells_are_unknown_not_zero() -> None:
    [row] = parse(table(CONTENT, content(**{"Likes": "-", "New follows": "", "Bookmarks": "\u2014"}))).rows
    assert (row.counts.likes, row.counts.follows, row.counts.bookmarks) == (None, None, None)


def test_texts_span_lines_and_hold_quotes_and_separators() -> None:
    words = 'Line one, with "quotes"\n\nline; three\t…'
    assert parse(table(CONTENT, content(**{"Post text": words}))).rows[0].text == words


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_separators_of_spreadsheets_are_recognised(delimiter: str) -> None:
    assert len(parse(table(CONTENT, content(), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL)).rows) == 1


def test_utf_16_is_read() -> None:
    text = table(CONTENT, content(**{"Post text": "Schlaf gut \u2713"})).decode()
    assert parse(text.encode("utf-16")).rows[0].text == "Schlaf gut \u2713"


def test_an_id_rounded_by_a_spreadsheet_is_taken_from_the_link() -> None:
    assert parse(table(CONTENT, content(**{"Post id": "1.88639E+18"}))).rows[0].tweet_id == ID
    assert parse(table(CONTENT, content(**{"Post id": "1.88639E+18", "Link": ""}))).skipped == {
        "the id lost its digits in a spreadsheet": 1
    }


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Impressions": "-5"}, "impressions is negative"),
        ({"Likes": "many"}, "likes is not a whole number"),
        ({"Likes": "1.5"}, "likes is not a whole number"),
        ({"Likes": "=1+1"}, "likes is not a whole number"),
        ({"Impressions": "9" * 15}, "impressions is absurd"),
        ({"Post id": "12345", "Link": ""}, "the id is not a post id"),
        ({"Post id": "9" * 20, "Link": ""}, "the id is out of range"),
        ({"Post id": tweet_id(NOON, 2)}, "the id and the link name different posts"),
        ({"Date": "Mon Feb 10 2025"}, "the id and the date disagree"),
        ({"Date": "03.02.2025"}, "the date cannot be read"),
        ({"Impressions": "-", "Likes": "-", "Engagements": "-"}, "no counts"),
    ],
)
def test_rows_that_cannot_be_true_are_left_out_with_the_reason(cells: dict[str, str], reason: str) -> None:
    found = parse(table(CONTENT, content(**cells), content(**{"Post id": tweet_id(NOON, 7), "Link": ""})))
    assert found.skipped == {reason: 1}
    assert len(found.rows) == 1


def test_a_row_with_another_number_of_cells_is_left_out() -> None:
    found = parse(table(CONTENT, content(), content()[:-3]))
    assert found.skipped == {"the row has another number of cells than the header": 1}


def test_a_post_listed_twice_counts_once_and_the_later_line_wins() -> None:
    found = parse(table(CONTENT, content(), content(Impressions="1,300")))
    assert (found.read, found.repeated, [row.counts.impressions for row in found.rows]) == (2, 1, [1300])


def test_files_joined_by_hand_repeat_their_header() -> None:
    other = content(**{"Post id": tweet_id(NOON, 2), "Link": ""})
    assert len(parse(table(CONTENT, content()) + table(CONTENT, other)).rows) == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"PAR1", "Parquet"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b'[{"id": 1}]', "web page or JSON"),
        (b"\xff\xfe\xfa", "not UTF-8|cannot|zero|empty|not an analytics"),
        (b"caf\xe9,x\n", "not UTF-8"),
        (b"a,b\x00c\n", "zero bytes"),
        (b"Date,Impressions,New follows\n2025-01-01,5,1\n", "lacks the column|not an analytics export"),
        (b"name,age\nx,1\n", "not an analytics export of posts"),
        (table(CONTENT, content())[:-40], "ends in the middle of a row"),
        (table(CONTENT, content()) + table(CLASSIC, classic()), "mixes two kinds"),
        (table([c for c in CONTENT if c != "Impressions"], content()), "lacks the column 'Impressions'"),
        (table(CONTENT, content(**{"Post text": "x" * 1_000_001})), "cannot be read as CSV"),
    ],
)
def test_unusable_files_are_refused_whole_with_a_hint(data: bytes, says: str) -> None:
    with pytest.raises(ExportError, match=says) as caught:
        parse(data)
    assert caught.value.hint


def test_the_end_of_a_file_is_in_its_name_or_its_newest_post_never_later_than_now() -> None:
    newest, now = datetime(2025, 1, 30, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
    classic_name = "tweet_activity_metrics_nightowl_20250101_20250201_en.csv"
    assert exports.export_end(classic_name, newest, now) == datetime(2025, 2, 1, tzinfo=UTC)
    assert exports.export_end("account_analytics_content_2025-01-01_2025-02-01.csv", newest, now) == datetime(
        2025, 2, 1, tzinfo=UTC
    )
    assert exports.export_end("posts.csv", newest, now) == newest
    assert exports.export_end(classic_name, newest, datetime(2025, 1, 31, tzinfo=UTC)) == datetime(
        2025, 1, 31, tzinfo=UTC
    )
    assert exports.export_end("20259999_20251399.csv", newest, now) == newest


@given(st.text(max_size=50))
def test_cells_made_safe_come_back_unchanged(text: str) -> None:
    assert bare_text(safe_text(text)) == text
    assert not safe_text(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_never_crash(data: bytes) -> None:
    with contextlib.suppress(ExportError):
        parse(data)


@given(st.lists(st.lists(st.text(max_size=12), min_size=17, max_size=17), max_size=4))
def test_any_cells_under_a_right_header_are_rows_or_reasons(rows: list[list[str]]) -> None:
    try:
        found = parse(table(CONTENT, *rows))
    except ExportError:
        return
    assert len(found.rows) + found.repeated + sum(found.skipped.values()) == found.read
