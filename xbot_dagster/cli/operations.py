"""Operations: health, doctor, alerts, stop and resume. Mounts the other files of this subject too."""

from dataclasses import asdict
from typing import Annotated

import typer

from xbot_dagster.cli import accounts, configuration, keeping
from xbot_dagster.cli.runtime import Json, actor, console, deployment, group, print_json, print_rows
from xbot_dagster.errors import Conflict, NotFound, UsageError, UserError
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import load_settings

UNHEALTHY = 3


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(help="One line of health; exit code 3 when something is wrong. Example: xbot health --json")(health)
    app.command(help="Check what a first run needs, and say how to mend it. Example: xbot doctor")(doctor)
    app.command(help="Stop posting, LLM calls, or both, at the next step. Example: xbot stop --posting")(stop)
    app.command(help="Take stops back and close circuits, after you have looked. Example: xbot resume")(resume)
    alerts = group("What needs a person. Example: xbot alerts list")
    alerts.command("list", help="List alerts that are not closed. Example: xbot alerts list --all")(alerts_list)
    alerts.command("ack", help="Say that you have seen an alert. Example: xbot alerts ack 12")(alerts_ack)
    alerts.command("test", help="Send a test message to every address of ALERT_URLS.")(alerts_test)
    app.add_typer(alerts, name="alerts")
    for subject in (configuration, keeping, accounts):
        subject.mount(app)


def health(as_json: Json = False) -> None:
    from xbot_dagster.clock import home_clock
    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import health as stage

    settings = load_settings()
    cache = make_cache(settings)
    try:
        with deployment(settings) as opened:
            found = stage.read(opened.engine, opened.clock, settings, cache)
    except UserError as error:
        found = stage.read(None, home_clock(settings.home), settings, cache, why_down=error.message)
    finally:
        cache.close()
    if as_json:
        print_json({"healthy": found.healthy, **asdict(found)})
    else:
        console.print(stage.line(found), markup=False)
        for problem in found.problems:
            console.print(f"  {problem}", markup=False)
    if not found.healthy:
        raise typer.Exit(UNHEALTHY)


def doctor(
    section: Annotated[list[str] | None, typer.Argument(help="Only these sections; default: all.")] = None,
    as_json: Json = False,
) -> None:
    from contextlib import ExitStack

    from xbot_dagster.resources.cache import make_cache
    from xbot_dagster.stages import doctor as stage

    unknown = [name for name in section or () if name not in stage.SECTIONS]
    if unknown:
        raise UsageError(f"There is no section '{unknown[0]}'.", f"Known: {', '.join(stage.SECTIONS)}.")
    settings = load_settings()
    reached: list[Opened] = []
    with ExitStack() as stack:

        def opening() -> stage.Reached:
            found = stack.enter_context(deployment(settings))
            reached.append(found)
            return stage.Reached(found.engine, found.clock, found.deployment, found.services.embedded_postgres)

        checks = stage.examine(settings, opening, lambda: make_cache(settings), section or stage.SECTIONS)
        if "x" in (section or ()) and reached:  # opens pages, so only when asked for by name
            from xbot_dagster.resources.x import X
            from xbot_dagster.stages import site

            checks += site.examine(reached[0].engine, reached[0].clock, X(settings).look(reached[0]))
    failed = any(check.verdict == "fail" for check in checks)
    if as_json:
        print_json({"ready": not failed, "checks": [asdict(check) for check in checks]})
    else:
        marks = {"ok": "✅", "warn": "⚠️ ", "fail": "❌", "note": "ℹ️ "}
        for check in checks:
            console.print(f"{marks[check.verdict]} {check.section:<9}{check.what}: {check.found}", markup=False)
            if check.fix and check.verdict != "ok":
                console.print(f"   {check.fix}", markup=False)
    if failed:
        raise typer.Exit(UNHEALTHY)


def alerts_list(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    from xbot_dagster.store import browse

    states = [] if everything else ["open", "acknowledged"]
    with deployment() as opened, opened.engine.begin() as conn:
        rows = [asdict(row) for row in browse.alerts(conn, states, None, limit)]
    columns = ("id", "state", "severity", "rule", "opened_at", "message", "fix")
    print_rows(rows, columns, as_json=as_json, empty="No alert is open.")


def alerts_ack(alert_id: Annotated[int, typer.Argument(help="The alert's number.")]) -> None:
    from xbot_dagster.store import alerts, browse

    with deployment() as opened, opened.engine.begin() as conn:
        known = browse.alert(conn, alert_id)
        if known is None:
            raise NotFound(f"There is no alert {alert_id}.", "List them with: xbot alerts list")
        if not alerts.acknowledge(conn, alert_id, f"cli:{actor()}"):
            raise Conflict(f"Alert {alert_id} is {known.state}, not open.")
    console.print(f"acknowledged {alert_id}: {known.message}", markup=False)


def alerts_test() -> None:
    from xbot_dagster.stages.notifying import AppriseNotifier, Message

    notifier = AppriseNotifier(load_settings())
    if not notifier.channels:
        raise UsageError(
            "ALERT_URLS is not set.", "Set it to any Apprise address, for example mailto://… or slack://…."
        )
    message = Message("xbot: a test", "If you can read this, alerts reach you.", "info", good=True)
    failures = {channel: error for channel in notifier.channels if (error := notifier.send(channel, message))}
    for channel in notifier.channels:
        console.print(f"{channel}: {failures.get(channel) or 'sent'}", markup=False)
    if failures:
        raise typer.Exit(1)


Posting = Annotated[bool, typer.Option("--posting", help="Only posting.")]
Llm = Annotated[bool, typer.Option("--llm", help="Only LLM calls.")]
All = Annotated[bool, typer.Option("--all", help="Both (the default).")]
OneAccount = Annotated[str, typer.Option("--account", help="Only this account; default: all.")]


def stop(posting: Posting = False, llm: Llm = False, everything: All = False, account: OneAccount = "") -> None:
    from xbot_dagster.stages import controls

    with deployment() as opened:
        what = _what(posting, llm, everything)
        done = controls.stop(opened.engine, opened.settings, what, actor=f"cli:{actor()}", account=account)
    console.print(
        f"stopped: {', '.join(done.changed) or 'nothing new'} ({account or 'all accounts'}). Undo with: xbot resume"
    )


def resume(posting: Posting = False, llm: Llm = False, everything: All = False, account: OneAccount = "") -> None:
    from xbot_dagster.stages import controls

    with deployment() as opened:
        what = _what(posting, llm, everything)
        done = controls.resume(opened.engine, opened.settings, what, actor=f"cli:{actor()}", account=account)
    closed = f"; closed the circuit of {', '.join(done.closed)}" if done.closed else ""
    console.print(f"resumed: {', '.join(done.changed) or 'nothing was stopped'} ({account or 'all accounts'}){closed}")


def _what(posting: bool, llm: bool, everything: bool):
    from xbot_dagster.stages import controls

    if everything or posting == llm:
        return controls.EVERYTHING
    return ("posting",) if posting else ("llm",)
