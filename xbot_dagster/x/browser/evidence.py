"""What is kept of a submit that met trouble: a picture, the page, the driver's trace, the calls made. For the owner's eyes only.

A session's cookies are as good as a password, so their values are struck out of everything that is written.
"""

import json
import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xbot_dagster.x.protocols import OutgoingPost
from xbot_dagster.x.site import site

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

log = logging.getLogger("xbot")

SHOT_MS = 3_000
_MOST_CALLS = 50
_STRUCK = b"(struck out)"
# Shorter values (a language, a flag) are no secrets and would be found in any text.
_SECRET_LENGTH = 8


class Record:
    """One submit being watched. Made by `recorded`."""

    def __init__(self, page: "Page", folder: Path, post: OutgoingPost) -> None:
        self._page = page
        self._place = folder / f"{post.decision_id}-{post.part}"
        self._calls: list[dict[str, Any]] = []
        self._running = False

    def start(self) -> None:
        """Begin to watch. A page that cannot be watched is in trouble that its first use will tell."""
        from playwright.sync_api import Error

        with suppress(Error):
            self._page.on("requestfinished", self._answered)
            self._page.on("requestfailed", self._failed)
            # Without snapshots: the page itself is kept, and drawing it for every step would cost more than the step.
            self._page.context.tracing.start()
            self._running = True

    def keep(self) -> dict[str, Any]:
        """Store what can still be had under <folder>/<decision>-<part>/; returns the address, toasts, calls and folder.

        A crashed page has little to give and a full disk takes nothing: then the facts say so. Never in the way of a result."""
        facts: dict[str, Any] = {"calls": self._calls[-_MOST_CALLS:]}
        try:
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store(facts)
        except OSError as error:
            log.warning("[POSTING_ORCHESTRATOR] ⚠️ The evidence cannot be kept: %s", error)
            facts["folder"] = f"not kept: {error.strerror}"
        return facts

    def _store(self, facts: dict[str, Any]) -> None:
        """Write everything there is, and add to `facts` what the page says."""
        from playwright.sync_api import Error

        facts["folder"] = self._place.name
        files: dict[str, bytes] = {}
        secrets: list[bytes] = []
        try:
            secrets = _secrets(self._page)
            facts |= {"url": self._page.url, "toasts": self._page.locator(site("alert")).all_inner_texts()}
            files = {"page.png": self._page.screenshot(timeout=SHOT_MS), "page.html": self._page.content().encode()}
        except Error as error:
            facts["page"] = str(error).strip().splitlines()[0][:200]
        for name, content in {**files, "facts.json": json.dumps(facts).encode()}.items():
            _write(self._place / name, content if name.endswith(".png") else _strike(content, secrets))
        self._keep_trace(secrets)

    def stop(self) -> None:
        """Forget what was recorded."""
        from playwright.sync_api import Error

        # A browser that is gone has taken its record with it.
        with suppress(Error):
            self._page.remove_listener("requestfinished", self._answered)
            self._page.remove_listener("requestfailed", self._failed)
            if self._running:
                self._page.context.tracing.stop()
        self._running = False

    def _keep_trace(self, secrets: list[bytes]) -> None:
        from playwright.sync_api import Error

        # Without the values to strike out (the browser is gone) nothing may be written.
        if not secrets:
            return
        raw = self._place / ".trace.zip"
        _write(raw, b"")
        try:
            self._page.context.tracing.stop(path=raw)
            self._running = False
            _write(self._place / "trace.zip", b"")
            with (
                zipfile.ZipFile(raw) as old,
                zipfile.ZipFile(self._place / "trace.zip", "w", zipfile.ZIP_DEFLATED) as new,
            ):
                for name in old.namelist():
                    new.writestr(name, _strike(old.read(name), secrets))
        except (Error, zipfile.BadZipFile):
            (self._place / "trace.zip").unlink(missing_ok=True)
        finally:
            raw.unlink(missing_ok=True)

    def _answered(self, request: "Request") -> None:
        answer = request.existing_response
        self._calls.append({**_call(request), "status": answer.status if answer else None})

    def _failed(self, request: "Request") -> None:
        self._calls.append({**_call(request), "failed": request.failure})


@contextmanager
def recorded(page: "Page", folder: Path, post: OutgoingPost) -> Iterator[Record]:
    """Watch one submit; what was seen is forgotten unless somebody calls `keep`."""
    record = Record(page, folder, post)
    record.start()
    try:
        yield record
    finally:
        record.stop()


def _call(request: "Request") -> dict[str, Any]:
    """A call without its query, headers and body."""
    return {"method": request.method, "path": urlsplit(request.url).path}


def _secrets(page: "Page") -> list[bytes]:
    """The values of the session's cookies, as they are and as JSON writes them."""
    values = {cookie.get("value", "") for cookie in page.context.cookies()}
    written = {form for value in values if len(value) >= _SECRET_LENGTH for form in (value, json.dumps(value)[1:-1])}
    return [value.encode() for value in sorted(written, key=len, reverse=True)]


def _strike(content: bytes, secrets: list[bytes]) -> bytes:
    for secret in secrets:
        content = content.replace(secret, _STRUCK)
    return content


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
