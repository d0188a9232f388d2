"""Errors as RFC 9457 problem details: `application/problem+json` with type, title, status, detail and, where it
helps, hint."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from xbot_dagster import errors
from xbot_dagster.store.engine import database_trouble, no_answer

logger = logging.getLogger("xbot.api")

_STATUS: tuple[tuple[type[errors.UserError], int], ...] = (
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.ConfigError, 422),
    (errors.UsageError, 422),
    (errors.SettingsError, 422),
    (errors.DatabaseError, 503),
    (errors.HomeError, 503),
    (errors.CircuitOpen, 409),
    (errors.BudgetExceeded, 409),
    (errors.QuotaExhausted, 409),
    (errors.UserError, 400),
)
_TITLES = {
    400: "Bad request", 401: "Not authorised", 403: "Refused", 404: "Not found", 405: "Method not allowed", 409:
    "Conflict", 413: "Too large", 415: "Unsupported media type", 422: "Unusable value", 429: "Too many attempts", 500:
    "Defect", 503: "Unavailable",
}  # fmt: skip

_EXAMPLES = {
    400: "The body is not JSON.",
    401: "This needs the admin token.",
    403: "This needs ADMIN_TOKEN.",
    404: "There is no account 'nobody'.",
    409: "Somebody else changed the decision in the meantime.",
    413: "A request may carry at most 1000000 bytes.",
    422: "query.limit: Input should be greater than or equal to 1.",
    429: "Too many wrong tokens.",
    503: "The database does not answer.",
}


class Problem(Exception):
    """A refusal with its HTTP status; `hint` says what to do."""

    def __init__(self, status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.hint, self.headers = status, detail, hint, headers or {}


class WrongValue(BaseModel):
    where: str
    message: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    hint: str | None = None
    instance: str | None = None
    errors: list[WrongValue] | None = Field(None, description="What is wrong with each value of the request.")


def problem_response(
    request: Request, status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The JSON answer of a problem."""
    body = _document(status, detail, request.url.path)
    if hint:
        body["hint"] = hint
    return JSONResponse({**body, **more}, status, headers, media_type="application/problem+json")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems a route can answer with."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                    "example": _document(status, _EXAMPLES[status], "/api/decisions"),
                }
            },
        }
        for status in statuses
    }


def _document(status: int, detail: str, path: str) -> dict[str, Any]:
    title = _TITLES.get(status, "Error")
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": path}


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(Problem)
    def _problem(request: Request, error: Problem) -> JSONResponse:
        return problem_response(request, error.status, error.detail, error.hint, error.headers)

    @app.exception_handler(errors.UserError)
    def _user(request: Request, error: errors.UserError) -> JSONResponse:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        return problem_response(
            request, status, error.message, error.hint, {"Retry-After": "5"} if status == 503 else None
        )

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [{"where": ".".join(str(part) for part in e["loc"]), "message": e["msg"]} for e in error.errors()]
        first = found[0] if found else {"where": "request", "message": "not understood"}
        malformed = any(e["type"] == "json_invalid" for e in error.errors())
        detail = "The body is not JSON." if malformed else f"{first['where']}: {first['message']}."
        return problem_response(
            request, 400 if malformed else 422, detail, "See /api/openapi.json for what is expected.", errors=found
        )

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        return problem_response(request, error.status_code, str(error.detail) + ".", "", headers)

    @app.exception_handler(DBAPIError)
    def _database(request: Request, error: DBAPIError) -> JSONResponse:
        if isinstance(error, DataError):
            return problem_response(request, 422, "The database cannot store that value.")
        known = database_trouble(error)
        return _user(request, known) if known is not None else _defect(request, error)

    @app.exception_handler(PoolTimeout)
    def _busy(request: Request, error: PoolTimeout) -> JSONResponse:
        return _user(request, no_answer())

    @app.exception_handler(Exception)
    def _unforeseen(request: Request, error: Exception) -> JSONResponse:
        return _defect(request, error)

    def _defect(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem_response(request, 500, "The API failed on this request; the reason is in its log.")
