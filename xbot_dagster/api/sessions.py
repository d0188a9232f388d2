"""The dashboard's login: a signed cookie that outlives a restart and dies with the admin token.

Form: `base64url(name|expiry|nonce) . HMAC-SHA256`. The key is derived from ADMIN_TOKEN, so changing the token ends
every session. It is never readable by scripts (HttpOnly) and never sent by other sites (SameSite=Strict).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from xbot_dagster.settings import Settings

COOKIE = "xbot_session"
SESSION_HOURS = 12

# Cookies ended by logging out, with the second at which they would have ended by themselves (a restart forgets them).
_ended: dict[str, int] = {}


@dataclass(frozen=True)
class Session:
    """A logged-in person."""

    name: str
    expires: int
    nonce: str


def sign_session(name: str, now: datetime, settings: Settings) -> str:
    """A cookie value for `name`, good for SESSION_HOURS from `now` (real time)."""
    expires = int(now.timestamp()) + SESSION_HOURS * 3600
    payload = base64.urlsafe_b64encode(f"{name}|{expires}|{secrets.token_hex(8)}".encode()).decode()
    return f"{payload}.{_signature(payload, settings)}"


def read_session(value: str | None, settings: Settings, now: datetime | None = None) -> Session | None:
    """The session of a cookie; None when it is absent, forged, ended or expired."""
    if not value or settings.ADMIN_TOKEN is None or value in _ended:
        return None
    payload, _, signature = value.partition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), _signature(payload, settings).encode()):
        return None
    try:
        name, expires, nonce = base64.urlsafe_b64decode(payload).decode().split("|")
        session = Session(name, int(expires), nonce)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return session if session.expires > (now or _present()).timestamp() else None


def end_session(value: str, settings: Settings) -> None:
    """Log out; a value that is no session is ignored."""
    now = _present()
    for ended in [cookie for cookie, expires in _ended.items() if expires < now.timestamp()]:
        del _ended[ended]
    session = read_session(value, settings, now)
    if session is not None:
        _ended[value] = session.expires


def _present() -> datetime:
    # A login lasts real hours, whatever the simulated clock of a rehearsal says.
    from xbot_dagster.clock import SystemClock

    return SystemClock().now()


def _signature(payload: str, settings: Settings) -> str:
    assert settings.ADMIN_TOKEN is not None
    key = hashlib.sha256(b"xbot dashboard session\0" + settings.ADMIN_TOKEN.get_secret_value().encode()).digest()
    return hmac.new(key, payload.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
