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
    kind, number = data["of"], data.get("version")
    promoting_it = data["action"] == "promote"
    asked = Dialog(f"Promote {kind} v{number}?" if promoting_it else f"Roll the {kind} predictor back?")

    def change() -> promoting.Promotion:
        engine, actor = view.service.engine_of(view.caller), view.caller.actor
        with view.service.cache() as cache:
            if promoting_it:
                return promoting.promote(
                    engine, cache, view.account.account, kind, int(number or 0), by=actor, reason="from the dashboard"
                )
            return promoting.rollback(engine, cache, view.account.account, kind, by=actor)

    async def go() -> None:
        try:
            done = await run.io_bound(change)
        except UserError as error:
            inform(str(error), "negative")
        else:
            serving = f"v{done.version} serves" if done and done.version else "no version serves"
            inform(f"{kind.capitalize()}: {serving} now.")
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
        parts.figure(
            "Content predictor",
            f"v{found.predictor_version}" if found.predictor_version else "none",
            "serves now" if found.predictor_version else "drafts are ranked without one",
        ),
        parts.figure("Last learned", wording.ago(found.last_trained_at, service.now())),
    )
    arms = [arm for arm in found.arms if arm.scope == "content"]
    hours = [arm for arm in found.arms if arm.scope == "hour"]
    return tag(
        "div",
        strip,
        tag(
            "div",
            parts.card("Arms", _arms("Arms", arms), aside=_asset(view, "bandit_arms"), flush=True, span="c6"),
            parts.card("Hours", _arms("Hours", hours), aside=view.account.zone, flush=True, span="c6"),
            class_="grid",
        ),
        parts.card(
            "Predictor versions", _versions(view, versions), aside=_asset(view, "content_predictor"), flush=True
        ),
        parts.card("Back-test", _curve(curve), aside="gain over the rolling mean, by day of training"),
        class_="stack",
    )


def _asset(view: View, name: str) -> Html:
    return parts.outside(f"asset {name}", view.dagster(f"/assets/{name}"))


def _arms(label: str, arms: list[figures.Arm]) -> Html:
    if not arms:
        return parts.empty("Nothing was learned yet.", "Five measured posts are needed.")
    highs = [arm.ci_high for arm in arms if arm.ci_high is not None]
    scale = (0.0, max(highs, default=1.0) or 1.0)
    body = [
        tag(
            "tr",
            tag("td", f"{int(arm.name):02d}:00" if arm.scope == "hour" and arm.name.isdigit() else arm.name),
            tag("td", arm.samples, class_="r"),
            tag("td", wording.number(arm.mean_reward, 3), class_="r"),
            tag("td", charts.interval(arm.mean_reward, arm.ci_low, arm.ci_high, scale)),
        )
        for arm in sorted(arms, key=lambda arm: -(arm.mean_reward or 0))
    ]
    return parts.table(label, (label[:-1], "Posts", "Reward", "95 % interval"), body, right=("Posts", "Reward"))


def _versions(view: View, rows: list[predictors.VersionHead]) -> Html:
    if not rows:
        return parts.empty("No predictor was trained yet.", "Training starts with five measured posts:", "xbot learn")
    kinds = {"champion": "good", "candidate": "accent"}
    body, locked = [], not view.may_change
    for row in rows:
        button = EMPTY
        if row.state == "champion":
            button = parts.button("Roll back …", "rollback", disabled=locked, of=row.kind)
        elif row.state in ("candidate", "retired"):
            button = parts.button("Promote …", "promote", disabled=locked, of=row.kind, version=row.version)
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
    names = ("Version", "State", "Posts", "Trained", "Why", "(Action)")
    return parts.table("Predictor versions", names, body, right=("Posts",))


def _curve(rows: list[dict]) -> Html:
    if not rows:
        words = "Train on the past, day by day, and score each on its week:"
        return parts.empty("No back-test yet.", words, "xbot backtest --help")
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
    table = parts.table("Back-test", ("Day", "Posts", "Gain", "95 % interval"), body, right=("Posts", "Gain"))
    scored = [row for row in rows if None not in (row["gain"], row["low"], row["high"])]
    if len(scored) < 2:
        return table
    chart = charts.line(
        [(row["day"], row["gain"]) for row in scored],
        "Gain over the rolling mean",
        lambda value: wording.number(value, 3),
        band=[(row["low"], row["high"]) for row in scored],
    )
    return tag("div", chart, table, class_="stack")
