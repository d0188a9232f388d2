"""Settings: the live configuration for all accounts and of the account on show, how they differ, and who changed what."""

import json
from typing import Any

from nicegui import run, ui

from xbot_dagster.api.service import Service
from xbot_dagster.dashboard import parts, wording
from xbot_dagster.dashboard.controls import Dialog, native_button
from xbot_dagster.dashboard.frame import View, page
from xbot_dagster.dashboard.live import Block, inform
from xbot_dagster.dashboard.markup import Html, tag
from xbot_dagster.errors import UsageError, UserError
from xbot_dagster.store import config

_AS_ALL = "as all accounts"


def mount(service: Service) -> None:
    @page(service, "/settings", "settings", "Settings")
    async def settings(view: View) -> None:
        async def act(data: dict[str, str]) -> None:
            if not view.may_change:
                return
            key, name = data["id"].split(".", 1)
            found = await run.io_bound(_values, view, key, name)
            assert found is not None
            for_all, own = found
            if data["action"] == "change":
                _ask_change(view, "", key, name, f"Now: {json.dumps(for_all)}.", for_all, block)
            elif data["action"] == "change-own":
                now = f"Now: {_AS_ALL}, {json.dumps(for_all)}."
                if own is not None:
                    now = f"Now: {json.dumps(own)}; for all accounts: {json.dumps(for_all)}."
                _ask_change(view, view.account.account, key, name, now, for_all if own is None else own, block)
            elif data["action"] == "unset":
                _ask_unset(view, key, name, own, for_all, block)

        block = Block(lambda: _render(view), act, seconds=15)
        await block.show()


def _values(view: View, key: str, name: str) -> tuple[Any, Any]:
    """The value for all accounts, and the one of the account's own (None: it has none; no value may be null)."""
    with view.service.begin() as conn:
        for_all = config.read_own(conn, view.service.settings, "")
        own = config.read_own(conn, view.service.settings, view.account.account)
    return for_all[key].get(name), own[key].get(name)


def _ask_change(view: View, account: str, key: str, name: str, now: str, value: Any, block: Block) -> None:
    whom = f"@{view.account.handle} only" if account else "all accounts"
    asked = Dialog(f"Change {key}.{name} for {whom}")

    def save(raw: str) -> None:
        try:
            parsed = json.loads(raw)
        except ValueError:
            raise UsageError(f"'{raw}' is not a JSON value.", "Examples: 0.1, true, [2, 3, 4].") from None
        with view.service.begin(view.caller) as conn:
            config.write(conn, view.service.settings, key, name, parsed, account)

    with asked.panel:
        ui.html(tag("p", f"{now} Takes effect at the next step, for {whom}."), sanitize=False)
        field = ui.input("New value (JSON)", value=json.dumps(value)).props("outlined dense autofocus")
        with ui.element("div").classes("actions"):
            native_button("Back", asked.close, "quiet")
            native_button("Change", lambda: _do(asked, block, "Changed.", save, field.value or ""), "primary")
    asked.open()


def _ask_unset(view: View, key: str, name: str, own: Any, for_all: Any, block: Block) -> None:
    asked = Dialog(f"Give up {key}.{name} of @{view.account.handle}")

    def unset() -> None:
        with view.service.begin(view.caller) as conn:
            config.unset(conn, view.service.settings, key, name, view.account.account)

    with asked.panel:
        words = f"Now: {json.dumps(own)}; then the value for all accounts: {json.dumps(for_all)}."
        ui.html(tag("p", f"{words} Takes effect at the next step."), sanitize=False)
        with ui.element("div").classes("actions"):
            native_button("Back", asked.close, "quiet")
            done = f"@{view.account.handle} follows all accounts."
            native_button("Use the value for all accounts", lambda: _do(asked, block, done, unset), "primary")
    asked.open()


async def _do(asked: Dialog, block: Block, done: str, change, *values: str) -> None:
    """Make a change that a dialog asked for; a refusal leaves the dialog open."""
    try:
        await run.io_bound(change, *values)
    except UserError as error:
        inform(str(error), "negative")
        return
    inform(done)
    asked.close()
    await block.refresh()


def _render(view: View) -> Html:
    settings = view.service.settings
    with view.service.begin() as conn:
        for_all = config.read_own(conn, settings, "")
        own = config.read_own(conn, settings, view.account.account)
        history = config.history(conn, 15)
    body = []
    for key, values in config.defaults(settings).items():
        for name, default in values.items():
            what = tag("div", f"{key}.{name}", tag("div", wording.SETTING.get(name, ""), class_="muted small"))
            everyone = _for_all(view, f"{key}.{name}", for_all[key].get(name), default)
            mine = _own(view, f"{key}.{name}", own[key].get(name), for_all[key].get(name))
            cells = (what, everyone, mine, tag("code", json.dumps(default)))
            body.append(tag("tr", [tag("td", cell) for cell in cells]))
    names = ("Value", "All accounts", f"Only @{view.account.handle}", "Default")
    table = parts.table("Live configuration", names, body)
    aside = f"APP_ENV {settings.app_env}; an account's own value counts before that of all accounts"
    return tag(
        "div",
        parts.card("Live configuration", table, aside=aside, flush=True),
        parts.card("History", _history(view, history), flush=True),
        class_="stack",
    )


def _for_all(view: View, which: str, value: Any, default: Any) -> Html:
    changed = parts.chip("changed", "accent") if value != default else ""
    button = parts.button("Change …", "change", disabled=not view.may_change, id=which)
    return tag("div", tag("code", json.dumps(value)), changed, button, class_="row")


def _own(view: View, which: str, value: Any, for_all: Any) -> Html:
    """The account's own value with its difference to that of all accounts, or that it has none."""
    locked = not view.may_change
    if value is None:
        button = parts.button("Set …", "change-own", disabled=locked, id=which)
        return tag("div", tag("span", _AS_ALL, class_="muted"), button, class_="row")
    differs = parts.chip("differs", "accent") if value != for_all else parts.chip("the same")
    change = parts.button("Change …", "change-own", disabled=locked, id=which)
    unset = parts.button("Use the value for all accounts …", "unset", disabled=locked, id=which)
    return tag("div", tag("code", json.dumps(value)), differs, change, unset, class_="row")


def _history(view: View, rows: list[dict]) -> Html:
    if not rows:
        return parts.empty("Nothing was changed yet.", "Every change is listed here with who made it.")
    handles = {each.account: f"@{each.handle}" for each in view.accounts} | {"": "all accounts"}
    body = []
    for row in rows:
        before, after = row["before"], row["after"]
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        words = "; ".join(f"{n}: {_then(row, before, n)} → {_then(row, after, n)}" for n in names)
        when = wording.moment(row["at"], view.account.zone, view.service.now())
        whom = handles.get(row["account"], row["account"])
        body.append(
            tag("tr", [tag("td", cell) for cell in (when, row["actor"], whom)], tag("td", words, class_="wide"))
        )
    return parts.table("History", ("When", "Who", "For", "What"), body)


def _then(row: dict, values: dict, name: str) -> str:
    """A value of before or after a change; an account without one has that of all accounts."""
    return _AS_ALL if row["account"] and name not in values else json.dumps(values.get(name))
