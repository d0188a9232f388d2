"""What is kept of a page when a submit met trouble: a picture, the page, its address and its toasts. Readable by the owner only."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xbot_dagster.x.protocols import OutgoingPost
from xbot_dagster.x.site import site

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHOT_MS = 3_000


def keep(page: "Page", folder: Path, post: OutgoingPost) -> dict[str, Any]:
    """Store what can still be had of the page under `folder`/<decision>-<part>/; returns the file names and the address.

    A crashed page has nothing to give: then the facts say so. Cookies are in none of it."""
    from playwright.sync_api import Error

    place = folder / f"{post.decision_id}-{post.part}"
    try:
        facts: dict[str, Any] = {
            "url": page.url,
            "toasts": page.locator(site("alert")).all_inner_texts(),
        }
        picture = page.screenshot(timeout=SHOT_MS)
        content = page.content()
    except Error as error:
        return {"page": str(error).strip().splitlines()[0][:200]}
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(place / "page.png", picture)
    _write(place / "page.html", content.encode())
    _write(place / "facts.json", json.dumps(facts).encode())
    return {**facts, "folder": place.name}


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
