"""The dialogs behind a draft's buttons: approve, edit with a live count and a preview, reject, move, cancel."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from nicegui import run, ui

from xbot_dagster.api.auth import Caller
from xbot_dagster.dashboard.controls import Dialog, native_button
from xbot_dagster.dashboard.frame import View
from xbot_dagster.dashboard.live import inform
from xbot_dagster.dashboard.markup import EMPTY, Html, lines, tag
from xbot_dagster.domain.measuring.weighted_length import weighted_length
from xbot_dagster.errors import Conflict, UsageError, UserError
from xbot_dagster.stages import approve as approving
from xbot_dagster.store import agenda, audit, posting

MAX_WEIGHT = 280


class DraftActions:
    """What the buttons of the queue do; `changed` is called after each change."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.changed: Callable[[], Awaitable[None]] | None = None

    async def act(self, data: dict[str, str]) -> None:
        if not self.view.may_change:
            return
        action, found = data["action"], data.get("id", "")
        picked = [UUID(each) for each in data.get("picked", "").split(",") if each]
        if action == "approve":
            await self._apply("Approved.", self._approve, found, _instant(data.get("seen")))
        elif action == "approve_all":
            await self._many("approve", [UUID(each) for each in found.split(",")])
        elif action in ("approve_picked", "reject_picked") and not picked:
            inform("Tick the drafts first.", "warning")
        elif action == "approve_picked":
            await self._many("approve", picked)
        elif action == "reject_picked":
            self._reject_many(picked)
        elif action == "edit":
            await self._edit(found)
        elif action == "reject":
            seen = _instant(data.get("seen"))
            self._ask("Reject this draft", "Reason", "Reject", "Rejected.", self._reject, found, seen)
        elif action == "cancel":
            self._ask("Take this post back", "Reason", "Cancel the post", "Cancelled.", self._cancel, found, None)
        elif action == "move":
            await self._move(found)

    async def _apply(self, done: str, change: Callable[..., Any], *words: Any) -> bool:
        """Run a change off the event loop; a refusal is shown, never raised."""
        try:
            await run.io_bound(change, *words)
        except UserError as error:
            inform(str(error), "negative")
            return False
        inform(done)
        if self.changed is not None:
            await self.changed()
        return True

    @property
    def caller(self) -> Caller:
        return self.view.caller

    def _approve(self, decision_id: str, seen_at: datetime | None) -> None:
        with self.view.service.begin(self.caller) as conn:
            approving.approve(conn, UUID(decision_id), self.caller.actor, seen_at=seen_at)

    async def _many(self, action: str, ids: list[UUID], reason: str | None = None) -> bool:
        result = await run.io_bound(approving.batch, self.view.service.engine, ids, self.caller.actor, action, reason)
        assert result is not None
        done = "approved" if action == "approve" else "rejected"
        why = f" {len(result.refused)} not: {next(iter(result.refused.values()))}" if result.refused else ""
        inform(f"{len(result.done)} {done}.{why}", "warning" if result.refused else "positive")
        if self.changed is not None:
            await self.changed()
        return bool(result.done)

    def _reject_many(self, ids: list[UUID]) -> None:
        asked = Dialog(f"Reject {len(ids)} drafts" if len(ids) > 1 else "Reject this draft")
        with asked.panel:
            reason = ui.textarea("Reason").props("outlined dense autofocus").classes("w-full")

            async def go() -> None:
                if await self._many("reject", ids, reason.value or ""):
                    asked.close()

            with ui.element("div").classes("actions"):
                native_button("Back", asked.close, "quiet")
                native_button("Reject", go, "solid-danger")
        asked.open()

    def _reject(self, decision_id: str, seen_at: datetime | None, reason: str) -> None:
        with self.view.service.begin(self.caller) as conn:
            approving.reject(conn, UUID(decision_id), self.caller.actor, reason, seen_at=seen_at)

    def _cancel(self, decision_id: str, _: datetime | None, reason: str) -> None:
        with self.view.service.begin(self.caller) as conn:
            if not posting.cancel(conn, decision_id, f"{self.caller.actor}: {reason or 'cancelled by hand'}"):
                raise Conflict("The post can no longer be cancelled.")
            audit.record(conn, "DECISION_CANCELLED", "queue", {"decision_id": decision_id, "reason": reason})

    def _ask(
        self,
        title: str,
        label: str,
        verb: str,
        done: str,
        change: Callable[..., Any],
        decision_id: str,
        seen_at: datetime | None,
    ) -> None:
        asked = Dialog(title)
        with asked.panel:
            reason = ui.textarea(label).props("outlined dense autofocus").classes("w-full")
            with ui.element("div").classes("actions"):

                async def go() -> None:
                    if await self._apply(done, change, decision_id, seen_at, reason.value or ""):
                        asked.close()

                native_button("Back", asked.close, "quiet")
                native_button(verb, go, "solid-danger")
        asked.open()

    async def _look(self, decision_id: str) -> agenda.Planned | None:
        def read() -> agenda.Planned | None:
            with self.view.service.begin() as conn:
                return agenda.planned_one(conn, decision_id)

        return await run.io_bound(read)

    async def _edit(self, decision_id: str) -> None:
        item = await self._look(decision_id)
        if item is None:
            return
        asked, fields = Dialog("Edit"), []
        with asked.panel:
            preview = ui.html("", sanitize=False)

            def refresh() -> None:
                preview.set_content(_preview(self.view.account.handle, [field.value or "" for field in fields]))

            for number, text in enumerate(item.parts or (item.text,), 1):
                label = "Text" if len(item.parts) < 2 else f"Part {number}"
                fields.append(ui.textarea(label, value=text, on_change=refresh).props("outlined dense autogrow"))
            refresh()

            def save() -> None:
                revision = self.view.service.revise(item.account, [field.value or "" for field in fields])
                with self.view.service.begin(self.caller) as conn:
                    approving.edit(
                        conn,
                        self.view.service.settings,
                        UUID(decision_id),
                        revision,
                        self.caller.actor,
                        seen_at=item.updated_at,
                    )

            async def go() -> None:
                if await self._apply("Saved; the gates passed it.", save):
                    asked.close()

            with ui.element("div").classes("actions"):
                native_button("Back", asked.close, "quiet")
                native_button("Save and approve", go, "primary")
        asked.open()

    async def _move(self, decision_id: str) -> None:
        item = await self._look(decision_id)
        if item is None or item.scheduled_at is None:
            return
        zone = ZoneInfo(self.view.account.zone)
        asked = Dialog("Move to another time")
        with asked.panel:
            value = f"{item.scheduled_at.astimezone(zone):%Y-%m-%dT%H:%M}"
            when = ui.input(f"Time in {self.view.account.zone}", value=value).props(
                "outlined dense type=datetime-local"
            )

            def save() -> None:
                try:
                    at = datetime.fromisoformat(when.value or "").replace(tzinfo=zone)
                except ValueError:
                    raise UsageError("That is not a date and time.") from None
                with self.view.service.begin(self.caller) as conn:
                    approving.reschedule(conn, UUID(decision_id), at, self.caller.actor, seen_at=item.updated_at)

            async def go() -> None:
                if await self._apply("Moved.", save):
                    asked.close()

            with ui.element("div").classes("actions"):
                native_button("Back", asked.close, "quiet")
                native_button("Move", go, "primary")
        asked.open()


def _instant(words: str | None) -> datetime | None:
    """When what the person looked at was last changed: somebody else's later change makes it a conflict."""
    return datetime.fromisoformat(words) if words else None


def _preview(handle: str, texts: list[str]) -> Html:
    """Each part as it will look, with its weighted length."""
    posts, last = [], len(texts)
    for number, text in enumerate(texts, 1):
        weight = weighted_length(text)
        kind = "bad" if weight > MAX_WEIGHT or not text.strip() else "muted"
        place = tag("span", f"{number} of {last}", class_="muted") if last > 1 else EMPTY
        count = tag("span", f"{weight} / {MAX_WEIGHT}", class_=f"count-chars {kind}")
        head = tag("div", tag("b", f"@{handle}"), place, count)
        face = tag("span", handle[:1].upper(), class_="face", aria_hidden="true")
        posts.append(tag("article", face, tag("div", head, tag("p", lines(text))), class_="preview"))
    return tag("div", posts, class_="previews", aria_live="polite")
