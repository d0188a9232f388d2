"""How fast outcomes are stored, found when due, and imported, and posts described.

    python -m benchmarks.store --json

Prints `upsert_rows_per_s` (COPY into the staging table and the merge, as the collector does it), `copy_rows_per_s` (the same
rows by bare COPY into a table of the same shape without keys: the limit), `due_query_ms_10k` and `due_query_ms_1m` (median
of the due query with that many posted decisions in the table), `import_rows_per_s` (one X export of that many posts, from
the file to the last row) and `features_per_s` (posts described without embeddings).
"""

import argparse
import csv
import io
import logging
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.environment import print_result
from benchmarks.ground import HANDLE, database, plant, tweet_ids
from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.measuring.counts import Counts
from xbot_dagster.domain.measuring.derive import derive
from xbot_dagster.domain.measuring.features import extract
from xbot_dagster.stages import importing
from xbot_dagster.store import outcomes
from xbot_dagster.store.bulk import copy_rows
from xbot_dagster.store.outcomes import Outcome, outcome_columns, outcome_values

_NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)
_SMALL = 10_000
_DUE = 50  # posts that are due in either table: what a tick of a large deployment finds
_LOOKS = 15
_CHUNK = 100_000
_DESCRIBED = 5_000
_TEXTS = (
    "@someone thanks! I tried it {} times and it was great, not bad at all 😀",
    "Did you know? {} of 10 people sleep worse after late coffee.\n\nTry tea instead. https://example.com/tea",
    "Unpopular opinion: most advice about sleep is wrong. Night {} taught me that you don't need eight hours.",
    "New study of {} adults finds that a short walk after dinner lowers stress.\nRead it here: https://example.com/walk #health",
    "What would you change about your evenings? I asked {} friends — “less screen” won. 👍🏽",
    "https://example.com/{}",
)
_HEADER = (
    "Post id,Date,Post text,Link,Impressions,Likes,Engagements,Bookmarks,Share,New follows,Replies,Reposts,Profile visits,"
    "Detail expands,Url clicks,Hashtag clicks,Permalink clicks"
)


def run(rows: int, imported: int) -> dict[str, Any]:
    clock = FixedClock(_NOW)
    with database(clock) as (engine, _, _home):
        small = _plant(engine, 0, min(_SMALL, rows))
        due_small = _due_ms(engine)
        large = small + _plant(engine, _SMALL, rows - _SMALL)
        due_large = _due_ms(engine)
        built = _outcomes(large)
        copied = _copy_seconds(engine, built)
        upserted = _upsert_seconds(engine, built)
    return {
        "upsert_rows_per_s": round(rows / upserted),
        "copy_rows_per_s": round(rows / copied),
        "due_query_ms_10k": round(due_small, 2),
        "due_query_ms_1m": round(due_large, 2),
        "import_rows_per_s": round(imported / _import_seconds(imported)),
        "features_per_s": round(_DESCRIBED / _features_seconds()),
        "rows": rows,
        "imported": imported,
    }


def _plant(engine: Engine, start: int, count: int) -> list[tuple[uuid.UUID, str]]:
    """`count` posted decisions; the first `_DUE` of the first batch are due, the others were measured long ago."""
    made = []
    for first in range(start, start + count, _CHUNK):
        size = min(_CHUNK, start + count - first)
        posted_at = _NOW - timedelta(days=400) + timedelta(seconds=first)
        ids = tweet_ids(posted_at, size)
        keys = [uuid.uuid4() for _ in range(size)]
        due = [_NOW - timedelta(hours=1) if first + i < _DUE else None for i in range(size)]
        plant(
            engine,
            [(k, t, f"Note {first + i}", posted_at, d) for i, (k, t, d) in enumerate(zip(keys, ids, due, strict=True))],
        )
        made += list(zip(keys, ids, strict=True))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE posted_decisions"))
        conn.execute(text("ANALYZE content_metadata"))
    return made


