"""What people do about publishing: rehearse one cycle, settle doubts, sign in."""

from dataclasses import asdict
from typing import Annotated

import typer

from xbot_dagster.cli.runtime import AccountName, Json, actor, console, deployment, group, print_json, print_rows
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    schedule = group("One scheduling cycle without a submit. Example: xbot schedule test")
    schedule.command("test", help="Walk through every check and say what would be posted. Example: xbot schedule test")(
        schedule_test
    )
    schedule.callback()(lambda: None)
    app.add_typer(schedule, name="schedule")
    posts = group("Posts whose fate is open. Example: xbot posts reconcile")
    posts.command("reconcile", help="Look at our own timeline now. Example: xbot posts reconcile")(reconcile)
    posts.command("adopt", help="A person saw it live. Example: xbot posts adopt DECISION_ID TWEET_ID")(adopt)
    posts.command("not-live", help="A person saw that it is not live. Example: xbot posts not-live DECISION_ID")(
        not_live
    )
    app.add_typer(posts, name="posts")
    session = group("The browser session of an account. Example: xbot session check")
    session.command(
        "check", help="Probe the sessions; exit code 3 when one is not in order. Example: xbot session check"
    )(check)
    session.callback()(lambda: None)
    app.add_typer(session, name="session")
    app.command(
        help="Sign in by hand in a browser window; the session is stored, never the password. Example: xbot login"
    )(login)


Decision = Annotated[str, typer.Argument(help="The decision's id.")]


def schedule_test(as_json: Json = False) -> None:
    from xbot_dagster.stages import schedule_check

    with deployment() as opened:
        found = schedule_check.run(opened.engine, opened.settings)
    if as_json:
        print_json(asdict(found))
        return
    rows = [{**asdict(check), "passed": "pass" if check.passed else "stop"} for check in found.checks]
    print_rows(rows, ("account", "check", "passed", "detail"), as_json=False, empty="There is no enabled account.")


def reconcile(as_json: Json = False) -> None:
    from xbot_dagster.resources.database import Database
    from xbot_dagster.resources.x import X
    from xbot_dagster.stages import reconcile as stage

    with deployment() as opened:
        x = X(opened.settings)
        try:
            database = Database(lambda: opened, "", f"cli:{actor()}")
            found = stage.run(
                opened.engine, opened.clock, opened.settings, x.publisher_for(database), sweep=True, at_once=True
            )
        finally:
            x.close()
    if as_json:
        print_json(asdict(found))
        return
    console.print(
        f"looks {found.looks}, adopted {len(found.adopted)}, back to the queue {len(found.requeued)}, "
        f"for a person {len(found.needs_human)}, still waiting {found.waiting}, posts nobody ordered {len(found.ghosts)}"
    )
    for name, reason in (found.unreadable or {}).items():
        console.print(f"The timeline of {name} could not be read: {reason}")


def adopt(decision_id: Decision, tweet_id: Annotated[str, typer.Argument(help="The post's id.")]) -> None:
    from xbot_dagster.stages import settling

    with deployment() as opened:
        settling.adopt(opened.engine, opened.clock, opened.settings, decision_id, tweet_id)
    console.print(f"{decision_id} is posted as {tweet_id}")


def not_live(decision_id: Decision) -> None:
    from xbot_dagster.stages import settling

    with deployment() as opened:
        settling.not_live(opened.engine, decision_id)
    console.print(f"{decision_id} is back in the queue")


def check(as_json: Json = False) -> None:
    from xbot_dagster.resources.database import Database
    from xbot_dagster.resources.x import X
    from xbot_dagster.stages import session

    with deployment() as opened:
        x = X(opened.settings)
        try:
            found = session.run(opened.engine, x.publisher_for(Database(lambda: opened, "", f"cli:{actor()}")))
        finally:
            x.close()
    rows = [{"account": name, "session": state} for name, state in found.states.items()]
    print_rows(rows, ("account", "session"), as_json=as_json, empty="There is no enabled account.")
    if not found.healthy:
        raise typer.Exit(3)


def login(account: AccountName = DEFAULT_ACCOUNT) -> None:
    from xbot_dagster.embedded.browser import find_browser
    from xbot_dagster.resources.world import session_file, world
    from xbot_dagster.store.deployment import account as account_row
    from xbot_dagster.x.browser import login as stage
    from xbot_dagster.x.browser.session import BrowserHost

    with deployment() as opened:
        with opened.engine.connect() as conn:
            row = account_row(conn, account)
        base_url = world(opened).url if opened.settings.family == "sandbox" else opened.settings.X_BASE_URL
        host = BrowserHost(find_browser(opened.settings.XBOT_BROWSER_PATH), headless=False)
        file = session_file(opened.services.home.sessions, account)
        console.print(f"Sign in as @{row.handle} in the window that opens.")
        stage.run(host, base_url, row.handle, file)
    console.print(f"The session of @{row.handle} is stored in {file} (readable by you alone).")
