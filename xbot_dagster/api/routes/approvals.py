"""What people do with decisions: approve, edit, reject, move, cancel; one or many.

`seen_at` is the `updated_at` of what the person looked at: if somebody else changed it since, the answer is 409 and nothing
is lost.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import Administrator, ServiceOf
from xbot_dagster.api.shapes import BatchAnswer
from xbot_dagster.errors import Conflict
from xbot_dagster.stages import approve as approving
from xbot_dagster.store import audit, drafts, posting

router = APIRouter(prefix="/api", tags=["approvals"], responses=responses(400, 401, 403, 404, 409, 413, 422, 429, 503))

Reason = Annotated[str, Field(max_length=500)]
SeenAt = Annotated[
    AwareDatetime | None, Field(description="updated_at of what was looked at; 409 if it changed since.")
]


class Approval(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "good hook"}]}, extra="forbid")
    reason: Reason | None = None
    seen_at: SeenAt = None


class Rejection(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "claims too much"}]}, extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    seen_at: SeenAt = None


class Edition(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"parts": ["A shorter text."]}]}, extra="forbid")
    parts: Annotated[list[Annotated[str, Field(min_length=1, max_length=4000)]], Field(min_length=1, max_length=25)]
    reason: Reason | None = None
    seen_at: SeenAt = None


class Move(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"at": "2026-11-20T18:30:00+01:00"}]}, extra="forbid")
    at: AwareDatetime
    seen_at: SeenAt = None


class Cancellation(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "out of date"}]}, extra="forbid")
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "cancelled by hand"


class Batch(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"action": "approve", "decision_ids": ["7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11"]}]
        },
        extra="forbid",
    )
    action: Literal["approve", "reject"]
    decision_ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]
    reason: Reason | None = None


@router.post(
    "/decisions/{decision_id}/approve",
    response_model=drafts.Waiting,
    summary="Put a waiting decision into the queue",
    responses=answer(examples.DRAFT),
)
def approve(service: ServiceOf, caller: Administrator, decision_id: UUID, body: Approval) -> Any:
    with service.begin(caller) as conn:
        return approving.approve(conn, decision_id, caller.actor, body.reason, seen_at=body.seen_at)


@router.post(
    "/decisions/{decision_id}/reject",
    response_model=drafts.Waiting,
    summary="Refuse a waiting decision for a reason",
    responses=answer(examples.DRAFT),
)
def reject(service: ServiceOf, caller: Administrator, decision_id: UUID, body: Rejection) -> Any:
    with service.begin(caller) as conn:
        return approving.reject(conn, decision_id, caller.actor, body.reason, seen_at=body.seen_at)


@router.post(
    "/decisions/{decision_id}/edit",
    response_model=drafts.Waiting,
    summary="Replace the text; the gates judge it again",
    responses=answer(examples.DRAFT),
)
def edit(service: ServiceOf, caller: Administrator, decision_id: UUID, body: Edition) -> Any:
    with service.begin() as conn:
        account = drafts.decision(conn, decision_id).account
    revision = service.revise(account, body.parts)
    with service.begin(caller) as conn:
        changed = approving.edit(
            conn, service.settings, decision_id, revision, caller.actor, body.reason, seen_at=body.seen_at
        )
    return changed


@router.post(
    "/decisions/{decision_id}/reschedule",
    response_model=drafts.Waiting,
    summary="Move a decision to another time",
    responses=answer(examples.DRAFT),
)
def reschedule(service: ServiceOf, caller: Administrator, decision_id: UUID, body: Move) -> Any:
    with service.begin(caller) as conn:
        return approving.reschedule(conn, decision_id, body.at, caller.actor, seen_at=body.seen_at)


@router.post(
    "/decisions/{decision_id}/cancel",
    response_model=drafts.Waiting,
    summary="Take a decision back before it is submitted",
    responses=answer(examples.DRAFT),
)
def cancel(service: ServiceOf, caller: Administrator, decision_id: UUID, body: Cancellation) -> Any:
    with service.begin(caller) as conn:
        before = drafts.decision(conn, decision_id)
        if not posting.cancel(conn, str(decision_id), f"{caller.actor}: {body.reason}"):
            raise Conflict(f"The decision can no longer be cancelled: it is {before.status}.")
        audit.record(conn, "DECISION_CANCELLED", "queue", {"decision_id": str(decision_id), "reason": body.reason})
        return drafts.decision(conn, decision_id)


@router.post(
    "/approvals/batch",
    response_model=BatchAnswer,
    summary="Approve or reject many",
    responses=answer(examples.BATCH),
)
def batch(service: ServiceOf, caller: Administrator, body: Batch) -> Any:
    result = approving.batch(service.engine, body.decision_ids, caller.actor, body.action, body.reason)
    return {"done": list(result.done), "refused": result.refused}
