"""Alerts & ticks: what needs a person, whether it could be delivered, and why nothing was posted."""

from nicegui import run

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block, inform
from xbot_dagster.dashboard.markup import EMPTY, Html, tag
from xbot_dagster.store import alert_delivery, browse
from xbot_dagster.store import alerts as store


def mount(service: Service) -> None:
    @page(service, "/alerts", "alerts", "Alerts & ticks")
    async def alerts(view: View) -> None:
        async def act(data: dict[str, str]) -> None:
            if view.may_change and data["action"] == "ack":
                done = await run.io_bound(_acknowledge, view, int(data["id"]))
                inform("Acknowledged." if done else "Somebody else was faster.", "positive" if done else "warning")
                await block.refresh()

        block = Block(lambda: _render(view), act)
        await block.show()


def _acknowledge(view: View, number: int) -> bool:
    with view.service.begin(view.caller) as conn:
        return store.acknowledge(conn, number, view.caller.actor)


def _render(view: View) -> Html:
    with view.service.begin() as conn:
        living = browse.alerts(conn, ["open", "acknowledged"], None, 50)
        over = browse.alerts(conn, ["closed"], None, 10)
        failing = alert_delivery.failing_channels(conn)
        ticks = browse.latest_ticks(conn)
    return tag(
        "div",
        [_failing(channel) for channel in failing],
        EMPTY if view.service.settings.ALERT_URLS else _unsent(),
        parts.card("Open", _alerts(view, living, "Nothing needs you."), flush=True),
        parts.card(
            "Last tick of every sensor and schedule",
            _ticks(view, ticks),
            aside=parts.outside("sensors and schedules in Dagster", view.dagster("/automation")),
            flush=True,
        ),
        parts.card("Over", _alerts(view, over, "No alert has been closed yet."), flush=True),
        class_="stack",
    )


def _failing(channel: dict) -> Html:
    words = f"Alerts do not reach {channel['channel']}: {channel['error']}."
    return tag("div", tag("strong", "Delivery fails. "), tag("span", words), class_="note bad", role="status")


def _unsent() -> Html:
    words = (
        "Alerts are shown here and nowhere else. Set ALERT_URLS to any address Apprise knows, then: xbot alerts test"
    )
    return tag("div", parts.fix(words), class_="note")


def _alerts(view: View, rows: list[browse.AlertRow], nothing: str) -> Html:
    if not rows:
        return tag("p", nothing, class_="muted pad")
    now, shown = view.service.now(), []
    for row in rows:
        kind = {"critical": "bad", "warning": "warn"}.get(row.severity, "")
        button = EMPTY
        if row.state == "open":
            button = parts.button("Acknowledge", "ack", disabled=not view.may_change, id=row.id)
        facts = [row.rule.replace("_", " "), f"seen {wording.plural(row.occurrences, 'time')}", *_told(row)]
        if row.acknowledged_by:
            facts.append(f"acknowledged by {row.acknowledged_by}")
        if row.closed_at is not None:
            facts.append(f"over {wording.ago(row.closed_at, now)}")
        meta = tag("p", [tag("span", fact) for fact in facts], class_="meta")
        fix = tag("p", parts.fix(row.fix), class_="small") if row.fix and row.closed_at is None else EMPTY
        body = tag("div", tag("div", row.message), fix, meta, class_="what")
        end = tag("div", parts.chip(row.severity, kind), button, class_="end")
        shown.append(tag("li", parts.when(row.opened_at, view.account.zone, now), body, end))
    return tag("ol", shown, class_="items")


def _told(row: browse.AlertRow) -> list[str]:
    """Where it arrived, and where it did not."""
    last = {d["channel"]: d for d in row.deliveries if d.get("channel")}
    return [f"{'sent to' if sent.get('ok') else 'NOT sent to'} {channel}" for channel, sent in last.items()]


def _ticks(view: View, rows: list[browse.TickRow]) -> Html:
    if not rows:
        return parts.empty("Nothing has ticked yet.", "Start Dagster and its daemon:", "xbot dev")
    now = view.service.now()
    body = [
        tag(
            "tr",
            tag("td", row.name),
            tag("td", wording.ago(row.at, now)),
            tag("td", _did(row)),
            tag("td", row.skipped or wording.UNKNOWN, class_="wide"),
        )
        for row in rows
    ]
    return parts.table("Last ticks", ("Name", "When", "Did", "Or why not"), body)


def _did(row: browse.TickRow) -> str:
    asked = row.did.get("requested")
    if isinstance(asked, list):
        return f"started {', '.join(map(str, asked))}"
    return ", ".join(f"{key}: {value}" for key, value in row.did.items()) or wording.UNKNOWN
