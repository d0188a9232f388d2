"""Experiments: what runs, the lift with its interval, "cannot tell yet" said plainly, and the days still needed."""

import math

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import charts, parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.store import experiments as store


def mount(service: Service) -> None:
    @page(service, "/experiments", "experiments", "Experiments")
    async def experiments(view: View) -> None:
        await Block(lambda: _render(view), seconds=30).show()


def _render(view: View) -> Html:
    with view.service.begin() as conn:
        found = store.experiments(conn, view.account.account)
        lifts = {each.experiment_id: store.newest_lifts(conn, each.experiment_id) for each in found}
    if not found:
        words = "Plan the runbook's week, or one experiment:"
        return parts.card(
            "Experiments", parts.empty("No experiment yet.", words, "xbot experiments plan --help"), flush=True
        )
    return tag("div", [_card(view, each, lifts[each.experiment_id]) for each in reversed(found)], class_="stack")


def _card(view: View, found: store.Experiment, lifts: list[store.LiftRow]) -> Html:
    now, zone = view.service.now(), view.account.zone
    asks = found.plan.get("asks")
    facts = [
        ("State", found.state),
        ("Share treated", wording.percent(found.share, 0)),
        ("From", wording.moment(found.starts_at, zone, now)),
        ("Until", wording.moment(found.ends_at, zone, now)),
        ("Days needed", _days(found)),
    ]
    listed = tag("dl", [tag("dt", name) + tag("dd", value) for name, value in facts], class_="facts")
    body = [tag("p", asks) if asks else "", listed, _lifts(lifts)]
    return parts.card(found.experiment_id, tag("div", body, class_="stack"), aside=found.preset)


def _days(found: store.Experiment) -> str:
    needed = found.plan.get("days_needed")
    if needed is None:
        return found.plan.get("reason") or "unknown until posts have been measured"
    return f"{math.ceil(needed)} for an effect of {found.plan.get('wanted', 0.2):+.0%}"


def _lifts(rows: list[store.LiftRow]) -> Html:
    if not rows:
        return tag("p", "Cannot tell yet: nothing was measured.", class_="muted")
    known = [value for row in rows for value in (row.low, row.high) if value is not None]
    scale = (min([*known, 0.0]), max([*known, 0.0]))
    head = tag("tr", [tag("th", name) for name in ("Metric", "Posts", "Lift", "95 % interval", "Verdict")])
    body = [
        tag(
            "tr",
            tag("td", row.metric),
            tag("td", row.n, class_="r"),
            tag("td", wording.number(row.lift, 4), class_="r"),
            tag("td", charts.interval(row.lift, row.low, row.high, scale)),
            tag("td", _verdict(row), class_="wide"),
        )
        for row in rows
    ]
    return tag("div", tag("table", head, body, class_="t"), class_="scroll")


def _verdict(row: store.LiftRow) -> str:
    """Judged by the confidence sequence, which allows daily looks."""
    if row.verdict == "refused":
        return f"Cannot tell yet: {row.reason or 'too little data'}."
    if row.cs_low is None or row.cs_high is None or row.cs_low <= 0 <= row.cs_high:
        return "Cannot tell yet: the effect may be nothing."
    return "Better than control." if row.cs_low > 0 else "Worse than control."
