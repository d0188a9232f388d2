"""The pieces pages are made of: cards, figures, chips, empty states, rows of posts."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from xbot_dagster.dashboard import wording
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.domain.alerting import Cause

_COMMAND = re.compile(r"xbot(?: [A-Za-z0-9_./<>-]+)+")


def card(title: str, *body: object, aside: object = "", flush: bool = False, span: str = "") -> Html:
    """A titled section; `flush` lets lists and tables reach its edges."""
    head = tag("header", tag("h2", title), tag("span", aside, class_="aside") if aside else "")
    inner = tag("div", body, class_="flush" if flush else "body")
    return tag("section", head, inner, class_=f"card {span}".strip(), aria_label=title)


def empty(what: str, then: str = "", command: str = "") -> Html:
    """An empty state: what is missing, and what to do next."""
    parts = [tag("strong", what)]
    if then:
        parts.append(tag("span", then))
    if command:
        parts.append(tag("code", command))
    return tag("div", parts, class_="empty")


def chip(words: str, kind: str = "", dot: bool = False) -> Html:
    return tag("span", tag("span", class_="dot") if dot else "", words, class_=f"chip {kind}".strip())


def status_chip(status: str) -> Html:
    words, kind = wording.STATUS.get(status, (status, ""))
    return chip(words, kind)


def figure(label: str, value: str, sub: object = "") -> Html:
    """One number of the strip at the top of a page."""
    below = tag("div", sub, class_="sub") if sub else ""
    return tag("div", tag("div", label, class_="label"), tag("div", value, class_="value"), below, class_="kpi")


def figures(*found: Html) -> Html:
    return tag("div", found, class_="kpis")


def change(value: float | None, of: str) -> Html:
    """A signed change, coloured and never by colour alone."""
    if value is None:
        return tag("span", f"no count from {of} ago yet")
    kind = "" if not value else "up" if value > 0 else "down"
    return tag("span", tag("span", wording.signed(value), class_=kind), f" in {of}")


def causes(title: str, found: list[Cause], kind: str) -> Html:
    """Why something does not happen, with the command that changes it."""
    rows = [tag("div", cause.reason[:1].upper() + cause.reason[1:], ". ", fix(cause.fix)) for cause in found]
    return tag("div", tag("div", tag("strong", title), rows, class_="causes"), class_=f"note {kind}", role="status")


def fix(words: str) -> Html:
    """A sentence with its commands as code."""
    found, end = [], 0
    for command in _COMMAND.finditer(words):
        shown = command.group().rstrip(".")
        found += [words[end : command.start()], tag("code", shown)]
        end = command.start() + len(shown)
    return tag("span", [*found, words[end:]])


def table(label: str, names: Sequence[str], rows: Iterable[Html], right: Sequence[str] = ()) -> Html:
    """Rows under their heads; the columns named in `right` hold numbers. A name that begins with '(' is only read out."""
    heads = [
        tag("th", tag("span", name.strip("()"), class_="sr") if name.startswith("(") else name, scope="col",
            class_="r" if name in right else None)
        for name in names
    ]  # fmt: skip
    found = tag("table", tag("thead", tag("tr", heads)), tag("tbody", list(rows)), class_="t")
    return tag("div", found, class_="scroll", tabindex="0", role="region", aria_label=label)


def outside(words: str, href: str, kind: str = "") -> Html:
    """A link to another service, opened beside this page."""
    return tag("a", words, " ↗", href=href, target="_blank", rel="noopener", class_=kind or None)


def when(at: datetime | None, zone: str, now: datetime, *, relative: bool = True) -> Html:
    """A time on the account's clock; the exact instant is in the tooltip."""
    if at is None:
        return tag("span", wording.UNKNOWN, class_="when")
    below = wording.ago(at, now) if relative else wording.day(at, zone, now)
    return tag(
        "time", tag("b", wording.clock_time(at, zone)), " ", below, class_="when", datetime=at.isoformat(),
        title=f"{at:%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip


def button(words: str, action: str, kind: str = "", *, disabled: bool = False, **data: object) -> Html:
    """A button whose click reaches the page's handler as `action` with its data."""
    values = {f"data_{name}": value for name, value in data.items()}
    return tag(
        "button", words, type="button", class_=f"btn {kind}".strip(), data_action=action, disabled=disabled, **values
    )
