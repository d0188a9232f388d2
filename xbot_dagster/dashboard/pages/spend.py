"""Spend: what the LLM and X cost, by day and by purpose, and which calls failed."""

from datetime import timedelta

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import charts, parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.store import figures, spending

_DAYS = 30


def mount(service: Service) -> None:
    @page(service, "/spend", "spend", "Spend")
    async def spend(view: View) -> None:
        await Block(lambda: _render(view), seconds=30).show()


def _render(view: View) -> Html:
    service, name = view.service, view.account.account
    since = service.budget_day() - timedelta(days=_DAYS - 1)
    with service.begin() as conn:
        days = spending.by_day(conn, since, name)
        purposes = spending.by_purpose(conn, since, name)
        failed = spending.failures(conn, since)
        today = figures.learning(conn, name, service.budget_day())
    limit = service.settings.DAILY_OPENAI_LIMIT_USD
    strip = parts.figures(
        parts.figure("LLM today", wording.usd(today.budget_used_usd), f"of {wording.usd(limit)}, all accounts"),
        parts.figure(f"LLM, {_DAYS} days", wording.usd(sum(d.llm_usd for d in days))),
        parts.figure(f"X API, {_DAYS} days", wording.usd(sum(d.x_usd for d in days))),
        parts.figure("Calls", wording.count(sum(d.calls for d in days)), f"{sum(d.failed for d in days)} failed"),
    )
    by_day = (
        charts.line([(d.day, d.llm_usd + d.x_usd) for d in days], "Spend a day", wording.usd, from_zero=True)
        if len(days) > 1
        else parts.empty("Not enough days yet.")
    )
    return tag(
        "div",
        strip,
        parts.card("By day, LLM and X API", by_day, aside=f"{_DAYS} budget days, {service.settings.BUDGET_ZONE}"),
        parts.card("By purpose", _purposes(purposes), flush=True),
        parts.card("Failed calls", _failures(view, failed), flush=True),
        class_="stack",
    )


def _purposes(rows: list[spending.PurposeSpend]) -> Html:
    if not rows:
        return parts.empty("Nothing was spent yet.", "Planning makes the first calls:", "xbot plan")
    body = [
        tag(
            "tr",
            tag("td", row.purpose),
            tag("td", row.model),
            tag("td", row.calls, class_="r"),
            tag("td", row.failed, class_="r"),
            tag("td", f"{wording.count(row.input_tokens)} / {wording.count(row.output_tokens)}", class_="r"),
            tag("td", wording.usd(row.usd), class_="r"),
        )
        for row in rows
    ]
    numbers = ("Calls", "Failed", "Tokens in / out", "USD")
    return parts.table("By purpose", ("Purpose", "Model", *numbers), body, right=numbers)


def _failures(view: View, rows: list[spending.FailedCall]) -> Html:
    if not rows:
        return tag("p", "No call failed.", class_="muted pad")
    now = view.service.now()
    body = [
        tag(
            "tr",
            tag("td", wording.moment(row.at, view.account.zone, now)),
            tag("td", row.purpose),
            tag("td", row.error),
        )
        for row in rows
    ]
    return parts.table("Failed calls", ("When", "Purpose", "Error"), body)
