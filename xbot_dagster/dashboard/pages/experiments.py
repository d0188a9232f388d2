"""Experiments: what runs, the lift with its interval, "cannot tell yet" said plainly, and the days still needed."""

import math
from datetime import datetime

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import charts, parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import EMPTY, Html, tag
from xbot_dagster.domain.learning.outlook import days_still_needed
from xbot_dagster.stages.lift import PRIMARY
from xbot_dagster.store import experiments as store

_LONG = 365.0


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
        ("Planned for", _days(found)),
    ]
    listed = tag("dl", [tag("dt", name) + tag("dd", value) for name, value in facts], class_="facts")
    said = tag("p", tag("strong", _summary(found, lifts, now)))
    body = [tag("p", asks) if asks else EMPTY, said, listed, _lifts(found, lifts, now)]
    link = parts.outside(found.preset, view.dagster("/assets/experiment_lift"))
    return parts.card(found.experiment_id, tag("div", body, class_="stack"), aside=link)


def _days(found: store.Experiment) -> str:
    needed = found.plan.get("days_needed")
    if needed is None:
        return f"unknown: {found.plan.get('reason') or 'no post had been measured'}"
    return f"{math.ceil(needed)} days, for an effect of {found.plan.get('wanted', 0.2):+.0%}"


def _summary(found: store.Experiment, rows: list[store.LiftRow], now: datetime) -> str:
    """What can be said of the question it was made for, and how long it still needs."""
    primary = next((row for row in rows if row.metric == PRIMARY), None)
    if primary is None:
        return "Cannot tell yet: nothing was measured."
    over = "" if found.state != "ended" or primary.told else "It is over: plan a longer one."
    return f"{wording.METRIC[PRIMARY].capitalize()}: {_verdict(primary)} {_still(found, primary, now)} {over}".strip()


def _still(found: store.Experiment, row: store.LiftRow, now: datetime) -> str:
    end = min(now, found.ends_at) if found.ends_at else now
    needed = days_still_needed(
        days=(end - found.starts_at).total_seconds() / 86_400,
        effective_n=row.effective_n,
        lift=row.lift,
        se=row.se,
        told=row.told,
    )
    if not needed:
        return ""
    if needed > _LONG:
        return "At this pace it would need more than a year."
    return f"At this pace it needs about {wording.plural(math.ceil(needed), 'more day')}."


def _lifts(found: store.Experiment, rows: list[store.LiftRow], now: datetime) -> Html:
    if not rows:
        return EMPTY
    known = [value for row in rows for value in (row.low, row.high) if value is not None]
    scale = (min([*known, 0.0]), max([*known, 0.0]))
    body = [
        tag(
            "tr",
            tag("td", wording.METRIC.get(row.metric, row.metric)),
            tag("td", row.n, class_="r"),
            tag("td", wording.number(row.lift, 4), class_="r"),
            tag("td", charts.interval(row.lift, row.low, row.high, scale)),
            tag("td", _verdict(row), " ", _still(found, row, now), class_="wide"),
        )
        for row in rows
    ]
    names = ("Metric", "Posts", "Lift", "95 % interval", "Verdict")
    return parts.table(f"Lifts of {found.experiment_id}", names, body, right=("Posts", "Lift"))


def _verdict(row: store.LiftRow) -> str:
    """Judged by the confidence sequence, which allows daily looks."""
    if row.verdict == "refused":
        return f"Cannot tell yet: {row.reason or 'too little data'}."
    if not row.told:
        return "Cannot tell yet: the effect may be nothing."
    return "Better than control." if (row.cs_low or 0) > 0 else "Worse than control."
