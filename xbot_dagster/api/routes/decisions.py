"""Decisions: list, queue, what waits for approval, one decision and why it is what it is."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.explanation import Explanation
from xbot_dagster.api.paging import Cursor, Limit, after, page
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import AccountQuery, Reader, ServiceOf
from xbot_dagster.api.shapes import Page
from xbot_dagster.errors import NotFound
from xbot_dagster.stages.explain import explain
from xbot_dagster.store import agenda, browse
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT
from xbot_dagster.store.deployment import account as find_account

router = APIRouter(prefix="/api", tags=["decisions"], responses=responses(401, 404, 422, 429, 503))

Status = Literal[
    "pending", "awaiting_approval", "queued", "posting", "posted", "shadowed", "rejected", "in_doubt", "needs_human",
    "blocked", "expired", "cancelled",
]  # fmt: skip
Statuses = Annotated[list[Status] | None, Query(alias="status", description="May be repeated; all where absent.")]


@router.get(
    "/decisions",
    response_model=Page[browse.DecisionRow],
    summary="Decisions, newest first",
    responses=answer(examples.DECISIONS),
)
def decisions(
    service: ServiceOf,
    _: Reader,
    account: AccountQuery = DEFAULT_ACCOUNT,
    statuses: Statuses = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        rows = browse.decisions(conn, account, statuses or [], _after_decision(cursor), limit + 1)
    return page(rows, limit, lambda row: (row.created_at, row.decision_id))


@router.get(
    "/queue",
    response_model=Page[browse.DecisionRow],
    summary="What will be posted, earliest first",
    responses=answer(examples.DECISIONS),
)
def queue(
    service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT, limit: Limit = 50, cursor: Cursor = None
) -> Any:
    return _waiting(service, account, ("queued", "posting", "in_doubt"), limit, cursor)


@router.get(
    "/approvals",
    response_model=Page[browse.DecisionRow],
    summary="What waits for a person, earliest first",
    responses=answer(examples.DECISIONS),
)
def approvals(
    service: ServiceOf, _: Reader, account: AccountQuery = DEFAULT_ACCOUNT, limit: Limit = 50, cursor: Cursor = None
) -> Any:
    return _waiting(service, account, ("awaiting_approval",), limit, cursor)


@router.get(
    "/decisions/{decision_id}",
    response_model=agenda.Planned,
    summary="One decision with its parts",
    responses=answer(examples.DECISION),
)
def decision(service: ServiceOf, _: Reader, decision_id: UUID) -> Any:
    with service.begin() as conn:
        found = agenda.planned_one(conn, str(decision_id))
    if found is None:
        raise NotFound(f"There is no decision {decision_id}.", "List them with GET /api/decisions.")
    return found


@router.get(
    "/decisions/{decision_id}/explain",
    response_model=Explanation,
    summary="The whole chain from source to what learned from it",
    responses=answer(examples.EXPLANATION),
)
def explained(
    service: ServiceOf,
    _: Reader,
    decision_id: Annotated[str, Path(max_length=60, description="A decision's id, its beginning, or a tweet's id.")],
) -> Any:
    with service.begin() as conn:
        return explain(conn, decision_id)


def _waiting(service: ServiceOf, account: str, statuses: tuple[str, ...], limit: int, cursor: str | None) -> Any:
    with service.begin() as conn:
        find_account(conn, account)
        rows = browse.waiting(conn, account, statuses, _after_decision(cursor), limit + 1)
    return page(rows, limit, lambda row: (row.scheduled_at or row.created_at, row.decision_id))


def _after_decision(cursor: str | None) -> browse.After:
    found = after(cursor)
    if found is not None:
        try:
            UUID(found[1])
        except ValueError:
            return after("not-ours")
    return found
