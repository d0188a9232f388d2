"""Pages by cursor: an opaque word that says after which row the next page begins, stable while rows are added."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query

from xbot_dagster.api.problems import Problem

Row = TypeVar("Row")
Limit = Annotated[int, Query(ge=1, le=200, description="Rows a page.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before.")]


def after(cursor: str | None) -> tuple[datetime, str] | None:
    """The (time, id) a cursor stands for. Raises Problem 422 for one that is not ours."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        instant = datetime.fromisoformat(at)
        if instant.utcoffset() is None or not isinstance(key, str) or "\0" in key:
            raise ValueError
    except (binascii.Error, ValueError, TypeError):
        raise Problem(422, "That cursor is not one of ours.", "Use next_cursor of the page before, or none.") from None
    return instant, key


def page(rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[datetime, str]]) -> dict[str, Any]:
    """A `shapes.Page` of at most `limit` of `rows`, which holds one row more where another page follows."""
    shown = rows[:limit]
    cursor = None
    if len(rows) > limit:
        at, identity = key(shown[-1])
        cursor = base64.urlsafe_b64encode(json.dumps([at.isoformat(), identity]).encode()).decode().rstrip("=")
    return {"items": shown, "next_cursor": cursor}
