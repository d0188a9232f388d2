"""The stylesheet and the icons, served from this process and cached by their content."""

import hashlib
from functools import cache
from pathlib import Path

from xbot_dagster.dashboard.markup import Html, join, tag

FOLDER = Path(__file__).parent / "static"

# 24 × 24 line icons, drawn for this project.
_ICONS = {
    "brand": "M4 19 L10 5 L14 14 L20 5 M14 14 L16 19",
    "today": "M4 12 L12 4 L20 12 M6 10 V20 H18 V10",
    "queue": "M4 6 H20 V20 H4 Z M4 10 H20 M8 3 V7 M16 3 V7",
    "growth": "M4 19 L10 12 L14 15 L20 6 M15 6 H20 V11",
    "learning": "M12 4 A5 5 0 0 1 15 13 V16 H9 V13 A5 5 0 0 1 12 4 M10 20 H14",
    "experiments": "M9 4 H15 M10 4 V10 L5 19 H19 L14 10 V4",
    "spend": "M12 4 V20 M16 7 C16 5 8 5 8 9 C8 13 16 11 16 15 C16 19 8 19 8 17",
    "alerts": "M6 17 V11 A6 6 0 0 1 18 11 V17 L20 19 H4 Z M10 21 H14",
    "settings": "M4 8 H14 M18 8 H20 M4 16 H6 M10 16 H20 M14 5 V11 M10 13 V19",
    "stop": "M8 3 H16 L21 8 V16 L16 21 H8 L3 16 V8 Z",
    "external": "M14 4 H20 V10 M20 4 L11 13 M18 14 V20 H4 V6 H10",
    "theme": "M12 4 A8 8 0 1 0 20 12 A6 6 0 0 1 12 4",
}


def icon(name: str) -> Html:
    """A decorative icon."""
    path = tag(
        "path", d=_ICONS[name], fill="none", stroke="currentColor", stroke_width="1.8", stroke_linecap="round",
        stroke_linejoin="round",
    )  # fmt: skip
    return tag("svg", path, viewBox="0 0 24 24", aria_hidden="true", focusable="false")


@cache
def head_links() -> Html:
    """Links to the stylesheet (its address changes with its content) and the icon of the tab."""
    digest = hashlib.sha256((FOLDER / "xbot.css").read_bytes()).hexdigest()[:12]
    return join(
        (
            tag("link", rel="stylesheet", href=f"/static/xbot.css?v={digest}"),
            tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        )
    )
