"""X's own analytics exports (two generations) and this project's, as rows. Bytes in, rows and reasons out; no files here.

Refused as a whole (`ExportError`): what is not such an export, is cut off, or mixes formats. Refused row by row, with a
reason: what cannot be true of a post.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

from xbot_dagster.domain.measuring.cells import bare_text
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.ids import created_at
from xbot_dagster.errors import UserError

Format = Literal["classic", "content", "xbot"]
MATURE_AFTER = timedelta(hours=48)  # before that the counts of an export are still growing
_ID = re.compile(r"\d{15,20}")
_PERMALINK = re.compile(
    r"https?://(?:www\.|mobile\.)?(?:x|twitter)\.com/([A-Za-z0-9_]{1,20})(?:/web)?/status(?:es)?/(\d{15,20})"
)
_NUMBER = re.compile(r"\d+(?:\.0+)?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.0+)?")
_ABSENT = {"", "-", "\u2013", "\u2014"}
_ABSURD = 10**11
_SLACK_DAYS = timedelta(days=2)  # a date may be in another zone than the id's UTC
_FIELD_LIMIT = 1_000_000
_NAME_DATES = re.compile(r"(\d{4})[-_]?(\d{2})[-_]?(\d{2})")
_COLUMNS: dict[Format, dict[str, str]] = {
    "classic": {
        "tweet_id": "Tweet id",
        "link": "Tweet permalink",
        "text": "Tweet text",
        "date": "time",
        "impressions": "impressions",
        "engagements": "engagements",
        "retweets": "retweets",
        "replies": "replies",
        "likes": "likes",
        "profile_visits": "user profile clicks",
        "link_clicks": "url clicks",
        "follows": "follows",
        "promoted": "promoted impressions",
    },
    "content": {
        "tweet_id": "Post id",
        "date": "Date",
        "text": "Post text",
        "link": "Link",
        "impressions": "Impressions",
        "likes": "Likes",
        "engagements": "Engagements",
        "bookmarks": "Bookmarks",
        "follows": "New follows",
        "replies": "Replies",
        "retweets": "Reposts",
        "profile_visits": "Profile visits",
        "link_clicks": "Url clicks",
    },
    "xbot": {
        "tweet_id": "tweet_id",
        "date": "posted_at",
        "text": "text",
        "link": "link",
        "impressions": "impressions",
        "engagements": "engagements",
        "likes": "likes",
        "retweets": "retweets",
        "replies": "replies",
        "quotes": "quotes",
        "bookmarks": "bookmarks",
        "profile_visits": "profile_visits",
        "link_clicks": "link_clicks",
        "follows": "follows",
        "observed_age_s": "observed_age_s",
        "collected_pass": "collected_pass",
    },
}
_NEEDED = ("tweet_id", "text", "date", "impressions")
_COUNTS = tuple(name for name in Counts.__dataclass_fields__)


class ExportError(UserError):
    """A file that cannot be imported as a whole."""


@dataclass(frozen=True)
class ExportRow:
    """One post of an export. `handle` None where the file does not say.

    `observed_age_s` and `collected_pass` are there only in this project's own format."""

    tweet_id: str
    handle: str | None
    text: str
    posted_at: datetime
    counts: Counts
    promoted: bool = False
    observed_age_s: float | None = None
    collected_pass: int | None = None


@dataclass
class Export:
    """A parsed file. `read` counts data rows; `skipped` rows by reason; `repeated` further rows of a post already seen."""

    format: Format
    rows: list[ExportRow] = field(default_factory=list)
    read: int = 0
    repeated: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def handles(self) -> Counter[str]:
        """Who wrote the posts, lower case, with how many."""
        return Counter(row.handle.lower() for row in self.rows if row.handle)


class _Skip(Exception):
    """Why one row is left out."""


def parse(content: bytes) -> Export:
    """Read one file. Raises ExportError, with a hint, when it is not an export that can be imported whole."""
    reader = _records(decode(content))
    header = next(reader, None)
    if header is None:
        raise ExportError("The file is empty.", "Export the analytics again.")
    kind = _format_of(header)
    columns = {name: header.index(title) for name, title in _COLUMNS[kind].items() if title in header}
    export = Export(kind)
    seen: dict[str, int] = {}
    for record in reader:
        if record == header:
            continue
        if _is_other_header(record, kind):
            raise ExportError("The file mixes two kinds of exports.", "Import each export as a file of its own.")
        export.read += 1
        try:
            row = _row(record, header, columns, kind)
        except _Skip as skip:
            export.skipped[str(skip)] += 1
            continue
        if row.tweet_id in seen:
            export.repeated += 1
            export.rows[seen[row.tweet_id]] = row
            continue
        seen[row.tweet_id] = len(export.rows)
        export.rows.append(row)
    return export


def owner(content: bytes) -> str | None:
    """The handle in the links of a file; None when it has none. Raises ExportError as `parse` does, as far as it reads."""
    reader = _records(decode(content))
    header = next(reader, [])
    kind = _format_of(header)
    link = header.index(_COLUMNS[kind]["link"]) if _COLUMNS[kind]["link"] in header else len(header)
    cells = (record[link].strip() for record in reader if len(record) > link)
    return next((handle for cell in cells if (handle := _handle(_PERMALINK.match(cell)))), None)


