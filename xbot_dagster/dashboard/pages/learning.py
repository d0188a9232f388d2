"""Learning: arms with their intervals, predictor versions, the back-test curve, promotion and rollback with confirmation."""

from nicegui import run, ui

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import charts, parts, wording
from xbot_dagster.dashboard.controls import Dialog, native_button
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block, inform
from xbot_dagster.dashboard.markup import EMPTY, Html, tag
from xbot_dagster.errors import UserError
from xbot_dagster.stages import backtest, promoting
from xbot_dagster.store import figures, predictors


def mount(service: Service) -> None:
    @page(service, "/learning", "learning", "Learning")
    async def learning(view: View) -> None:
        def act(data: dict[str, str]) -> None:
            if view.may_change and data["action"] in ("promote", "rollback"):
                _confirm(view, data, block)

        block = Block(lambda: _render(view), act, seconds=30)
        await block.show()


def _confirm(view: View, data: dict[str, str], block: Block) -> None:
    kind, number = data["kind"], data.get("version")
    promoting_it = data["action"] == "promote"
    asked = Dialog(f"Promote {kind} v{number}?" if promoting_it else f"Roll the {kind} predictor back?")

    def change() -> None:
        engine, actor = view.service.engine_of(view.caller), view.caller.actor
        with view.service.cache() as cache:
            if promoting_it:
                promoting.promote(
                    engine, cache, view.account.account, kind, int(number or 0), by=actor, reason="from the dashboard"
                )
            else:
                promoting.rollback(engine, cache, view.account.account, kind, by=actor)

    async def go() -> None:
        try:
            await run.io_bound(change)
        except UserError as error:
            inform(str(error), "negative")
        else:
            inform("Done.")
        asked.close()
        await block.refresh()

    with asked.panel:
        ui.html(tag("p", "The next planning run ranks drafts with the version that serves then."), sanitize=False)
        with ui.element("div").classes("actions"):
            native_button("Back", asked.close, "quiet")
            native_button("Promote" if promoting_it else "Roll back", go, "primary")
    asked.open()


def _render(view: View) -> Html:
    service, name = view.service, view.account.account
    with service.begin() as conn:
        found = figures.learning(conn, name, service.budget_day())
        versions = predictors.versions(conn, name, limit=40)
        curve = backtest.curve(predictors.backtests(conn, name, "content"))
    strip = parts.figures(
        parts.figure("Outcomes", wording.count(found.total_outcomes), f"{found.simulated_outcomes} simulated"),
        parts.figure("Content predictor", f"v{found.predictor_version or 0}"),
        parts.figure("Last learned", wording.ago(found.last_trained_at, service.now())),
    )
    arms = [arm for arm in found.arms if arm.scope == "content"]
    hours = [arm for arm in found.arms if arm.scope == "hour"]
    return tag(
        "div",
        strip,
        tag(
            "div",
            parts.card("Arms", _arms(arms), flush=True, span="c6"),
            parts.card("Hours", _arms(hours), flush=True, span="c6"),
            class_="grid",
        ),
        parts.card("Predictor versions", _versions(view, versions), flush=True),
        parts.card("Back-test", _curve(curve), aside="gain over the rolling mean, by day of training"),
        class_="stack",
    )


def _arms(arms: list[figures.Arm]) -> Html:
    if not arms:
        return parts.empty("Nothing was learned yet.", "Five measured posts are needed.")
    highs = [arm.ci_high for arm in arms if arm.ci_high is not None]
    scale = (0.0, max(highs, default=1.0) or 1.0)
    head = tag("tr", [tag("th", name) for name in ("Arm", "Posts", "Reward", "Interval")])
    body = [
        tag(
            "tr",
            tag("td", arm.name),
            tag("td", arm.samples, class_="r"),
            tag("td", wording.number(arm.mean_reward, 3), class_="r"),
            tag("td", charts.interval(arm.mean_reward, arm.ci_low, arm.ci_high, scale)),
        )
        for arm in sorted(arms, key=lambda arm: -(arm.mean_reward or 0))
    ]
    return tag("div", tag("table", head, body, class_="t"), class_="scroll")


def _versions(view: View, rows: list[predictors.VersionHead]) -> Html:
    if not rows:
        return parts.empty("No predictor was trained yet.", "Training starts with five measured posts:", "xbot learn")
    kinds = {"champion": "good", "candidate": "accent"}
    head = tag("tr", [tag("th", name) for name in ("Version", "State", "Posts", "Trained", "Why", "")])
    body, locked = [], not view.may_change
    for row in rows:
        button = EMPTY
        if row.state == "champion":
            button = parts.button("Roll back …", "rollback", disabled=locked, kind=row.kind)
        elif row.state in ("candidate", "retired"):
            button = parts.button("Promote …", "promote", disabled=locked, kind=row.kind, version=row.version)
        body.append(
            tag(
                "tr",
                tag("td", f"{row.kind} v{row.version}"),
                tag("td", parts.chip(row.state, kinds.get(row.state, ""))),
                tag("td", row.n, class_="r"),
                tag("td", wording.ago(row.created_at, view.service.now())),
                tag("td", row.state_reason or wording.UNKNOWN, class_="wide"),
                tag("td", button, class_="r"),
            )
        )
    return tag("div", tag("table", head, body, class_="t"), class_="scroll")


def _curve(rows: list[dict]) -> Html:
    if not rows:
        return parts.empty("No back-test yet.", "Backfill the partitions of content_predictor in Dagster.")
    known = [value for row in rows for value in (row["low"], row["high"]) if value is not None]
    scale = (min([*known, 0.0]), max([*known, 0.0]))
    body = [
        tag(
            "tr",
            tag("td", row["day"]),
            tag("td", row["n"], class_="r"),
            tag("td", wording.number(row["gain"], 3), class_="r"),
            tag("td", charts.interval(row["gain"], row["low"], row["high"], scale)),
        )
        for row in rows[-30:]
    ]
    head = tag("tr", [tag("th", name) for name in ("Day", "Posts", "Gain", "Interval")])
    return tag("div", tag("table", head, body, class_="t"), class_="scroll")
