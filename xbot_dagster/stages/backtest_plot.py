"""The back-test's curve: the gain over the rolling mean of every partition, drawn for the asset and for `xbot report`.

Not here: what a partition is and how it is scored (`stages/backtest.py`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from xbot_dagster.stages import backtest
from xbot_dagster.store import predictors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"content": "#2a6f97", "timing": "#e07a5f"}
_NOTHING = "no partition with a scored week yet: xbot backtest --from DAY --to DAY"


def curves(conn: Connection, account: str, kinds: Sequence[str] = predictors.KINDS) -> dict[str, list[dict[str, Any]]]:
    """Kind → its stored partitions that have a gain, in order of their day; kinds without one are left out."""
    found = {kind: backtest.curve(predictors.backtests(conn, account, kind)) for kind in kinds}
    known = {kind: [row for row in rows if row["gain"] is not None] for kind, rows in found.items()}
    return {kind: sorted(rows, key=lambda row: row["day"]) for kind, rows in known.items() if rows}


def draw(axes: Axes, by_kind: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Gain per partition with its 95 % interval; the line at 0 is the rolling mean of posts like it."""
    axes.set(title="Back-test: squared error saved against the rolling mean, week after each day (share of variance)")
    if not by_kind:
        axes.text(0.5, 0.5, _NOTHING, ha="center", va="center", transform=axes.transAxes, color="#666666")
        return
    axes.axhline(0, color="#888888", linewidth=1)
    for kind, rows in by_kind.items():
        days: list[Any] = [row["day"] for row in rows]
        colour = COLOURS.get(kind)
        axes.fill_between(
            days, [row["low"] for row in rows], [row["high"] for row in rows], color=colour, alpha=0.2, linewidth=0
        )
        axes.plot(days, [row["gain"] for row in rows], "o-", markersize=3, color=colour, label=kind)
    axes.legend(loc="best", frameon=False)
    axes.tick_params(axis="x", rotation=30, labelsize=7)


def png(by_kind: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """The same chart as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure.add_subplot(), by_kind)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=90)
    return written.getvalue()
