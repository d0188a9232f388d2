"""Queue, posts, outcomes, arms and versions as CSV, JSON or Parquet files that other tools can read."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from xbot_dagster.domain.measuring.cells import safe_text
from xbot_dagster.domain.measuring.datasets import DATASETS, Column
from xbot_dagster.errors import UsageError, UserError
from xbot_dagster.store import exports

FORMATS = ("csv", "json", "parquet")
Rows = Iterator[Sequence[tuple[Any, ...]]]


@dataclass(frozen=True)
class ExportReport:
    """One written file."""

    dataset: str
    format: str
    path: str
    rows: int


def columns(dataset: str) -> tuple[Column, ...]:
    """The documented columns of a data set, in the order they are written. Raises UsageError for one that does not exist."""
    if dataset not in DATASETS:
        raise UsageError(f"There is no data set '{dataset}'.", f"Known: {', '.join(DATASETS)}.")
    return DATASETS[dataset]


def run(
    engine: Engine, dataset: str, path: Path, format: str | None = None, account: str | None = None
) -> ExportReport:
    """Write `dataset` to `path` (format: given, else by the file's ending); the file appears whole or not at all.

    Raises UsageError for an unknown data set or format, UserError when the file cannot be written.
    """
    described = columns(dataset)
    kind = format or path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise UsageError(
            f"There is no export format '{kind}'.",
            f"Name the file .csv, .json or .parquet, or use --format {'|'.join(FORMATS)}.",
        )
    write = {"csv": _write_csv, "json": _write_json, "parquet": _write_parquet}[kind]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with engine.connect() as conn, conn.begin():
            rows = write(draft, described, exports.batches(conn, dataset, account))
        os.replace(draft, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.", "Choose another place.") from None
    finally:
        draft.unlink(missing_ok=True)
    return ExportReport(dataset, kind, str(path), rows)


def _write_csv(path: Path, columns: tuple[Column, ...], batches: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        sheet = csv.writer(stream)
        sheet.writerow([column.name for column in columns])
        for batch in batches:
            sheet.writerows([_cell(value, column) for value, column in zip(row, columns, strict=True)] for row in batch)
            count += len(batch)
    return count


def _cell(value: Any, column: Column) -> Any:
    if value is None:
        return ""
    if column.type == "time":
        return _time(value)
    if column.type == "json":
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if column.type == "text":
        return safe_text(str(value))
    return repr(value) if column.type == "number" else str(value).lower() if column.type == "boolean" else value


def _write_json(path: Path, columns: tuple[Column, ...], batches: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write("[")
        for batch in batches:
            for row in batch:
                value = {c.name: _time(v) if isinstance(v, datetime) else v for c, v in zip(columns, row, strict=True)}
                stream.write(("," if count else "") + "\n" + json.dumps(value, ensure_ascii=False))
                count += 1
        stream.write("\n]\n")
    return count


def _write_parquet(path: Path, columns: tuple[Column, ...], batches: Rows) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "json": pa.string(),
    }
    schema = pa.schema([pa.field(c.name, types[c.type], metadata={"meaning": c.meaning}) for c in columns])
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in batches:
            data = [[_plain(row[i], c) for row in batch] for i, c in enumerate(columns)]
            writer.write_batch(
                pa.record_batch([pa.array(d, t.type) for d, t in zip(data, schema, strict=True)], schema=schema)
            )
            count += len(batch)
    return count


def _plain(value: Any, column: Column) -> Any:
    return (
        json.dumps(value, ensure_ascii=False, sort_keys=True) if column.type == "json" and value is not None else value
    )


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()
