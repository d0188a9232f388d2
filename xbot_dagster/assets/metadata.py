"""Turns a stage's report (a frozen dataclass) into the metadata a person reads in the Dagster UI."""

import dataclasses
from datetime import date, datetime
from typing import Any

import dagster as dg


def result(report: Any, *, table: str | None = None, rows: int | None = None, **extra: Any) -> dg.MaterializeResult:
    """A MaterializeResult with one entry per field of `report`; `rows` becomes dagster/row_count."""
    metadata: dict[str, Any] = {name: _value(value) for name, value in _fields(report).items()} | extra
    if table is not None:
        metadata["dagster/table_name"] = table
    if rows is not None:
        metadata["dagster/row_count"] = rows
    return dg.MaterializeResult(metadata=metadata)


def _fields(report: Any) -> dict[str, Any]:
    return {f.name: getattr(report, f.name) for f in dataclasses.fields(report)}


def _value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None:
        return "none"
    if dataclasses.is_dataclass(value):
        return dg.MetadataValue.json(_plain(value))
    if isinstance(value, dict | list | tuple):
        return dg.MetadataValue.json(_plain(value))
    if isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {k: _plain(v) for k, v in _fields(value).items()}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return str(value)
