"""`xbot report`: the documented views as tables, and PNG charts. Every figure comes from rows; what is too thin says so."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from xbot_dagster.errors import UserError
from xbot_dagster.stages import backtest_plot
from xbot_dagster.store import deployment, reports
from xbot_dagster.store.reports import VIEWS, HourCell, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENOUGH = 5  # measured posts behind a shown mean; below it the cell says how many there are and no more
HEAT_DAYS = 84
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NOTHING = "not enough data"


@dataclass(frozen=True)
class Charts:
    """The written PNG files by name: hours, topics, learning, bandit, backtest."""

    files: dict[str, Path]


def tables(engine: Engine, account: str, limit: int = 20) -> list[Table]:
    """All documented views for one account. Raises NotFound for an account that does not exist."""
    with engine.connect() as conn:
        deployment.account(conn, account)
        return [reports.view(conn, name, account, limit) for name in VIEWS]


def charts(engine: Engine, account: str, folder: Path, days: int = HEAT_DAYS) -> Charts:
    """Draw the charts into `folder` (made when missing); the heat map over the last `days`.

    Raises NotFound for an account that does not exist, UserError when the folder cannot be written."""
    drawn: dict[str, tuple[Callable[[Connection, str, Axes], None], tuple[float, float]]] = {
        "hours": (partial(_hours, days), (13, 4.5)),
        "topics": (_topics, (8, 5)),
        "learning": (_learning, (10, 4.5)),
        "bandit": (_bandit, (8, 5)),
        "backtest": (_backtest, (10, 4.5)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}.", "Choose another folder.") from None
    files = {}
    with engine.connect() as conn:
        handle = deployment.account(conn, account).handle
        for name, (draw, size) in drawn.items():
            files[name] = _save(folder / f"{name}.png", size, lambda axes, draw=draw: draw(conn, account, axes), handle)
    return Charts(files)


def _save(path: Path, size: tuple[float, float], draw: Callable[["Axes"], None], handle: str) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    figure.suptitle(f"@{handle}", x=0.01, ha="left", fontsize=9, color="#666666")
    figure.savefig(path, dpi=120)
    return path


def heat(cells: list[HourCell]) -> tuple[list[list[float]], list[list[str]]]:
    """(means, labels), each 7 × 24, weekday by hour: NaN and the bare count where fewer than `ENOUGH` posts stand behind it."""
    means = [[float("nan")] * 24 for _ in DAYS]
    labels = [[""] * 24 for _ in DAYS]
    for cell in cells:
        labels[cell.weekday][cell.hour] = f"n={cell.n}"
        if cell.n >= ENOUGH and cell.engagement_rate is not None:
            means[cell.weekday][cell.hour] = cell.engagement_rate
            labels[cell.weekday][cell.hour] = f"{100 * cell.engagement_rate:.1f}\nn={cell.n}"
    return means, labels


def _hours(days: int, conn: Connection, account: str, axes: "Axes") -> None:
    cells = reports.hours_by_weekday(conn, account, days)
    means, labels = heat(cells)
    image = axes.imshow(means, aspect="auto", cmap="viridis", vmin=0)
    axes.set_facecolor("#eeeeee")
    axes.set(
        title=f"Engagement rate (%) by hour and weekday, last {days} days, account's zone; grey: fewer than {ENOUGH} posts",
        xticks=range(24),
        yticks=range(7),
        yticklabels=DAYS,
        xlabel="hour",
    )
    known = [mean for row in means for mean in row if mean == mean]
    middle = (max(known) / 2) if known else 0.0
    for day, row in enumerate(labels):
        for hour, label in enumerate(row):
            bright = means[day][hour] == means[day][hour] and means[day][hour] < middle
            axes.text(hour, day, label, ha="center", va="center", fontsize=6, color="white" if bright else "black")
    if known:
        axes.figure.colorbar(image, ax=axes, format=lambda value, _: f"{100 * value:.1f}")
    else:
        axes.set_xlabel(f"{_NOTHING}: no hour has {ENOUGH} measured posts yet")


def _topics(conn: Connection, account: str, axes: "Axes") -> None:
    table = reports.view(conn, "vw_topics_perf_7d", account, 15)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    rows = [row for row in rows if row["avg_engagement_rate"] is not None]
    axes.set(title="Engagement rate (%) by topic, last 7 days")
    if not rows:
        return _say_nothing(axes, f"{_NOTHING}: no measured post in the last 7 days")
    rows.reverse()
    colours = ["#2a6f97" if row["posts"] >= ENOUGH else "#bbbbbb" for row in rows]
    bars = axes.barh(
        [row["topic"] or "none" for row in rows], [100 * row["avg_engagement_rate"] for row in rows], color=colours
    )
    axes.bar_label(
        bars,
        [f"n={row['posts']}" + ("" if row["posts"] >= ENOUGH else f", {_NOTHING}") for row in rows],
        fontsize=7,
        padding=3,
    )
    axes.margins(x=0.2)


def _learning(conn: Connection, account: str, axes: "Axes") -> None:
    table = reports.view(conn, "vw_learning_performance", account, 60)
    rows = [dict(zip(table.columns, row, strict=True)) for row in reversed(table.rows)]
    followers = reports.followers_by_day(conn, account, 60)
    axes.set(title="Mean reward (seed_v1) by day, and followers")
    measured = [row for row in rows if row["avg_reward"] is not None]
    if not measured and not followers:
        return _say_nothing(axes, f"{_NOTHING}: nothing has been measured yet")
    axes.plot(
        [row["day"] for row in measured],
        [row["avg_reward"] for row in measured],
        "o-",
        color="#2a6f97",
    )
    axes.set_ylabel("mean reward", color="#2a6f97")
    if followers:
        right = axes.twinx()
        days: list[Any] = [day for day, _ in followers]
        right.plot(days, [count for _, count in followers], "s-", markersize=3, color="#e07a5f")
        right.set_ylabel("followers", color="#e07a5f")
    axes.tick_params(axis="x", rotation=30, labelsize=7)


def _bandit(conn: Connection, account: str, axes: "Axes") -> None:
    arms = list(reversed(reports.arm_intervals(conn, account)))
    axes.set(title="Arms: mean reward with interval")
    if not arms:
        return _say_nothing(axes, f"{_NOTHING}: no arm has learned from an outcome yet")
    names = [f"{arm.name} (n={arm.n})" for arm in arms]
    means = [arm.mean for arm in arms]
    spread = [[max(0.0, arm.mean - arm.low) for arm in arms], [max(0.0, arm.high - arm.mean) for arm in arms]]
    axes.errorbar(means, names, xerr=spread, fmt="o", color="#2a6f97", capsize=3)
    axes.grid(axis="x", alpha=0.3)


def _backtest(conn: Connection, account: str, axes: "Axes") -> None:
    backtest_plot.draw(axes, backtest_plot.curves(conn, account))


def _say_nothing(axes: "Axes", words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, fontsize=12, color="#666666")
