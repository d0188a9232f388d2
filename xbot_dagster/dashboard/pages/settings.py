"""Settings: the live configuration, what differs from the defaults, and who changed what."""

import json

from nicegui import run, ui

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.controls import Dialog, native_button
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block, inform
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.errors import UsageError, UserError
from xbot_dagster.store import config


def mount(service: Service) -> None:
    @page(service, "/settings", "settings", "Settings")
    async def settings(view: View) -> None:
        async def act(data: dict[str, str]) -> None:
            if view.may_change and data["action"] == "change":
                key, name = data["id"].split(".", 1)
                _ask(view, key, name, await run.io_bound(_now, view, key, name), block)

        block = Block(lambda: _render(view), act, seconds=15)
        await block.show()


def _now(view: View, key: str, name: str):
    with view.service.begin() as conn:
        return config.read_raw(conn, view.service.settings)[key].get(name)


def _ask(view: View, key: str, name: str, value, block: Block) -> None:
    asked = Dialog(f"Change {key}.{name}")

    def save(raw: str) -> None:
        try:
            parsed = json.loads(raw)
        except ValueError:
            raise UsageError(f"'{raw}' is not a JSON value.", "Examples: 0.1, true, [2, 3, 4].") from None
        with view.service.begin(view.caller) as conn:
            config.write(conn, view.service.settings, key, name, parsed)

    with asked.panel:
        ui.html(tag("p", f"Now: {json.dumps(value)}. Takes effect at the next step, for all accounts."), sanitize=False)
        field = ui.input("New value (JSON)", value=json.dumps(value)).props("outlined dense autofocus")

        async def go() -> None:
            try:
                await run.io_bound(save, field.value or "")
            except UserError as error:
                inform(str(error), "negative")
                return
            inform("Changed.")
            asked.close()
            await block.refresh()

        with ui.element("div").classes("actions"):
            native_button("Back", asked.close, "quiet")
            native_button("Change", go, "primary")
    asked.open()


def _render(view: View) -> Html:
    settings = view.service.settings
    with view.service.begin() as conn:
        found = config.read_raw(conn, settings)
        history = config.history(conn, 15)
    standard = config.defaults(settings)
    body = []
    for key, values in standard.items():
        for name, default in values.items():
            now = found[key].get(name)
            shown = [tag("code", json.dumps(now)), " ", parts.chip("changed", "accent") if now != default else ""]
            button = parts.button("Change …", "change", disabled=not view.may_change, id=f"{key}.{name}")
            what = tag("div", f"{key}.{name}", tag("div", wording.SETTING.get(name, ""), class_="muted small"))
            cells = (what, shown, tag("code", json.dumps(default)))
            body.append(tag("tr", [tag("td", cell) for cell in cells], tag("td", button, class_="r")))
    table = parts.table("Live configuration", ("Value", "Now", "Default", "(Action)"), body)
    return tag(
        "div",
        parts.card("Live configuration", table, aside=f"APP_ENV {settings.app_env}, all accounts", flush=True),
        parts.card("History", _history(view, history), flush=True),
        class_="stack",
    )


def _history(view: View, rows: list[dict]) -> Html:
    if not rows:
        return parts.empty("Nothing was changed yet.", "Every change is listed here with who made it.")
    body = []
    for row in rows:
        before, after = row["before"], row["after"]
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        words = "; ".join(f"{n}: {json.dumps(before.get(n))} → {json.dumps(after.get(n))}" for n in names)
        when = wording.moment(row["at"], view.account.zone, view.service.now())
        body.append(tag("tr", tag("td", when), tag("td", row["actor"]), tag("td", words, class_="wide")))
    return parts.table("History", ("When", "Who", "What"), body)
