"""Queue & calendar: the week in the account's zone, and what people do with drafts: approve, edit, reject, move, cancel."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from nicegui import ui

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.drafts import DraftActions
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import EMPTY, Html, tag
from xbot_dagster.store import agenda

_OPEN = ("awaiting_approval", "queued")


def mount(service: Service) -> None:
    @page(service, "/queue", "queue", "Queue & calendar")
    async def queue(view: View) -> None:
        actions = DraftActions(view)
        with ui.element("div").classes("stack"):
            listed = Block(lambda: _list(view), actions.act)
            actions.changed = listed.refresh
            await listed.show()
            await Block(lambda: _week(view)).show()


def _list(view: View) -> Html:
    now = view.service.now()
    with view.service.begin() as conn:
        items = agenda.planned(conn, view.account.account, statuses=agenda.PLANNED_STATUSES, limit=100)
    waiting = [item for item in items if item.status == "awaiting_approval"]
    others = [item for item in items if item.status != "awaiting_approval"]
    return tag("div", _waiting(view, waiting, now), _queued(view, others, now), class_="stack")


def _waiting(view: View, items: list[agenda.Planned], now: datetime) -> Html:
    if not items:
        return parts.card("Waiting for approval", tag("p", "Nothing waits for you.", class_="muted"))
    every = ",".join(item.decision_id for item in items)
    batch = tag(
        "div",
        parts.button(f"Approve all {len(items)}", "approve_all", "primary", disabled=not view.may_change, id=every),
        class_="row",
    )
    rows = [_row(view, item, now, ("approve", "edit", "reject", "move")) for item in items]
    return parts.card("Waiting for approval", batch, tag("ol", rows, class_="items"), aside=f"{len(items)} drafts")


def _queued(view: View, items: list[agenda.Planned], now: datetime) -> Html:
    if not items:
        body = parts.empty("The queue is empty.", "Find something to say, then plan the day:", "xbot plan")
        return parts.card("Queue", body, flush=True)
    rows = [_row(view, item, now, ("edit", "move", "cancel")) for item in items]
    return parts.card("Queue", tag("ol", rows, class_="items"), aside=f"{len(items)} posts", flush=True)


_LABELS = {"approve": "Approve", "edit": "Edit", "reject": "Reject", "move": "Move", "cancel": "Cancel"}


def _row(view: View, item: agenda.Planned, now: datetime, offered: tuple[str, ...]) -> Html:
    zone = view.account.zone
    kind = wording.KIND[item.decision_type] + (f" of {len(item.parts)}" if len(item.parts) > 1 else "")
    facts = [kind, *filter(None, (item.topic, item.arm)), wording.prediction(item.predicted)]
    if item.expires_at is not None:
        facts.append(f"expires {wording.ago(item.expires_at, now)}")
    link = tag("a", item.text or "(no text)", href=view.link(f"/post/{item.decision_id}"), class_="text")
    meta = tag("p", [tag("span", fact) for fact in facts if fact], class_="meta")
    buttons = [
        parts.button(
            _LABELS[name],
            name,
            {"approve": "primary", "reject": "danger", "cancel": "danger"}.get(name, ""),
            disabled=not view.may_change or item.status not in _OPEN,
            id=item.decision_id,
        )
        for name in offered
    ]
    when = parts.when(item.scheduled_at, zone, now, relative=False)
    body = tag("div", link, meta, tag("div", buttons, class_="row"), class_="what")
    return tag("li", when, body, tag("div", parts.status_chip(item.status), class_="end"))


def _week(view: View) -> Html:
    """Seven days from today on the account's own calendar."""
    zone, now = view.account.zone, view.service.now()
    local = now.astimezone(ZoneInfo(zone))
    start = local.replace(hour=0, minute=0, second=0, microsecond=0)
    with view.service.begin() as conn:
        planned = agenda.planned(conn, view.account.account, since=start, until=start + timedelta(days=7))
        done = agenda.happened(conn, view.account.account, since=start, until=start + timedelta(days=1))
    columns = []
    for offset in range(7):
        day = (start + timedelta(days=offset)).date()
        entries = [
            (item.scheduled_at, item.decision_id, item.text, item.status)
            for item in planned
            if item.scheduled_at is not None and item.scheduled_at.astimezone(ZoneInfo(zone)).date() == day
        ]
        if offset == 0:
            entries += [(item.posted_at, item.decision_id, item.text, "posted") for item in done]
        cells = [_entry(view, *entry) for entry in sorted(entries, key=lambda entry: entry[0])]
        head = tag("h3", f"{day:%a} {day.day}", tag("span", f" {len(cells)}", class_="muted") if cells else EMPTY)
        columns.append(tag("section", head, cells or tag("p", "free", class_="muted small"), class_="day-column"))
    return parts.card("Week", tag("div", columns, class_="week"), aside=zone)


def _entry(view: View, at: datetime, decision_id: str, text: str, status: str) -> Html:
    kind = wording.STATUS[status][1]
    return tag(
        "a",
        tag("b", wording.clock_time(at, view.account.zone)),
        tag("span", text[:60]),
        tag("span", wording.STATUS[status][0], class_="sr"),
        href=view.link(f"/post/{decision_id}"),
        class_=f"slot {kind}".strip(),
        title=wording.STATUS[status][0],
    )
