"""The web application of the world. The order matters: the profile page at `/{handle}` would swallow everything after
it."""

import os
from collections import OrderedDict

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from xbot_dagster.sandbox import control, feeds, judge, recorded
from xbot_dagster.sandbox.replica import graphql, pages
from xbot_dagster.sandbox.state import World
from xbot_dagster.sandbox.writer import control as writer_control
from xbot_dagster.sandbox.writer import routes as writer

LOST_KEPT = 512


class _Recent(OrderedDict[str, str]):
    """The last few hundred transactions that a fault left without an answer."""

    def __setitem__(self, key: str, value: str) -> None:
        super().__setitem__(key, value)
        while len(self) > LOST_KEPT:
            self.popitem(last=False)


def create_app(world: World) -> FastAPI:
    app = FastAPI(title="xbot sandbox", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.world, app.state.lost, app.state.pid = world, _Recent(), os.getpid()
    for router in (
        control.router,
        judge.router,
        recorded.router,
        feeds.router,
        writer_control.router,
        writer.router,
        graphql.router,
        pages.router,
    ):
        app.include_router(router)

    @app.exception_handler(OverflowError)
    async def number_too_large(request: Request, problem: OverflowError) -> JSONResponse:
        return JSONResponse({"detail": "a number in the request is larger than any id"}, 422)

    return app
