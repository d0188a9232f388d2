"""Sources, candidates, ideas, gates, safety, and a person's word on drafts."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from xbot_dagster.cli.runtime import AccountName, Json, actor, console, deployment, group, print_json, print_rows
from xbot_dagster.errors import UsageError, UserError
from xbot_dagster.resources.cache import make_cache
from xbot_dagster.resources.opening import Opened
from xbot_dagster.store import candidates, config, sources, verdicts
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT, accounts
from xbot_dagster.store.deployment import account as account_row

if TYPE_CHECKING:
    from xbot_dagster.domain.content.safety import SafetyConfig


def mount(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group_sources = group("Where content comes from. Example: xbot sources list")
    group_sources.command(
        "load", help="Load a sources.yaml, OPML, directory or feed. Example: xbot sources load feeds.opml"
    )(load)
    group_sources.command("list", help="Every source and its state. Example: xbot sources list")(list_sources)
    group_sources.command("stats", help="What each source brought. Example: xbot sources stats --json")(source_stats)
    group_sources.command("enable", help="Switch a source on. Example: xbot sources enable NAME")(enable)
    group_sources.command("disable", help="Switch a source off. Example: xbot sources disable NAME")(disable)
    group_sources.command("weight", help="Set a source's weight, 0 to 100. Example: xbot sources weight NAME 2")(weight)
    app.add_typer(group_sources, name="sources")
    group_candidates = group("What could be said next. Example: xbot candidates refresh")
    group_candidates.command("refresh", help="Read every source now. Example: xbot candidates refresh")(refresh)
    app.add_typer(group_candidates, name="candidates")
    group_ideas = group("Ideas of your own. Example: xbot ideas add 'Reading before sleep'")
    group_ideas.command("add", help="Add an idea. Example: xbot ideas add 'Reading before sleep' --topic reading")(
        add_idea
    )
    app.add_typer(group_ideas, name="ideas")
    group_safety = group("The safety gate. Example: xbot safety check 'some text'")
    group_safety.command("check", help="Judge a text. Example: xbot safety check 'some text'")(safety_check)
    group_safety.command("config", help="What the gate allows. Example: xbot safety config")(safety_config)
    app.add_typer(group_safety, name="safety")
    app.command(help="Pass rates of the gates and near misses. Example: xbot gates --days 7")(gates)
    app.command(help="Approve waiting drafts. Example: xbot approve DECISION_ID")(approve)
    app.command(help="Reject waiting drafts. Example: xbot reject DECISION_ID --reason 'too glib'")(reject)
    app.command(
        help="Change a waiting draft's text; it goes through the gates again. Example: xbot edit DECISION_ID 'new text'"
    )(edit)


Decision = Annotated[UUID, typer.Argument(help="The decision's id (see xbot queue list).")]
Decisions = Annotated[list[UUID], typer.Argument(help="One or more decisions.")]
Name = Annotated[str, typer.Argument(help="The source's name.")]


def load(
    path: Annotated[str, typer.Argument(help="File, directory or address.")], account: AccountName = DEFAULT_ACCOUNT
) -> None:
    from xbot_dagster.stages.loading import load_sources

    with deployment() as opened, opened.engine.begin() as conn:
        account_row(conn, account)
        loaded = load_sources(conn, path, account, sandbox=opened.settings.family == "sandbox")
    console.print(f"loaded {len(loaded)} source(s): {', '.join(each.source for each in loaded)}", markup=False)


def list_sources(as_json: Json = False) -> None:
    with deployment() as opened, opened.engine.begin() as conn:
        rows = [asdict(source) for source in sources.sources(conn)]
    columns = ("source", "account", "kind", "weight", "enabled")
    print_rows(rows, columns, as_json=as_json, empty="There are no sources. Load some with: xbot sources load FILE")


def source_stats(as_json: Json = False) -> None:
    with deployment() as opened, opened.engine.begin() as conn:
        rows = sources.performance(conn)
    columns = (
        "source",
        "kind",
        "enabled",
        "last_run_at",
        "success_rate",
        "candidates",
        "decisions",
        "measured_posts",
        "avg_engagement_rate",
    )
    print_rows(rows, columns, as_json=as_json, empty="There are no sources. Load some with: xbot sources load FILE")


def enable(name: Name) -> None:
    with deployment() as opened, opened.engine.begin() as conn:
        sources.set_enabled(conn, name, True)
    console.print(f"{name} is on")


def disable(name: Name) -> None:
    with deployment() as opened, opened.engine.begin() as conn:
        sources.set_enabled(conn, name, False)
    console.print(f"{name} is off")


def weight(name: Name, value: Annotated[float, typer.Argument(help="0 to 100; 1 is usual.")]) -> None:
    with deployment() as opened, opened.engine.begin() as conn:
        sources.set_weight(conn, name, value)
    console.print(f"{name} has weight {value:g}")


def refresh(as_json: Json = False) -> None:
    from xbot_dagster.runner import run_job

    with deployment() as opened:
        with opened.engine.begin() as conn:
            before = sum(candidates.queue_depth(conn, each.account) for each in accounts(conn))
        with console.status("Reading the sources …"):
            run = run_job("refresh_candidates", tags={"xbot/actor": "cli"})
    metadata = run.asset_materializations_for_node("content_candidates")[0].metadata
    report: dict[str, Any] = {name: entry.value for name, entry in metadata.items() if not name.startswith("dagster/")}
    if as_json:
        print_json({**report, "queue_depth_before": before})
        return
    if not report["sources"]:
        console.print("There are no sources. Load some with: xbot sources load FILE")
        return
    print_rows(report["sources"], ("source", "status", "items", "new", "duplicates"), as_json=False, empty="")
    console.print(
        f"Generated: {report['new']} candidates from {len(report['sources'])} sources, {report['duplicates']} duplicates, "
        f"{report['held_back']} held back for lack of room, {report['dropped']} dropped, {report['expired']} expired"
    )
    console.print(f"Queue depth: {report['queue_depth']} (before: {before})")
    console.print(f"Top topics: {', '.join(f'{topic} ({n})' for topic, n in report['top_topics']) or '-'}")
    for sample in report["samples"]:
        console.print(f"  · {sample}", markup=False)


def add_idea(
    title: Annotated[str, typer.Argument(help="What to write about.")],
    topic: Annotated[str, typer.Option(help="Its topic.")] = "ideas",
    angle: Annotated[str, typer.Option(help="From which side.")] = "",
    account: AccountName = DEFAULT_ACCOUNT,
) -> None:
    from xbot_dagster.stages import ideas

    with deployment() as opened:
        cache = make_cache(opened.settings)
        added = ideas.add(opened.engine, opened.clock, opened.settings, cache, account, title, topic=topic, angle=angle)
        cache.close()
    console.print("added" if added else "The same idea is there already.")


def safety_check(
    text: Annotated[str, typer.Argument(help="The text to judge.")],
    account: AccountName = DEFAULT_ACCOUNT,
    as_json: Json = False,
) -> None:
    from xbot_dagster.domain.content import safety

    with deployment() as opened:
        found = safety.findings(text, _safety(opened, account))
    if as_json:
        print_json({"verdict": "block" if found else "pass", "findings": [asdict(f) for f in found]})
    elif found:
        console.print("\n".join(f"block  {f.code}: {f.detail}" for f in found), markup=False)
    else:
        console.print("pass")
    if found:
        raise typer.Exit(1)


def safety_config(account: AccountName = DEFAULT_ACCOUNT, as_json: Json = False) -> None:
    with deployment() as opened:
        found = asdict(_safety(opened, account))
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        console.print(f"{name:<22} {value}")


def _safety(opened: Opened, account: str) -> "SafetyConfig":
    from xbot_dagster.stages.gates import chain_config

    with opened.engine.begin() as conn:
        live = config.read_config(conn, opened.settings, account)
        raw = config.read_raw(conn, opened.settings, account)["content_config"]
        return chain_config(live, account_row(conn, account), opened.settings.embedder, raw).safety


def gates(days: Annotated[int, typer.Option(min=1, max=365)] = 7, as_json: Json = False) -> None:
    from xbot_dagster.domain.content.verdicts import FAIL_MODES

    with deployment() as opened, opened.engine.begin() as conn:
        rates = [{**asdict(row), "fails": FAIL_MODES[row.gate]} for row in verdicts.stats(conn, days=days)]
        misses = [asdict(row) for row in verdicts.near_misses(conn, days=days)]
    if as_json:
        print_json({"gates": rates, "near_misses": misses})
        return
    print_rows(
        rows=rates,
        columns=rates[0].keys() if rates else (),
        as_json=False,
        empty="No draft was judged yet. Plan some with: xbot plan",
    )
    if misses:
        console.print("\nClosest to a threshold:")
        for miss in misses:
            miss["text"] = " ".join(miss["text"].split())[:60]
        print_rows(misses, ("gate", "verdict", "score", "threshold", "text"), as_json=False, empty="")


def approve(decision_ids: Decisions) -> None:
    _decide(decision_ids, "approve", None)


def reject(
    decision_ids: Decisions, reason: Annotated[str, typer.Option(help="Why; the writer learns from it.")]
) -> None:
    _decide(decision_ids, "reject", reason)


def _decide(decision_ids: list[UUID], action: str, reason: str | None) -> None:
    """Each by itself: one that can no longer be changed costs the others nothing."""
    from xbot_dagster.stages import approve as stage

    if reason is not None and not reason.strip():
        raise UsageError("A rejection needs a reason.", "The writer learns from it.")
    with deployment() as opened:
        outcome = stage.batch(opened.engine, decision_ids, actor(), action, reason)
    for decision_id in outcome.done:
        console.print(f"{'approved' if action == 'approve' else 'rejected'} {decision_id}")
    if outcome.refused:
        raise UserError(
            " ".join(f"{i}: {why}" for i, why in outcome.refused.items()), "List them with: xbot queue list"
        )


def edit(
    decision_id: Decision,
    parts: Annotated[list[str], typer.Argument(help="The new text; several for a thread.")],
    reason: Annotated[str | None, typer.Option(help="Why; the writer learns from it.")] = None,
) -> None:
    from xbot_dagster.resources.llm import client_for
    from xbot_dagster.stages import approve as stage
    from xbot_dagster.store import drafts

    with deployment() as opened:
        with opened.engine.begin() as conn:
            account = drafts.decision(conn, decision_id).account
        with client_for(opened) as llm:
            revision = stage.revise(llm, opened.settings, account, parts)
        with opened.engine.begin() as conn:
            changed = stage.edit(conn, opened.settings, decision_id, revision, actor(), reason)
    console.print(f"{decision_id} is now {changed.status}")
