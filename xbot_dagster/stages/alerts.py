"""Evaluate the alert rules, close what is over, tell people, ping the dead-man service.

Belongs here: the order of these steps. The rules are `domain.alerting`, the facts `store.condition`. Sending happens between
two transactions; what could not be sent is tried again at the next evaluation and stays visible.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain import alerting
from xbot_dagster.domain.alerting import Finding
from xbot_dagster.settings import Settings
from xbot_dagster.stages import notifying
from xbot_dagster.stages.notifying import Message, Notifier
from xbot_dagster.store import alert_delivery, alerts, condition, ticks, usage
from xbot_dagster.store.browse import AlertRow
from xbot_dagster.store.engine import one

log = logging.getLogger("xbot")

DEADMAN_EVERY = timedelta(minutes=10)
_DEADMAN_TICK = "deadman"
_HEADLINES = {"opened": "", "escalated": "ESCALATED: ", "closed": "over: "}


@dataclass(frozen=True)
class AlertReport:
    """Counts of one evaluation. `failed` are sends that did not arrive; `deadman`: 'off', 'sent' or why it failed."""

    opened: int
    closed: int
    escalated: int
    sent: int
    failed: int
    deadman: str


def alerts_due(conn: Connection, settings: Settings) -> bool:
    """Whether an evaluation would change or send something (what the sensor asks)."""
    facts = condition.read(conn, settings, usage.budget_day(_now(conn), settings))
    known = alert_delivery.living(conn)
    opening, ending = _changes(facts, known)
    return bool(
        opening
        or ending
        or alert_delivery.cause_gone(conn, usage.budget_day(facts.now, settings))
        or any(_escalates(alert, facts.now) for alert in known)
        or (settings.ALERT_URLS is not None and _anything_unsent(settings, known))
        or (settings.DEADMAN_URL is not None and _deadman_due(conn, facts.now))
    )


def run(engine: Engine, clock: Clock, settings: Settings, notifier: Notifier) -> AlertReport:
    """One evaluation."""
    with engine.begin() as conn:
        now = clock.now()
        day = usage.budget_day(now, settings)
        facts = condition.read(conn, settings, day)
        known = alert_delivery.living(conn)
        opening, ending = _changes(facts, known)
        for finding in alerting.findings(facts):
            if finding in opening:
                log.warning("[ALERT] 🔔 %s %s: %s", finding.severity, finding.rule, finding.message)
            alerts.raise_alert(
                conn, finding.rule, finding.subject, finding.severity, finding.message, finding.fix, finding.account
            )
        gone = alert_delivery.cause_gone(conn, day)
        alert_delivery.close(conn, [*ending, *gone])
        escalated = [alert for alert in alert_delivery.living(conn) if _escalates(alert, now)]
        for alert in escalated:
            alert_delivery.escalate(conn, alert.id, now)
        living = alert_delivery.living(conn)
    sent, failed = _deliver(engine, now, settings, notifier, living)
    deadman = _ping(engine, now, settings, notifier)
    return AlertReport(len(opening), len(ending) + len(gone), len(escalated), sent, failed, deadman)


def watch(engine: Engine, clock: Clock, settings: Settings, notifier: Notifier) -> AlertReport | None:
    """Evaluate only where the loop has fallen silent: what a process outside Dagster does every minute. None: not needed."""
    with engine.begin() as conn:
        facts = condition.read(conn, settings, usage.budget_day(clock.now(), settings))
        needed = alerting.stalled(facts) and alerts_due(conn, settings)
    return run(engine, clock, settings, notifier) if needed else None


def _changes(facts: alerting.Facts, known: list[AlertRow]) -> tuple[list[Finding], list[int]]:
    """Findings that have no open alert yet, and ids of open alerts whose finding is gone."""
    found = alerting.findings(facts)
    open_now = {(a.rule, a.subject): a for a in known if a.state != "closed"}
    still = {(f.rule, f.subject) for f in found}
    opening = [f for f in found if (f.rule, f.subject) not in open_now]
    ending = [a.id for key, a in open_now.items() if a.rule in alerting.OWNED and key not in still]
    return opening, ending


def _escalates(alert: AlertRow, now: datetime) -> bool:
    return alerting.escalates(alert.severity, alert.state, alert.opened_at, now, alert.deliveries)


def _deliver(
    engine: Engine, now: datetime, settings: Settings, notifier: Notifier, living: list[AlertRow]
) -> tuple[int, int]:
    sent = failed = 0
    for alert in living:
        entries = []
        for event, channel in alerting.unsent(alert.state, alert.deliveries, notifier.channels):
            error = notifier.send(channel, _message(alert, event, settings))
            entries.append(
                {"at": now.isoformat(), "event": event, "channel": channel, "ok": error is None, "error": error}
            )
            sent, failed = sent + (error is None), failed + (error is not None)
            if error is not None:
                log.warning("[ALERT] ⚠️ Could not send %s of %s to %s: %s", event, alert.rule, channel, error)
        if entries:
            with engine.begin() as conn:
                alert_delivery.record(conn, alert.id, entries)
    return sent, failed


def _message(alert: AlertRow, event: str, settings: Settings) -> Message:
    title = f"xbot {settings.app_env}: {_HEADLINES[event]}{alert.severity} {alert.rule.replace('_', ' ')}"
    if event == "closed":
        return Message(title, f"Over: {alert.message}", alert.severity, good=True)
    return Message(title, f"{alert.message}\nFix: {alert.fix}" if alert.fix else alert.message, alert.severity)


def _anything_unsent(settings: Settings, known: list[AlertRow]) -> bool:
    channels = notifying.AppriseNotifier(settings).channels
    return any(alerting.unsent(alert.state, alert.deliveries, channels) for alert in known)


def _deadman_due(conn: Connection, now: datetime) -> bool:
    last = one(conn, "SELECT at FROM tick_log WHERE name = :name ORDER BY at DESC LIMIT 1", name=_DEADMAN_TICK)
    return last is None or now - last.at >= DEADMAN_EVERY


def _ping(engine: Engine, now: datetime, settings: Settings, notifier: Notifier) -> str:
    if settings.DEADMAN_URL is None:
        return "off"
    error = notifier.ping()
    with engine.begin() as conn:
        if error is None:
            ticks.record(conn, _DEADMAN_TICK, "stage", did={"ping": "sent"})
        else:
            ticks.record(conn, _DEADMAN_TICK, "stage", skipped=f"the dead-man service did not hear it: {error}")
    return error or "sent"


def _now(conn: Connection) -> datetime:
    return one(conn, "SELECT xbot_now() AS now").now
