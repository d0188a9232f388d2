"""A caller that goes away before it is answered is no defect: noted in one line instead of a traceback."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("xbot.api")


class Disconnects:
    """Outermost ASGI middleware. The frameworks' middlewares answer a disconnect with a RuntimeError ("No response returned.")."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        gone = False

        async def listen() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or message["type"] == "http.disconnect"
            return message

        try:
            await self.app(scope, listen, send)
        except RuntimeError as error:
            if not gone:
                raise
            logger.info("%s %s: the caller went away (%s)", scope["method"], scope["path"], error)
