"""What every request passes before any route: the size limit, the same-origin rule, and the security headers of every
answer."""

import json
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000
_TOO_LARGE = f"A request may carry at most {MAX_BODY_BYTES} bytes"
_SAFE = {"GET", "HEAD", "OPTIONS"}
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
# The dashboard's framework compiles its templates in the page, hence eval; everything still comes from this server
# alone.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)


class Guard:
    """Pure ASGI middleware (a million-row export streams through it untouched)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if foreign(Headers(scope=scope)):
                await send({"type": "websocket.close", "code": 4403})
                return
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sealed = _sealed(send, scope)
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > MAX_BODY_BYTES:
            await _refuse(sealed, scope, 413, "Too large", f"{_TOO_LARGE}.")
            return
        if scope["method"] not in _SAFE and foreign(headers):
            await _refuse(sealed, scope, 403, "Refused", "Another site may not change anything here.")
            return
        await self.app(scope, _limited(receive), sealed)


def foreign(headers: Headers) -> bool:
    """Whether a browser says that another site made this request."""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _limited(receive: Receive) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return limited


def _sealed(send: Send, scope: Scope) -> Send:
    path = scope["path"]
    api = path.startswith(("/api/", "/metrics", "/healthz", "/readyz")) and path != "/api/docs"

    async def sealed(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = "DENY"
            # Not "no-referrer": browsers would then send "Origin: null" with our own forms.
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
            headers["Content-Security-Policy"] = _API_POLICY if api else _PAGE_POLICY
            if api:
                headers["Cache-Control"] = "no-store"
        await send(message)

    return sealed


async def _refuse(send: Send, scope: Scope, status: int, title: str, detail: str) -> None:
    body = json.dumps(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": scope["path"]}
    ).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
