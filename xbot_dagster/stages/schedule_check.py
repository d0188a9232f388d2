"""One scheduling cycle in shadow: every check a decision would meet, with its verdict, and what would be posted. Changes nothing."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from xbot_dagster.domain.publishing import rollout
from xbot_dagster.settings import Settings
from xbot_dagster.stages.publish import limits_of, obstacle, shadow_reason
from xbot_dagster.store import claims, deployment, posting
from xbot_dagster.store.config import read_config
from xbot_dagster.store.deployment import Account

log = logging.getLogger("xbot")


@dataclass(frozen=True)
class Verdict:
    """One check of one account: `passed`, and in words why or why not."""

    account: str
    check: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class ScheduleReport:
    checks: tuple[Verdict, ...]
    would_post: tuple[str, ...]


def run(engine: Engine, settings: Settings, accounts: Sequence[str] | None = None) -> ScheduleReport:
    """Walk every enabled account (or those named) through the checks, in a transaction that is taken back."""
    checks: list[Verdict] = []
    words: list[str] = []
    with engine.connect() as conn, conn.begin() as transaction:
        seed = deployment.require_family(conn, settings).seed
        for account in deployment.accounts(conn):
            if accounts is None or account.account in accounts:
                words += _account(conn, settings, account, seed, checks)
        transaction.rollback()
    for check in checks:
        log.info(
            "[SCHEDULE_TEST] %s account=%s %s: %s",
            "✅" if check.passed else "⛔",
            check.account,
            check.check,
            check.detail,
        )
    for line in words:
        log.info("[POSTING_ORCHESTRATOR] 🌓 SHADOW MODE - Would post: %s", line)
    return ScheduleReport(tuple(checks), tuple(words))


def _waiting(conn: Connection, account: Account) -> str:
    """What is not due yet, and why."""
    found = posting.waiting(conn, account.account)
    parts = [f", {found.approval} awaiting approval"] if found.approval else []
    parts += [f", next at {found.next_at:%Y-%m-%d %H:%M} UTC"] if found.next_at else []
    return "".join(parts)


def _account(conn: Connection, settings: Settings, account: Account, seed: int, checks: list[Verdict]) -> list[str]:
    def say(check: str, passed: bool, detail: str) -> None:
        checks.append(Verdict(account.account, check, passed, detail))

    config = read_config(conn, settings, account.account)
    why_shadow = shadow_reason(settings, account, None)
    blocked = obstacle(settings, account, config)
    say("publication", why_shadow is None, why_shadow or f"PUBLISHER={settings.publisher}")
    say("switches", blocked is None, blocked or "nothing is stopped")
    say("circuit", account.circuit_state == "closed", account.circuit_reason or "closed")
    say("session", account.session_state in ("ok", "unknown"), account.session_state)
    due = posting.due(conn, account.account, settings.generation_source)
    say("queue", bool(due), f"{len(due)} due{_waiting(conn, account)}")
    limits = limits_of(settings, account, config)
    refused = claims.may_claim(conn, account.account, settings.generation_source, limits)
    held = refused.reason if refused is not None and not refused.empty else None
    say("rate ledger", held is None, held or "a slot is free")
    words, tried = [], []
    for _ in due:
        found = claims.claim(conn, account.account, settings.generation_source, "shadow", limits, tried)
        if isinstance(found, claims.Unfit):
            say("text", False, f"decision {found.decision_id}: {found.reason}")
            continue
        if isinstance(found, claims.NoClaim):
            break
        drawn = rollout.draw(seed, found.decision_id, config.post_fraction)
        say(
            "post_fraction", drawn.goes_out, f"decision {found.decision_id} drew {drawn.draw:.3f} of {drawn.fraction:g}"
        )
        words.append(found.text)
        # Posting is serial: the next one of this account would be another cycle.
        break
    return words
