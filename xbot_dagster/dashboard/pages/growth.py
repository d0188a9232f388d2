"""Growth: followers, the best posts, and the hours that work, each with how much it rests on."""

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import charts, parts, wording
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.store import figures, reports

_DAYS = 84
_ENOUGH = 3  # posts of an hour before it is named as one of the best


def mount(service: Service) -> None:
    @page(service, "/growth", "growth", "Growth")
    async def growth(view: View) -> None:
        await Block(lambda: _render(view), seconds=30).show()


def _render(view: View) -> Html:
    name = view.account.account
    with view.service.begin() as conn:
        grown = figures.growth(conn, name, top=10)
        followers = reports.followers_by_day(conn, name, _DAYS)
        cells = reports.hours_by_weekday(conn, name, _DAYS)
    strip = parts.figures(
        parts.figure("Followers", wording.count(grown.followers), parts.change(grown.followers_7d, "7 days")),
        parts.figure("Follows per 1,000 views", wording.number(grown.fpki_avg_7d), "mean of 7 days"),
        parts.figure("Engagement", wording.percent(grown.avg_er_7d), f"{grown.measured_posts_7d} posts measured"),
        parts.figure("Novelty", wording.number(grown.novelty_avg_7d), "1 = nothing like it in 30 days"),
        parts.figure("Replies against posts", _uplift(grown.reply_uplift_pct), "mean reward, 5 of each needed"),
    )
    exports = tag("a", "Export CSV", href=f"/api/exports/outcomes.csv?account={name}", class_="btn", download=True)
    return tag(
        "div",
        strip,
        parts.card("Followers", _followers(followers), aside=_source(view)),
        parts.card("Best posts by follows", _top(view, grown), aside=exports, flush=True),
        parts.card("Best time", _times(cells), aside=f"{_DAYS} days, {view.account.zone}"),
        class_="stack",
    )


def _source(view: View) -> Html:
    return tag("span", f"{_DAYS} days · ", parts.outside("asset", view.dagster("/assets/follower_snapshots")))


def _uplift(value: float | None) -> str:
    return wording.UNKNOWN if value is None else f"{value:+.0f} %"


def _followers(points) -> Html:
    if len(points) < 2:
        return parts.empty("Not enough snapshots yet.", "One is taken every six hours while metrics are on.")
    return charts.line([(day, float(count)) for day, count in points], "Followers")


def _top(view: View, grown: figures.Growth) -> Html:
    if not grown.top_posts:
        return parts.empty("No post of the last 7 days has known follows yet.", "They are known a day after posting.")
    rows = [
        tag(
            "tr",
            tag("td", tag("a", post.text, href=view.link(f"/post/{post.decision_id}")), class_="wide"),
            tag("td", post.follows, class_="r"),
            tag("td", wording.count(post.impressions), class_="r"),
            tag("td", wording.number(post.fpki), class_="r"),
        )
        for post in grown.top_posts
    ]
    numbers = ("Follows", "Views", "Per 1,000")
    return parts.table("Best posts by follows", ("Post", *numbers), rows, right=numbers)


def _times(cells: list[reports.HourCell]) -> Html:
    if not cells:
        return parts.empty("No post has been measured yet.", "The first reading comes one hour after a post.")
    words = "Shade: mean engagement rate. Number: posts behind it; one or two posts say little."
    return tag("div", tag("p", _best(cells)), charts.heat(cells), tag("p", words, class_="muted small"), class_="stack")


def _best(cells: list[reports.HourCell]) -> str:
    """The best hours that rest on enough posts, in words."""
    solid = [cell for cell in cells if cell.n >= _ENOUGH and cell.engagement_rate is not None]
    if not solid:
        return f"Cannot tell yet: no hour has {_ENOUGH} measured posts."
    best = sorted(solid, key=lambda cell: -(cell.engagement_rate or 0))[:3]
    named = [
        f"{charts.DAYS[c.weekday]} {c.hour:02d}:00 ({wording.percent(c.engagement_rate)} of {c.n} posts)" for c in best
    ]
    return f"Best so far: {', '.join(named)}."
