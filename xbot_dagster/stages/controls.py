"""Stop and resume: the switches that end posting or LLM calls at the next step, whatever else is going on."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, text

from xbot_dagster.settings import Settings
from xbot_dagster.store import alerts, audit, config, deployment, standing, usage

What = Literal["posting", "llm"]
EVERYTHING: tuple[What, ...] = ("posting", "llm")


@dataclass(frozen=True)
class ControlReport:
    """`control_id` names the action in the audit log (its run_id); `changed` what it switched; `closed` circuits it
    closed."""

    control_id: str
    changed: tuple[str, ...]
    closed: tuple[str, ...] = ()


def stop(
    engine: Engine, settings: Settings, what: Sequence[What] = EVERYTHING, *, actor: str, account: str = ""
) -> ControlReport:
    """Stop `what` for one account, or for all ('')."""
    with engine.begin() as conn:
        control_id = _begin(conn, actor)
        changed = _set(conn, settings, what, True, account)
        audit.record(conn, "STOPPED", "controls", {"what": list(what), "account": account}, severity="warning")
    return ControlReport(control_id, changed)


def resume(
    engine: Engine, settings: Settings, what: Sequence[What] = EVERYTHING, *, actor: str, account: str = ""
) -> ControlReport:
    """Take the stops back and close the circuits behind them: a person has looked.

    A stop of one account survives the resume of all: it is an account's own and is resumed by naming it.
    """
    closed: list[str] = []
    with engine.begin() as conn:
        control_id = _begin(conn, actor)
        changed = _set(conn, settings, what, False, account)
        if "posting" in what:
            closed += _close_accounts(conn, account)
        if "llm" in what:
            closed += _close_llm(conn, settings)
        audit.record(conn, "RESUMED", "controls", {"what": list(what), "account": account, "closed": closed})
    return ControlReport(control_id, changed, tuple(closed))


def _begin(conn: Connection, actor: str) -> str:
    """Sign what follows with the actor and an id that the audit log keeps."""
    control_id = f"control-{uuid.uuid4()}"
    conn.execute(
        text("SELECT set_config('xbot.actor', :actor, true), set_config('xbot.run_id', :id, true)"),
        {"actor": actor, "id": control_id},
    )
    return control_id


def _set(conn: Connection, settings: Settings, what: Sequence[What], stopped: bool, account: str) -> tuple[str, ...]:
    if account:
        deployment.account(conn, account)
    before = config.read_raw(conn, settings, account)["controls"]
    changed = []
    for name in what:
        config.write(conn, settings, "controls", f"stop_{name}", stopped, account)
        if before.get(f"stop_{name}") is not stopped:
            changed.append(name)
    return tuple(changed)


def _close_accounts(conn: Connection, account: str) -> list[str]:
    closed = []
    for row in deployment.accounts(conn, enabled_only=False):
        if account in ("", row.account) and standing.close_circuit(conn, row.account):
            closed.append(f"account {row.account}")
            for alert in alerts.open_alerts(conn, row.account):
                if alert.rule in ("ghost_post", "circuit_open"):
                    alerts.close_alert(conn, alert.rule, alert.subject)
    return closed


def _close_llm(conn: Connection, settings: Settings) -> list[str]:
    now = conn.execute(text("SELECT xbot_now()")).scalar_one()
    if not usage.close_circuit(conn, usage.budget_day(now, settings)):
        return []
    for alert in alerts.open_alerts(conn):
        if alert.rule == "llm_circuit_open":
            alerts.close_alert(conn, alert.rule, alert.subject)
    return ["today's LLM circuit"]
