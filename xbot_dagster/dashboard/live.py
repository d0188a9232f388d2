"""Blocks of a page that keep themselves up to date, and the one way a click in them reaches the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import run, ui

from xbot_dagster.dashboard.markup import Html
from xbot_dagster.dashboard.parts import empty
from xbot_dagster.errors import DatabaseError, UserError
from xbot_dagster.store.engine import said_plainly

REFRESH_SECONDS = 5.0

# One listener a block: a click on (or inside) anything with data-action sends its data, and the rows that are ticked.
_CLICK = """(event) => {
  const found = event.target.closest('[data-action]');
  if (!found || found.disabled) return;
  event.preventDefault();
  const picked = [...document.querySelectorAll('[data-pick]:checked')].map((e) => e.dataset.pick);
  emit({...found.dataset, picked: picked.join(',')});
}"""

Action = Callable[[dict[str, str]], Awaitable[None] | None]


class Block:
    """Markup rendered off the event loop (it reads the database), shown again whenever it has changed."""

    def __init__(self, render: Callable[[], Html], act: Action | None = None, seconds: float = REFRESH_SECONDS) -> None:
        self.render = render
        self.seconds = seconds
        self.box = ui.html("", sanitize=False)
        if act is not None:
            self.box.on("click", lambda event: act(event.args), js_handler=_CLICK)

    async def show(self) -> None:
        """Render for the first time, and every few seconds from then on."""
        await self.start()

    def start(self) -> asyncio.Task[None]:
        """`show` without waiting for it, so that the blocks of a page read the database side by side."""
        ui.timer(self.seconds, self.refresh, immediate=False)
        return asyncio.create_task(self.refresh())

    async def refresh(self) -> None:
        content = await run.io_bound(self._rendered)
        if content is not None and content != self.box.content:
            self.box.set_content(content)

    def _rendered(self) -> str:
        try:
            with said_plainly():
                return self.render()
        except DatabaseError as error:
            return empty(error.message, "It is asked again every few seconds.", "xbot doctor")
        except UserError as error:
            return empty(error.message, error.hint)


def inform(words: str, kind: Any = "positive") -> None:
    """A short message in the corner, read out by screen readers; a refusal stays long enough to be read and acted upon."""
    stays = {"timeout": 20_000, "close_button": "Close"} if kind == "negative" else {}
    ui.notify(words, type=kind, position="bottom-right", multi_line=True, classes="toast", **stays)
