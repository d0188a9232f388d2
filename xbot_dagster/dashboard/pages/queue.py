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
_WEEKS = 52
_MOST = 500  # posts of a week


def mount(service: Service) -> None:
    @page(service, "/queue", "queue", "Queue & calendar")
    async def queue(view: View) -> None:
        week = _chosen(ui.context.client.request.query_params.get("week"))
        actions = DraftActions(view)
        with ui.element("div").classes("stack"):
            listed = Block(lambda: _list(view), actions.act)
            actions.changed = listed.refresh
            for shown in (listed.start(), Block(lambda: _week(view, week)).start()):
                await shown


def _chosen(asked: str | None) -> int:
    """The week on show: 0 begins today, -1 ends yesterday."""
    found = asked or "0"
    number = int(found) if found.removeprefix("-").isdigit() and len(found) < 4 else 0
    return max(-_WEEKS, min(_WEEKS, number))


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
        parts.button("Approve ticked", "approve_picked", disabled=not view.may_change),
        parts.button("Reject ticked …", "reject_picked", "danger", disabled=not view.may_change),
        class_="row",
    )
    rows = [_row(view, item, now, ("approve", "edit", "reject", "move")) for item in items]
    aside = wording.plural(len(items), "draft")
    return parts.card("Waiting for approval", batch, tag("ol", rows, class_="items"), aside=aside)


def _queued(view: View, items: list[agenda.Planned], now: datetime) -> Html:
    if not items:
        body = parts.empty("The queue is empty.", "Find something to say, then plan the day:", "xbot plan")
        return parts.card("Queue", body, flush=True)
    rows = [_row(view, item, now, ("edit", "move", "cancel")) for item in items]
    aside = tag(
        "span",
        wording.plural(len(items), "post"),
        " · ",
        parts.outside("asset", view.dagster("/assets/queued_decisions")),
    )
    return parts.card("Queue", tag("ol", rows, class_="items"), aside=aside, flush=True)


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
            seen=item.updated_at.isoformat(),
        )
        for name in offered
    ]
    if "approve" in offered and view.may_change:
        words = f"Tick: {wording.short(item.text, 40)}"
        buttons.insert(0, tag("input", type="checkbox", class_="pick", data_pick=item.decision_id, aria_label=words))
    when = parts.when(item.scheduled_at, zone, now, relative=False)
    body = tag("div", link, meta, tag("div", buttons, class_="row"), class_="what")
    return tag("li", when, body, tag("div", parts.status_chip(item.status), class_="end"))


def _week(view: View, week: int) -> Html:
    """Seven days on the account's own calendar: what was posted and what will be."""
    zone, now = view.account.zone, view.service.now()
    local = now.astimezone(ZoneInfo(zone))
    start = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(weeks=week)
    end = start + timedelta(days=7)
    with view.service.begin() as conn:
        planned = agenda.planned(conn, view.account.account, since=start, until=end, limit=_MOST)
        done = agenda.happened(conn, view.account.account, since=start, until=end, limit=_MOST)
    columns = []
    for offset in range(7):
        day = (start + timedelta(days=offset)).date()
        entries = [
            (item.scheduled_at, item.decision_id, item.text, item.status)
            for item in planned
            if item.scheduled_at is not None and item.scheduled_at.astimezone(ZoneInfo(zone)).date() == day
        ]
        entries += [
            (item.posted_at, item.decision_id, item.text, "posted")
            for item in done
            if item.posted_at.astimezone(ZoneInfo(zone)).date() == day
        ]
        cells = [_entry(view, *entry) for entry in sorted(entries, key=lambda entry: entry[0])]
        head = tag("h3", f"{day:%a} {day.day}", tag("span", f" {len(cells)}", class_="muted") if cells else EMPTY)
        nothing = tag("p", "free" if day >= local.date() else "no post", class_="muted small")
        columns.append(tag("section", head, cells or nothing, class_="day-column"))
    turning = tag(
        "nav",
        tag("a", "← Earlier", href=view.link(f"/queue?week={week - 1}"), class_="btn"),
        tag("a", "Today", href=view.link("/queue"), class_="btn") if week else EMPTY,
        tag("a", "Later →", href=view.link(f"/queue?week={week + 1}"), class_="btn"),
        class_="row",
        aria_label="Weeks",
    )
    calendar = tag("div", columns, class_="week", tabindex="0", role="region", aria_label="Calendar of the week")
    title = f"{start:%b} {start.day} to {end - timedelta(days=1):%b} {(end - timedelta(days=1)).day}"
    return parts.card("Week", tag("div", turning, calendar, class_="stack"), aside=f"{title}, {zone}")


def _entry(view: View, at: datetime, decision_id: str, text: str, status: str) -> Html:
    kind = wording.STATUS[status][1]
    return tag(
        "a",
        tag("b", tag("time", wording.clock_time(at, view.account.zone)), tag("span", wording.STATUS[status][0])),
        tag("span", wording.short(text)),
        href=view.link(f"/post/{decision_id}"),
        class_=f"slot {kind}".strip(),
    )
