"""Alerts and ticks: what needs a person, and what every sensor and schedule did or why it did nothing."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.paging import Cursor, Limit, after, page
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import Administrator, Reader, ServiceOf
from xbot_dagster.api.shapes import AlertShape, Page
from xbot_dagster.errors import Conflict, NotFound
from xbot_dagster.store import alerts as store
from xbot_dagster.store import browse

router = APIRouter(prefix="/api", tags=["alerts"], responses=responses(401, 422, 429, 503))

States = Annotated[
    list[Literal["open", "acknowledged", "closed"]] | None,
    Query(alias="state", description="May be repeated; all where absent."),
]


@router.get(
    "/alerts", response_model=Page[AlertShape], summary="Alerts, newest first", responses=answer(examples.ALERTS)
)
def alerts(service: ServiceOf, _: Reader, states: States = None, limit: Limit = 50, cursor: Cursor = None) -> Any:
    with service.begin() as conn:
        rows = browse.alerts(conn, states or [], _after_number(cursor), limit + 1)
    return page(rows, limit, lambda row: (row.opened_at, str(row.id)))


@router.post(
    "/alerts/{alert_id}/ack",
    response_model=AlertShape,
    summary="Say that a person has seen an alert",
    responses=answer(examples.ACKNOWLEDGED) | responses(403, 404, 409),
)
def acknowledge(service: ServiceOf, caller: Administrator, alert_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Any:
    with service.begin(caller) as conn:
        known = browse.alert(conn, alert_id)
        if known is None:
            raise NotFound(f"There is no alert {alert_id}.", "List them with GET /api/alerts.")
        if not store.acknowledge(conn, alert_id, caller.actor):
            raise Conflict(f"Alert {alert_id} is {known.state}, not open.")
        return browse.alert(conn, alert_id)


@router.get(
    "/ticks",
    response_model=Page[browse.TickRow],
    summary="Ticks of sensors and schedules, newest first",
    responses=answer(examples.TICKS),
)
def ticks(
    service: ServiceOf,
    _: Reader,
    name: Annotated[str | None, Query(max_length=80, description="One sensor or schedule.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    with service.begin() as conn:
        rows = browse.ticks(conn, name, _after_number(cursor), limit + 1)
    return page(rows, limit, lambda row: (row.at, str(row.id)))


def _after_number(cursor: str | None) -> browse.After:
    found = after(cursor)
    if found is not None and not (found[1].isascii() and found[1].isdigit() and int(found[1]) < 2**63):
        return after("not-ours")
    return found
