"""Admin actions: start a job of the loop, stop and resume, change the live configuration. All need the token; all are audited."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from xbot_dagster.api import examples
from xbot_dagster.api.examples import answer
from xbot_dagster.api.problems import responses
from xbot_dagster.api.service import AccountQuery, Administrator, Reader, Service, ServiceOf
from xbot_dagster.api.shapes import Changed, ConfigChange, ConfigShape, Started
from xbot_dagster.stages import controls
from xbot_dagster.store import audit, config
from xbot_dagster.store.deployment import account as find_account

router = APIRouter(prefix="/api", tags=["admin"], responses=responses(400, 401, 403, 404, 413, 422, 429, 503))

Account = Annotated[str, Field(pattern=r"^([a-z0-9_-]{1,40})?$", description="Empty: all accounts.")]
Name = Annotated[str, Query(max_length=40)]


class Control(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"what": ["posting"]}]}, extra="forbid")
    what: Annotated[list[Literal["posting", "llm"]], Field(min_length=1, max_length=2)] = ["posting", "llm"]
    account: Account = ""


class Setting(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "learning_config", "name": "post_fraction", "value": 0.1}]},
        extra="forbid",
    )
    key: Annotated[str, Field(max_length=40)]
    name: Annotated[str, Field(max_length=40)]
    value: Any
    account: Account = ""


# What every action that starts something is declared with.
_STARTS: Any = {"status_code": 202, "response_model": Started, "responses": answer(examples.STARTED, 202)}


def _start(service: Service, job: str, caller: Administrator) -> dict[str, str]:
    with service.begin(caller) as conn:
        audit.record(conn, "JOB_TRIGGERED", "api", {"job": job})
    return {"run_id": service.launcher(job, caller.actor)}


@router.post("/admin/trigger-plan", summary="Plan the coming day", **_STARTS)
def trigger_plan(service: ServiceOf, caller: Administrator) -> Any:
    return _start(service, "plan", caller)


@router.post("/admin/trigger-post", summary="Publish what is due", **_STARTS)
def trigger_post(service: ServiceOf, caller: Administrator) -> Any:
    return _start(service, "post", caller)


@router.post("/admin/trigger-analytics", summary="Read the outcomes that are due", **_STARTS)
def trigger_analytics(service: ServiceOf, caller: Administrator) -> Any:
    return _start(service, "collect", caller)


@router.post("/admin/trigger-learn", summary="Learn from new outcomes", **_STARTS)
def trigger_learn(service: ServiceOf, caller: Administrator) -> Any:
    return _start(service, "learn", caller)


@router.post("/admin/stop", summary="Stop posting, LLM calls, or both", **_STARTS)
def stop(service: ServiceOf, caller: Administrator, body: Control | None = None) -> Any:
    asked = body or Control()
    done = controls.stop(service.engine, service.settings, asked.what, actor=caller.actor, account=asked.account)
    return {"run_id": done.control_id}


@router.post("/admin/resume", summary="Take stops back and close circuits", **_STARTS)
def resume(service: ServiceOf, caller: Administrator, body: Control | None = None) -> Any:
    asked = body or Control()
    done = controls.resume(service.engine, service.settings, asked.what, actor=caller.actor, account=asked.account)
    return {"run_id": done.control_id}


@router.get(
    "/config",
    response_model=ConfigShape,
    summary="The live configuration of an account, or of all ('')",
    responses=answer(examples.CONFIG),
)
def read_config(
    service: ServiceOf, _: Reader, account: Annotated[str, Query(pattern=r"^([a-z0-9_-]{1,40})?$")] = ""
) -> Any:
    with service.begin() as conn:
        if account:
            find_account(conn, account)
        return config.read_raw(conn, service.settings, account)


@router.get(
    "/config/history",
    response_model=list[ConfigChange],
    summary="Changes of the live configuration, newest first",
    responses=answer(examples.CONFIG_HISTORY),
)
def config_history(service: ServiceOf, _: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Any:
    with service.begin() as conn:
        return config.history(conn, limit)


@router.post(
    "/admin/config",
    response_model=Changed,
    summary="Change one value of the live configuration",
    responses=answer(examples.CHANGED),
)
def write_config(service: ServiceOf, caller: Administrator, body: Setting) -> Any:
    with service.begin(caller) as conn:
        if body.account:
            find_account(conn, body.account)
        before = _value(service, conn, body.key, body.name, body.account)
        config.write(conn, service.settings, body.key, body.name, body.value, body.account)
    return {"key": body.key, "name": body.name, "before": before, "after": body.value}


@router.delete(
    "/admin/config",
    response_model=Changed,
    summary="Give up an account's own value; that of all accounts counts then",
    responses=answer(examples.CHANGED),
)
def unset_config(service: ServiceOf, caller: Administrator, key: Name, name: Name, account: AccountQuery) -> Any:
    with service.begin(caller) as conn:
        find_account(conn, account)
        before = _value(service, conn, key, name, account)
        config.unset(conn, service.settings, key, name, account)
        return {"key": key, "name": name, "before": before, "after": _value(service, conn, key, name, account)}


def _value(service: Service, conn: Connection, key: str, name: str, account: str) -> Any:
    return config.read_raw(conn, service.settings, account).get(key, {}).get(name)
