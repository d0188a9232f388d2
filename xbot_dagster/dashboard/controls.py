"""The kill switch on every page, and the dialog that asks before anything is switched."""

from collections.abc import Awaitable, Callable

from nicegui import run, ui

from xbot_dagster.dashboard.live import inform
from xbot_dagster.dashboard.markup import tag
from xbot_dagster.stages import controls

_STOPPING = (
    "Takes effect before the next submit or LLM call. The queue is kept; a post under way is finished and reconciled."
)
_RESUMING = (
    "Resuming also closes the circuits that stopped an account or today's LLM calls: do it only after you have looked."
)


class Dialog:
    """A dialog with a title, a body of its own and buttons. Escape and a click beside it close it."""

    def __init__(self, title: str) -> None:
        self.dialog = ui.dialog().props(f'transition-duration="0" aria-label="{title}"')
        with self.dialog:
            self.panel = ui.element("div").classes("panel")
        with self.panel:
            ui.html(tag("h2", title), sanitize=False)

    def open(self) -> None:
        self.dialog.open()

    def close(self) -> None:
        self.dialog.close()
        self.dialog.delete()


def native_button(words: str, on_click, kind: str = "") -> ui.element:
    """A plain button element."""
    made = ui.element("button").classes(f"btn {kind}").props('type="button"').on("click", on_click)
    with made:
        ui.html(tag("span", words), sanitize=False, tag="span")
    return made


class KillSwitch:
    """Stop and resume for the whole deployment; `changed` is called after each change."""

    def __init__(self, view) -> None:
        self.view = view
        self.changed: Callable[[], Awaitable[None]] | None = None

    def act(self, data: dict[str, str]) -> None:
        if self.view.may_change and data["action"] in ("stop", "resume"):
            self._ask(data["action"])

    def _ask(self, action: str) -> None:
        stopping = action == "stop"
        asked = Dialog("Stop what?" if stopping else "Resume what?")
        explanation = _STOPPING if stopping else _RESUMING
        verb, kind = ("Stop", "solid-danger") if stopping else ("Resume", "primary")
        with asked.panel:
            ui.html(tag("p", explanation), sanitize=False)
            with ui.element("div").classes("actions"):
                native_button("Cancel", asked.close, "quiet")
                native_button(f"{verb} LLM", lambda: self._do(asked, action, ("llm",)))
                native_button(f"{verb} posting", lambda: self._do(asked, action, ("posting",)))
                native_button(f"{verb} everything", lambda: self._do(asked, action, controls.EVERYTHING), kind)
        asked.open()

    async def _do(self, asked: Dialog, action: str, what) -> None:
        service, actor = self.view.service, self.view.caller.actor
        change = controls.stop if action == "stop" else controls.resume
        await run.io_bound(change, service.engine, service.settings, what, actor=actor)
        # Before the dialog goes: a message needs the element it was asked from.
        inform(f"{'Stopped' if action == 'stop' else 'Resumed'}: {', '.join(what)}.")
        asked.close()
        if self.changed is not None:
            await self.changed()
