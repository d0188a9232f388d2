"""Just before replies go out: is what they answer still there as it was, and did nobody say "stop" in the meantime?

A reply whose target cannot be looked at is held back and asked about again; it is never sent unseen.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.content.text import fold
from xbot_dagster.errors import UserError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import publish, reply
from xbot_dagster.store import config, deployment, drafts
from xbot_dagster.store import replies as store
from xbot_dagster.store.deployment import Account
from xbot_dagster.store.replies import DueReply
from xbot_dagster.x.protocols import Mention, MetricSource

log = logging.getLogger("xbot")

HOLD = timedelta(minutes=15)
_MARGIN = timedelta(minutes=1)


@dataclass(frozen=True)
class CheckReport:
    """Replies that were due: still good, cancelled, held back (with the reason per account)."""

    checked: int = 0
    cancelled: int = 0
    held: int = 0
    reasons: tuple[str, ...] = ()


def run(engine: Engine, clock: Clock, settings: Settings, source_for: Callable[[str], MetricSource]) -> CheckReport:
    """Look at the targets of every reply that is due. Reads nothing where nothing may be published."""
    with engine.begin() as conn:
        due = store.due_replies(conn)
        accounts = [each for each in deployment.accounts(conn) if any(r.account == each.account for r in due)]
    checked = cancelled = held = 0
    reasons = []
    for account in accounts:
        mine = [each for each in due if each.account == account.account]
        with engine.begin() as conn:
            blocked = publish.obstacle(settings, account, config.read_config(conn, settings, account.account))
        if blocked or publish.shadow_reason(settings, account, None):
            continue
        try:
            reason = reply.refusal(settings)
            mentions = [] if reason else _mentions(source_for(account.account), account, mine)
        except UserError as error:
            reason, mentions = error.message, []
        with engine.begin() as conn:
            if reason:
                store.hold(conn, [each.decision_id for each in mine], clock.now() + HOLD)
                log.warning("[REPLY_JOB] ⏸️ held back %d replies account=%s: %s", len(mine), account.account, reason)
                held += len(mine)
                reasons.append(f"{account.account}: {reason}")
                continue
            before = len(mine)
            reply.receive(conn, account, mentions, clock.now())
            mine = [each for each in mine if each.decision_id in {r.decision_id for r in store.due_replies(conn)}]
            changed = [each for each in mine if _changed(each, mentions)]
            for each in changed:
                drafts.close(conn, each.decision_id, "cancelled", "the post it answers was changed")
                store.set_state(conn, account.account, each.target_tweet_id, "dropped", "it was changed")
                log.info("[REPLY_JOB] ⛔ cancelled decision_id=%s: the post it answers was changed", each.decision_id)
        checked += len(mine) - len(changed)
        cancelled += before - len(mine) + len(changed)
    return CheckReport(checked, cancelled, held, tuple(reasons))


def _mentions(source: MetricSource, account: Account, due: Sequence[DueReply]) -> list[Mention]:
    since = min(each.target_posted_at for each in due) - _MARGIN
    return source.mentions(account.account, account.handle, since)


def _changed(due: DueReply, mentions: Sequence[Mention]) -> bool:
    """A target that is not listed says nothing (the list is short); whether it is gone the publisher sees."""
    return any(seen.tweet_id == due.target_tweet_id and fold(seen.text) != fold(due.target_text) for seen in mentions)
