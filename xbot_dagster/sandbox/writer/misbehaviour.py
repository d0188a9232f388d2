"""Scripted trouble of the OpenAI endpoint, in the API's own error shapes."""

import asyncio
from typing import Any

from fastapi.responses import JSONResponse, Response

from xbot_dagster.sandbox.faults import FaultBook

ERRORS: dict[str, tuple[int, str, str | None, str]] = {
    "rate_limit": (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests. Please try again later."),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "server_error": (500, "server_error", "server_error", "The server had an error while processing your request."),
    "unavailable": (
        503,
        "service_unavailable",
        "service_unavailable",
        "The engine is currently overloaded, please try again later.",
    ),
}
CONTENT = ("malformed_json", "refusal", "over_length", "wrong_language", "empty")
REFUSAL = "I'm sorry, but I can't help with that."
FOREIGN = "Ein fester Zeitpunkt am Morgen ordnet den Abend besser als jeder gute Vorsatz. Probier es eine Woche lang aus und schreib mir, wie es war."


async def interruption(faults: FaultBook, endpoint: str) -> Response | None:
    """The error a fault sends instead of an answer, after any scripted delay; None when the request may proceed."""
    if not faults.any():
        return None
    if slow := faults.fires("llm_slow", endpoint=endpoint):
        await asyncio.sleep(float(slow["seconds"]))
    for name, (status, code, kind, message) in ERRORS.items():
        struck = faults.fires(f"llm_{name}", endpoint=endpoint)
        if struck is not None:
            headers = {"retry-after": str(struck["retry_after"])} if struck.get("retry_after") is not None else {}
            return JSONResponse(error(message, kind, code), status, headers)
    return None


def error(message: str, kind: str | None, code: str | None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def content_fault(faults: FaultBook, endpoint: str) -> str | None:
    """Which fault spoils the next answer's content, if any."""
    if not faults.any():
        return None
    return next((name for name in CONTENT if faults.fires(f"llm_{name}", endpoint=endpoint) is not None), None)
