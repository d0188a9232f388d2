"""Small charts as inline SVG: themed by the stylesheet, readable without colour, no script."""

from collections.abc import Callable, Sequence
from datetime import date

from xbot_dagster.dashboard import wording
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.store.reports import HourCell

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 180, 56, 22
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def line(
    points: Sequence[tuple[date, float]],
    label: str,
    words: Callable[[float | None], str] = wording.count,
    *,
    from_zero: bool = False,
    band: Sequence[tuple[float, float]] = (),
) -> Html:
    """A line over days, each point named in its tooltip; `band` holds an interval (low, high) for every point."""
    values = [value for _, value in points]
    known = [*values, *(end for pair in band for end in pair)]
    low, high = (min(0.0, *known) if from_zero or band else min(known)), max(known)
    span = (high - low) or 1.0
    step = (_WIDTH - _LEFT - 8) / max(1, len(points) - 1)

    def across(i: int) -> str:
        return f"{_LEFT + i * step:.1f}"

    def up(value: float) -> str:
        return f"{8 + (_HEIGHT - _BOTTOM - 16) * (1 - (value - low) / span):.1f}"

    shapes = [
        tag("line", x1=_LEFT, x2=_WIDTH - 8, y1=up(edge), y2=up(edge), stroke="var(--line)") for edge in (low, high)
    ]
    if low < 0 < high:
        shapes.append(tag("line", x1=_LEFT, x2=_WIDTH - 8, y1=up(0), y2=up(0), stroke="var(--line-strong)"))
    if band:
        edges = [f"{across(i)},{up(b)}" for i, (_, b) in enumerate(band)]
        edges += [f"{across(i)},{up(a)}" for i, (a, _) in reversed(list(enumerate(band)))]
        shapes.append(tag("polygon", points=" ".join(edges), fill="var(--accent-soft)"))
    shapes.append(
        tag("polyline", points=" ".join(f"{across(i)},{up(v)}" for i, v in enumerate(values)), fill="none",
            stroke="var(--accent)", stroke_width="2")
    )  # fmt: skip
    shapes += [
        tag("g", tag("title", f"{day:%a} {day.day} {day:%b}: {words(value)}"),
            tag("circle", cx=across(i), cy=up(value), r=3, fill="var(--accent)"))
        for i, (day, value) in enumerate(points)
    ]  # fmt: skip
    marks = [
        tag("text", words(high), x=_LEFT - 8, y=14, text_anchor="end"),
        tag("text", words(low), x=_LEFT - 8, y=_HEIGHT - _BOTTOM - 4, text_anchor="end"),
        tag("text", f"{points[0][0]:%d %b}", x=_LEFT, y=_HEIGHT - 4),
        tag("text", f"{points[-1][0]:%d %b}", x=_WIDTH - 8, y=_HEIGHT - 4, text_anchor="end"),
    ]
    described = f"{label}: from {words(values[0])} to {words(values[-1])}"
    return tag(
        "svg", shapes, marks, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="chart", role="img", aria_label=described
    )


def interval(value: float | None, low: float | None, high: float | None, scale: tuple[float, float]) -> Html:
    """One estimate with its interval on a common scale."""
    if value is None or low is None or high is None:
        return tag("span", wording.UNKNOWN, class_="muted")
    least, most = scale

    def at(x: float) -> float:
        return 4 + 152 * (min(max(x, least), most) - least) / ((most - least) or 1)

    zero = tag("line", x1=at(0), x2=at(0), y1=1, y2=17, stroke="var(--line-strong)") if least < 0 < most else ""
    bar = tag("line", x1=at(low), x2=at(high), y1=9, y2=9, stroke="var(--ink-3)", stroke_width="2")
    dot = tag("circle", cx=at(value), cy=9, r=4, fill="var(--accent)")
    words = f"{value:.3f}, interval {low:.3f} to {high:.3f}"
    drawn = tag("svg", zero, bar, dot, viewBox="0 0 160 18", width="160", height="18", role="img", aria_label=words)
    return tag("span", drawn, tag("span", f"{low:.2f} to {high:.2f}", class_="muted small num"), class_="interval")


def heat(cells: Sequence[HourCell]) -> Html:
    """Hour × weekday: the shade is the mean engagement rate, the number how many posts it rests on."""
    found = {(cell.weekday, cell.hour): cell for cell in cells}
    most = max((cell.engagement_rate or 0 for cell in cells), default=0) or 1
    hours = [tag("th", f"{h:02d}", scope="col") for h in range(24)]
    head = tag("tr", tag("th", tag("span", "Day", class_="sr"), scope="col"), hours)
    rows = []
    for weekday, name in enumerate(DAYS):
        row = []
        for hour in range(24):
            cell = found.get((weekday, hour))
            if cell is None:
                row.append(tag("td"))
                continue
            shade = 0.08 + 0.4 * (cell.engagement_rate or 0) / most
            words = f"{name} {hour:02d}:00: {wording.percent(cell.engagement_rate)} of {cell.n} posts"
            row.append(tag("td", cell.n, style=f"background: rgb(var(--heat) / {shade:.2f})", title=words))
        rows.append(tag("tr", tag("th", name, scope="row"), row))
    table = tag("table", head, rows, class_="heat num")
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Hours by weekday")
