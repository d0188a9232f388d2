"""Who may open a page: a signed-in person, or, where no admin token is set, anybody on this machine (to read only)."""

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from xbot_dagster.api.auth import Caller, is_local
from xbot_dagster.api.sessions import COOKIE, read_session
from xbot_dagster.settings import Settings

# Answered by the API's own rules, or needed before signing in.
_OPEN = ("/api/", "/metrics", "/healthz", "/readyz", "/login", "/logout", "/static/", "/docs", "/favicon.ico")


def visitor(connection: HTTPConnection, settings: Settings) -> Caller | None:
    """Who looks at a page; None = sign in first."""
    session = read_session(connection.cookies.get(COOKIE), settings)
    if session is not None:
        return Caller(session.name, admin=True, via="session")
    if settings.ADMIN_TOKEN is None and is_local(connection):
        return Caller("local", admin=False, via="local")
    return None


class Gate:
    """Pure ASGI middleware before the pages and their live connection."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith(_OPEN):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if visitor(connection, self.settings) is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4401})
        elif self.settings.ADMIN_TOKEN is None:
            refusal = "The dashboard answers only on this machine while ADMIN_TOKEN is not set."
            await PlainTextResponse(refusal, 403)(scope, receive, send)
        elif scope["method"] == "GET" and not scope["path"].startswith("/_nicegui"):
            await RedirectResponse("/login", 303)(scope, receive, send)
        else:
            await PlainTextResponse("Sign in first.", 401)(scope, receive, send)
