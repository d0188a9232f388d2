"""`/_sandbox/llm/*`: scripted trouble of the writer, and the record of its calls."""

from typing import Any

from fastapi import APIRouter, HTTPException, Request

from xbot_dagster.sandbox.control import NewFault, world_of
from xbot_dagster.sandbox.faults import FAULTS, UnknownFault

router = APIRouter(prefix="/_sandbox/llm")


@router.post("/faults")
async def set_fault(request: Request, wanted: NewFault) -> dict[str, Any]:
    """Scripts trouble of the endpoint; `name` as in `rate_limit`, `insufficient_quota`, `malformed_json`."""
    try:
        return {
            "id": world_of(request).faults.set(
                **{**wanted.model_dump(), "name": f"llm_{wanted.name.removeprefix('llm_')}"}
            )
        }
    except UnknownFault as problem:
        raise HTTPException(422, str(problem)) from problem


@router.delete("/faults")
async def clear_faults(request: Request) -> dict[str, Any]:
    return {"removed": sum(world_of(request).faults.clear(name) for name in FAULTS if name.startswith("llm_"))}


@router.get("/calls")
async def calls(request: Request) -> dict[str, Any]:
    """Every call that reached the endpoint, oldest first."""
    rows = world_of(request).store.all("select * from llm_calls order by seq")
    return {"count": len(rows), "calls": [dict(row) for row in rows]}
