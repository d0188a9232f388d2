"""The live configuration (bot_config): get, set, unset, diff, history."""

import json
from typing import Annotated, Any

import typer

from xbot_dagster.cli.runtime import Json, console, deployment, group, print_json, print_rows
from xbot_dagster.errors import UsageError


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    config = group("The live configuration (bot_config). Example: xbot config get")
    config.command("get", help="Show it. Example: xbot config get learning_config")(config_get)
    config.command("set", help="Change a value. Example: xbot config set learning_config post_fraction 0.1")(config_set)
    config.command(
        "unset",
        help="Give up an account's own value. Example: xbot config unset learning_config epsilon --account default",
    )(config_unset)
    config.command("diff", help="What differs from the defaults. Example: xbot config diff")(config_diff)
    config.command("history", help="Who changed what when. Example: xbot config history --limit 10")(config_history)
    app.add_typer(config, name="config")


def config_get(
    key: Annotated[
        str | None, typer.Argument(help="feature_flags, learning_config, content_config or controls.")
    ] = None,
    account: Annotated[str, typer.Option("--account", help="With this account's own values over those of all.")] = "",
    as_json: Json = False,
) -> None:
    from xbot_dagster.store import config

    if key is not None and key not in config.KEYS:
        raise UsageError(f"There is no configuration '{key}'.", f"Known: {', '.join(config.KEYS)}.")
    with deployment() as opened, opened.engine.begin() as conn:
        found = config.read_raw(conn, opened.settings, account)
    shown = {key: found[key]} if key is not None else found
    if as_json:
        print_json(shown)
        return
    for group_name, values in shown.items():
        for name, value in sorted(values.items()):
            console.print(f"{group_name}.{name} = {json.dumps(value)}", markup=False)


def config_set(
    key: Annotated[str, typer.Argument(help="feature_flags, learning_config, content_config or controls.")],
    name: Annotated[str, typer.Argument(help="The value's name.")],
    value: Annotated[str, typer.Argument(help="JSON: 0.1, true, [2,3,4,5].")],
    account: Annotated[str, typer.Option("--account", help="Only for this account.")] = "",
) -> None:
    from xbot_dagster.store import config
    from xbot_dagster.store.deployment import account as find_account

    try:
        parsed = json.loads(value)
    except ValueError:
        raise UsageError(f"'{value}' is not a JSON value.", "Examples: 0.1, true, [2,3,4,5].") from None
    with deployment() as opened, opened.engine.begin() as conn:
        if account:
            find_account(conn, account)
        before = config.read_raw(conn, opened.settings, account).get(key, {}).get(name)
        config.write(conn, opened.settings, key, name, parsed, account)
    console.print(f"{key}.{name}: {json.dumps(before)} → {json.dumps(parsed)}", markup=False)


def config_unset(
    key: Annotated[str, typer.Argument(help="feature_flags, learning_config, content_config or controls.")],
    name: Annotated[str, typer.Argument(help="The value's name.")],
    account: Annotated[str, typer.Option("--account", help="Whose own value goes; that of all accounts counts then.")],
) -> None:
    from xbot_dagster.store import config
    from xbot_dagster.store.deployment import account as find_account

    with deployment() as opened, opened.engine.begin() as conn:
        find_account(conn, account)
        before = config.read_raw(conn, opened.settings, account).get(key, {}).get(name)
        config.unset(conn, opened.settings, key, name, account)
        now = config.read_raw(conn, opened.settings, account)[key].get(name)
    console.print(f"{key}.{name}: {json.dumps(before)} → {json.dumps(now)} (as all accounts)", markup=False)


def config_diff(
    account: Annotated[str, typer.Option("--account", help="This account's values.")] = "", as_json: Json = False
) -> None:
    from xbot_dagster.store import config

    with deployment() as opened, opened.engine.begin() as conn:
        found, standard = config.read_raw(conn, opened.settings, account), config.defaults(opened.settings)
    rows = [
        {"value": f"{key}.{name}", "default": standard[key].get(name), "now": now}
        for key, values in found.items()
        for name, now in sorted(values.items())
        if standard[key].get(name) != now
    ]
    print_rows(rows, ("value", "default", "now"), as_json=as_json, empty="Everything is at its default.")


def config_history(limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, as_json: Json = False) -> None:
    from xbot_dagster.store import config

    with deployment() as opened, opened.engine.begin() as conn:
        rows = [_change(row) for row in config.history(conn, limit)]
    print_rows(
        rows, ("at", "actor", "account", "config_key", "change"), as_json=as_json, empty="Nothing was changed yet."
    )


def _change(row: dict[str, Any]) -> dict[str, Any]:
    before, after = row["before"], row["after"]
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    words = ", ".join(f"{name}: {json.dumps(before.get(name))} → {json.dumps(after.get(name))}" for name in names)
    return {**row, "change": words}
