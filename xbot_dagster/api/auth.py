"""Who is asking: the admin token by Bearer, `x-admin-token`, Basic password or dashboard session, compared in
constant time.

Without a token a caller may only read, and only from this machine. A wrong token is refused everywhere, and too many
wrong ones from one address are refused without looking.
"""

import base64
import binascii
import hmac
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

from starlette.requests import HTTPConnection

from xbot_dagster.api.problems import Problem
from xbot_dagster.api.sessions import COOKIE, read_session
from xbot_dagster.settings import Settings

_NAME = re.compile(r"[^\w.@ -]")
_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1", "[::1]"}


@dataclass(frozen=True)
class Caller:
    """Who asks, for audit rows; `admin` may change things."""

    name: str
    admin: bool
    via: Literal["token", "session", "local"]

    @property
    def actor(self) -> str:
        return f"{'dashboard' if self.via == 'session' else 'api'}:{self.name}"


@dataclass
class Attempts:
    """Wrong tokens by address: after `limit` within `window_seconds` the address waits for the window to pass."""

    limit: int = 10
    window_seconds: float = 300.0
    monotonic: Callable[[], float] = time.monotonic
    addresses: int = 4096
    _failed: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, address: str) -> float:
        """Seconds this address has to wait before its token is looked at; 0 = none."""
        with self._lock:
            recent = self._recent(address)
            return 0.0 if len(recent) < self.limit else recent[0] + self.window_seconds - self.monotonic()

    def failed(self, address: str) -> None:
        with self._lock:
            self._failed[address] = [*self._recent(address), self.monotonic()][-self.limit :]
            self._failed.move_to_end(address)
            while len(self._failed) > self.addresses:
                self._failed.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = self.monotonic() - self.window_seconds
        return [at for at in self._failed.get(address, []) if at > since]


def identify(connection: HTTPConnection, settings: Settings, attempts: Attempts, *, admin: bool = False) -> Caller:
    """The caller of a request. Raises Problem 401, 403 or 429.

    A dashboard session counts like the token for reading; what changes something over HTTP needs the token itself, so
    that no other site can make a browser do it.
    """
    address = connection.client.host if connection.client else ""
    presented = _presented(connection.headers)
    if presented is not None:
        return _with_token(presented, connection, settings, attempts, address)
    session = read_session(connection.cookies.get(COOKIE), settings)
    if session is not None and not admin:
        return Caller(session.name, admin=True, via="session")
    if admin and settings.ADMIN_TOKEN is None:
        raise Problem(
            403, "This needs ADMIN_TOKEN.", "Set ADMIN_TOKEN, restart the API and send it as 'Authorization: Bearer …'."
        )
    if admin or not is_local(connection):
        raise Problem(
            401,
            "This needs the admin token.",
            "Send it as 'Authorization: Bearer …' or 'x-admin-token: …'.",
            _CHALLENGE,
        )
    return Caller("local", admin=False, via="local")


def is_local(connection: HTTPConnection) -> bool:
    """Whether the request comes from this machine itself: its address, the host it asks for, and no proxy in between.

    The host is looked at because a page elsewhere may resolve its own name to 127.0.0.1.
    """
    client = connection.client
    if client is None or any(name in connection.headers for name in _FORWARDING):
        return False
    try:
        local_peer = ip_address(client.host).is_loopback
    except ValueError:
        local_peer = False
    return local_peer and (connection.url.hostname or "") in _LOCAL_HOSTS


def token_matches(presented: str, settings: Settings) -> bool:
    """Compare with ADMIN_TOKEN in constant time; false when there is none."""
    expected = settings.ADMIN_TOKEN.get_secret_value() if settings.ADMIN_TOKEN else ""
    return hmac.compare_digest(presented.encode("utf-8", "surrogateescape"), expected.encode()) and bool(expected)


def clean_name(name: str) -> str:
    """A person's name as it goes into audit rows: at most 40 harmless characters, 'admin' when nothing is left."""
    return _NAME.sub("", name).strip()[:40] or "admin"


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="xbot", Basic realm="xbot", charset="UTF-8"'}


def _with_token(
    presented: str, connection: HTTPConnection, settings: Settings, attempts: Attempts, address: str
) -> Caller:
    wait = attempts.wait(address)
    if wait > 0:
        raise Problem(
            429, "Too many wrong tokens.", f"Try again in {wait:.0f} seconds.", {"Retry-After": f"{wait:.0f}"}
        )
    if not token_matches(presented, settings):
        attempts.failed(address)
        raise Problem(401, "The admin token is wrong.", "Compare it with ADMIN_TOKEN of the API's process.", _CHALLENGE)
    return Caller(clean_name(connection.headers.get("x-actor", "")), admin=True, via="token")


def _presented(headers: Mapping[str, str]) -> str | None:
    """The token a request carries, None when it carries none; an unreadable one is an empty (wrong) token."""
    if "x-admin-token" in headers:
        return headers["x-admin-token"]
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return "" if scheme else None