def decode(content: bytes) -> str:
    """The text of a file: UTF-8 or UTF-16, with or without a mark. Raises ExportError for what is no text."""
    if content.startswith(b"PK\x03\x04"):
        raise ExportError(
            "The file is a spreadsheet or an archive, not CSV.", "Unpack it, or save the sheet as CSV (UTF-8)."
        )
    if content.startswith(b"PAR1"):
        raise ExportError("The file is Parquet, not CSV.", "Export it as CSV.")
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ExportError(
            f"The file is not UTF-8 text (byte {error.start}).", "Export it again, or save it as CSV UTF-8."
        ) from None
    if "\x00" in text:
        raise ExportError("The file holds zero bytes: it is not CSV.", "Export the analytics again.")
    if text.lstrip()[:1] in ("<", "{", "["):
        raise ExportError("The file is a web page or JSON, not CSV.", "Download the export itself.")
    return text


def export_end(name: str, newest: datetime, now: datetime) -> datetime:
    """When the counts of a file were read: the end of the period in its name, else its newest post; never after `now`."""
    dates = []
    for match in _NAME_DATES.finditer(name):
        try:
            dates.append(datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC))
        except ValueError:
            continue
    return min(now, max([newest, *dates[1:]]))


def _records(text: str) -> Iterator[list[str]]:
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                yield record
    except csv.Error as error:
        reason = "ends in the middle of a row" if "unexpected end" in str(error) else f"cannot be read as CSV ({error})"
        raise ExportError(
            f"The file {reason}, line {reader.line_num}.", "Export it again; nothing of it was imported."
        ) from None


def _format_of(header: list[str]) -> Format:
    titles = {cell.strip() for cell in header}
    best: Format = max(_COLUMNS, key=lambda kind: sum(title in titles for title in _COLUMNS[kind].values()))
    missing = [_COLUMNS[best][name] for name in _NEEDED if _COLUMNS[best][name] not in titles]
    if not missing:
        return best
    if len(missing) == len(_NEEDED):
        shown = ", ".join(header[:4])[:80]
        raise ExportError(
            f"The file is not an analytics export of posts: its columns are {shown} …",
            "Export the posts (content) with X's language set to English.",
        )
    raise ExportError(f"The export lacks the column '{missing[0]}'.", "Export it again with all columns.")


def _is_other_header(record: list[str], kind: Format) -> bool:
    cells = {cell.strip() for cell in record}
    return any({_COLUMNS[other][name] for name in _NEEDED} <= cells for other in _COLUMNS if other != kind)


def _row(record: list[str], header: list[str], columns: dict[str, int], kind: Format) -> ExportRow:
    if len(record) != len(header):
        raise _Skip("the row has another number of cells than the header")
    cells = {name: record[index].strip() for name, index in columns.items()}
    text = bare_text(record[columns["text"]]) if kind == "xbot" else record[columns["text"]]
    link = _PERMALINK.match(cells.get("link", ""))
    tweet_id = _tweet_id(cells["tweet_id"], link[2] if link else None)
    try:
        from_id = created_at(tweet_id)
    except ValueError:
        raise _Skip("the id is out of range") from None
    posted_at = _posted_at(cells["date"], from_id)
    counts = Counts(**{name: _count(name, cells[name]) for name in _COUNTS if name in cells})
    if counts.impressions is None and counts.engagements is None and counts.likes is None:
        raise _Skip("no counts")
    promoted = bool(_count("promoted", cells.get("promoted", "")))
    number = cells.get("collected_pass", "")
    return ExportRow(
        tweet_id,
        _handle(link),
        text,
        posted_at,
        counts,
        promoted,
        _age(cells.get("observed_age_s", "")),
        int(number) if number in ("1", "2") else None,
    )


def _handle(link: re.Match[str] | None) -> str | None:
    return link[1] if link and link[1].lower() not in ("i", "web") else None


def _tweet_id(cell: str, from_link: str | None) -> str:
    cell = cell.strip("'\"")
    if _ID.fullmatch(cell):
        if from_link is not None and from_link != cell:
            raise _Skip("the id and the link name different posts")
        return cell
    if from_link is not None:
        return from_link  # a spreadsheet rounded the id; the link still has it
    raise _Skip("the id lost its digits in a spreadsheet" if re.search(r"[eE]\+", cell) else "the id is not a post id")


def _posted_at(cell: str, from_id: datetime) -> datetime:
    """The time of the id, which is exact; the written date only has to agree with it."""
    written = _written(cell)
    if written is None:
        raise _Skip("the date cannot be read")
    if abs(written - from_id) > _SLACK_DAYS:
        raise _Skip("the id and the date disagree")
    return from_id


@lru_cache(maxsize=4096)  # a day stands in the file as often as there are posts of it
def _written(cell: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(cell.replace(" +", "+"))
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        pass
    for pattern in ("%a %b %d %Y %z", "%a, %b %d, %Y %z"):
        try:
            return datetime.strptime(f"{cell} +0000", pattern).astimezone(UTC)
        except ValueError:
            continue
    return None


def _count(name: str, cell: str) -> int | None:
    if cell in _ABSENT:
        return None
    plain = cell.replace(",", "") if _GROUPED.fullmatch(cell) else cell
    if plain.startswith("-") and _NUMBER.fullmatch(plain[1:]):
        if name == "follows":
            return int(float(plain))
        raise _Skip(f"{name} is negative")
    if not _NUMBER.fullmatch(plain):
        raise _Skip(f"{name} is not a whole number")
    value = int(plain.split(".")[0])
    if value > _ABSURD:
        raise _Skip(f"{name} is absurd")
    return value


def _age(cell: str) -> float | None:
    try:
        return max(0.0, float(cell)) if cell else None
    except ValueError:
        raise _Skip("observed_age_s is not a number") from None
