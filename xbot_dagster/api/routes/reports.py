"""Reports: spend, best time with its evidence, gates, and the exports as files."""

import tempfile
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import AccountQuery, Reader, ServiceOf
from xbot_dagster.api.shapes import GatesShape, SpendShape
from xbot_dagster.stages import exporting
from xbot_dagster.store import reports, spending, verdicts
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT
from xbot_dagster.store.deployment import account as find_account

router = APIRouter(prefix="/api", tags=["reports"], responses=responses(401, 404, 422, 429, 503))

Days = Annotated[int, Query(ge=1, le=365)]
_TYPES = {"csv": "text/csv", "json": "application/json", "parquet": "application/vnd.apache.parquet"}
_FILES: dict[str, Any] = {
    _TYPES["csv"]: {},
    _TYPES["parquet"]: {},
    _TYPES["json"]: {
        "schema": {
            "type": "array",
            "description": "One object a row; its names are the columns of the data set.",
            "items": {"type": "object", "additionalProperties": True},
        },
        "example": examples.EXPORT,
    },
}


@router.get(
    "/spend", response_model=SpendShape, summary="Spend by day and by purpose", responses=answer(examples.SPEND)
)
def spend(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT, days: Days = 30) -> Any:
    since = service.budget_day() - timedelta(days=days - 1)
    with service.begin() as conn:
        find_account(conn, account)
        return {
            "by_day": spending.by_day(conn, since, account),
            "by_purpose": spending.by_purpose(conn, since, account),
        }


@router.get(
    "/best-times",
    response_model=list[reports.HourCell],
    summary="Hour × weekday of the account's zone, with how many posts each cell rests on",
    responses=answer(examples.BEST_TIMES),
)
def best_times(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT, days: Days = 84) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        return reports.hours_by_weekday(conn, account, days)


@router.get(
    "/gates",
    response_model=GatesShape,
    summary="Pass rates of the gates and the nearest misses",
    responses=answer(examples.GATES),
)
def gates(service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT, days: Days = 7) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        return {
            "gates": verdicts.stats(conn, days=days, account=account),
            "near_misses": verdicts.near_misses(conn, days=days),
        }


@router.get(
    "/exports/{dataset}.{format}",
    response_class=FileResponse,
    summary="A data set as a file",
    responses={200: {"content": _FILES}},
)
def export(
    service: ServiceOf,
    _: Reader,
    dataset: Annotated[str, Path(max_length=40, pattern=r"^[a-z_]+$")],
    format: Literal["csv", "json", "parquet"],
    account: AccountQuery = DEFAULT_ACCOUNT,
) -> FileResponse:
    with service.begin() as conn:
        find_account(conn, account)
    folder = tempfile.TemporaryDirectory(prefix="xbot-export-")
    path = FilePath(folder.name) / f"{account}-{dataset}.{format}"
    exporting.run(service.engine, dataset, path, format, account)
    return FileResponse(path, media_type=_TYPES[format], filename=path.name, background=BackgroundTask(folder.cleanup))
