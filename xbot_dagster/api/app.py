"""Assembles the API. Start it through `dashboard.serving`, which puts the dashboard on the same application."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from xbot_dagster import __version__
from xbot_dagster.api import problems
from xbot_dagster.api.guards import Guard
from xbot_dagster.api.routes import admin, alerts, approvals, decisions, figures, learning, probes, reports
from xbot_dagster.api.service import Launcher, Service
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import Settings

_ROUTERS = (
    probes.router,
    figures.router,
    decisions.router,
    approvals.router,
    learning.router,
    reports.router,
    alerts.router,
    admin.router,
)


def create_app(settings: Settings, opening: Opened | Callable[[], Opened], launcher: Launcher) -> FastAPI:
    """The API of one deployment.

    `opening`: the opened deployment, or a function that opens it on first use (the API starts, and answers 503, while
    it raises DatabaseError). `launcher(job_name, actor)` starts a Dagster job and returns the run's id.
    """
    app = FastAPI(
        title="xbot",
        version=__version__,
        summary="Figures, decisions, approvals and controls of one xbot deployment.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.service = Service(settings, opening, launcher)
    app.add_middleware(Guard)
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router)
    _document(app)
    return app


def _document(app: FastAPI) -> None:
    """Complete the OpenAPI document: the examples, the schemas of a problem and the ways to send the token."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = original()
            components = document["components"]
            schema = problems.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= {**schema.pop("$defs"), "ProblemDetails": schema}
            components["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-admin-token"},
                "basic": {"type": "http", "scheme": "basic"},
            }
            document["security"] = [{"bearer": []}, {"header": []}, {"basic": []}, {}]
            _restore_examples(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # pyright: ignore[reportAttributeAccessIssue] (FastAPI documents this assignment)


def _restore_examples(document: dict[str, Any]) -> None:
    """Examples as they were written: FastAPI leaves out what is null, also where null is the answer."""
    for route in (route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        for method in route.methods or ():
            documented = document["paths"][route.path_format][method.lower()]["responses"]
            for status, response in route.responses.items():
                for kind, entry in response.get("content", {}).items():
                    if "example" in entry:
                        documented[str(status)]["content"][kind]["example"] = entry["example"]