def _due_ms(engine: Engine) -> float:
    """Median milliseconds of the due query, first looks (cold plan, cold pages) left out."""
    taken = []
    for _ in range(_LOOKS):
        with engine.begin() as conn:
            started = time.perf_counter()
            found = outcomes.outcomes_due(conn, 1000)
            taken.append(1000 * (time.perf_counter() - started))
        if len(found) != _DUE:
            raise RuntimeError(f"the due query found {len(found)} posts instead of {_DUE}")
    return statistics.median(taken[3:])


def _outcomes(posts: list[tuple[uuid.UUID, str]]) -> list[Outcome]:
    counts = Counts(2000, 60, 40, 6, 4, None, 9, 12, 3, 2)
    derived = derive(counts, 0.5, 0.2)
    return [
        Outcome(key, 2, "default", tweet, counts, derived, (), True, "recorded", "ok", False, 86_400.0, False, _NOW)
        for key, tweet in posts
    ]


def _copy_seconds(engine: Engine, rows: list[Outcome]) -> float:
    columns = outcome_columns()
    definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    with engine.begin() as conn:
        conn.exec_driver_sql(f"CREATE TABLE bare_copy ({definition})")
        started = time.perf_counter()
        copy_rows(conn, "bare_copy", list(columns), list(columns.values()), map(outcome_values, rows))
        seconds = time.perf_counter() - started
        conn.exec_driver_sql("DROP TABLE bare_copy")
    return seconds


def _upsert_seconds(engine: Engine, rows: list[Outcome]) -> float:
    started = time.perf_counter()
    for first in range(0, len(rows), _CHUNK):
        with engine.begin() as conn:
            outcomes.upsert_outcomes(conn, rows[first : first + _CHUNK])
    return time.perf_counter() - started


def _import_seconds(count: int) -> float:
    start = _NOW - timedelta(days=300)
    clock = FixedClock(_NOW)
    with database(clock, "shadow") as (engine, settings, home):
        file = home / "account_analytics_content_2026-01-01_2026-11-01.csv"
        _write_export(file, tweet_ids(start, count), start)
        started = time.perf_counter()
        report = importing.import_files(engine, clock, settings, [file], "default")
        seconds = time.perf_counter() - started
    if report.new != count:
        raise RuntimeError(f"{report.new} of {count} posts were imported")
    return seconds


def _features_seconds() -> float:
    texts = [_TEXTS[number % len(_TEXTS)].format(number) for number in range(_DESCRIBED + len(_TEXTS))]
    for words in texts[_DESCRIBED:]:
        extract(words, _NOW, "Europe/Berlin")  # word lists and patterns are loaded once in a process
    started = time.perf_counter()
    for words in texts[:_DESCRIBED]:
        extract(words, _NOW, "Europe/Berlin", novelty=0.5)
    return time.perf_counter() - started


def _write_export(path: Path, ids: list[str], start: datetime) -> None:
    out = io.StringIO()
    out.write(_HEADER + "\n")
    sheet = csv.writer(out)
    for number, tweet_id in enumerate(ids):
        day = (start + timedelta(seconds=number)).strftime("%a %b %d %Y")
        words = f"Note {number}: a quiet evening helps,\nand so does a walk."
        sheet.writerow(
            [
                tweet_id,
                day,
                words,
                f"https://x.com/{HANDLE}/status/{tweet_id}",
                2000,
                40,
                60,
                9,
                0,
                2,
                4,
                6,
                12,
                8,
                3,
                0,
                0,
            ]
        )
    path.write_text(out.getvalue(), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="outcomes and posted decisions (default 1,000,000)")
    parser.add_argument("--imported", type=int, default=50_000, help="posts in the imported file (default 50,000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.rows <= _SMALL:
        parser.error(f"--rows must be larger than {_SMALL}")
    logging.getLogger("xbot").setLevel(logging.ERROR)
    print_result(run(options.rows, options.imported), options.json)


if __name__ == "__main__":
    main()
