"""Just before replies go out: is what they answer still there as it was, and did nobody say "stop" in the meantime?

A reply whose target is not seen (an unreadable page shows none) is held back and asked about again; it is never sent unseen.
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
        known = {each.account: each for each in deployment.accounts(conn)}
    report = CheckReport()
    for name in sorted({each.account for each in due} & set(known)):
        account, mine = known[name], [each for each in due if each.account == name]
        with engine.begin() as conn:
            blocked = publish.obstacle(settings, account, config.read_config(conn, settings, name))
        if not blocked and not publish.shadow_reason(settings, account, None):
            report = _one_account(engine, clock, settings, source_for, account, mine, report)
    return report


def _one_account(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    source_for: Callable[[str], MetricSource],
    account: Account,
    due: Sequence[DueReply],
    report: CheckReport,
) -> CheckReport:
    try:
        reason, seen = reply.refusal(settings), []
        if reason is None:
            seen = _mentions(source_for(account.account), account, due)
    except UserError as error:
        reason, seen = error.message, []
    texts = {mention.tweet_id: fold(mention.text) for mention in seen}
    with engine.begin() as conn:
        reply.receive(conn, account, seen, clock.now())
        # Who said "stop" just now has no reply in the queue any more.
        left = {each.decision_id for each in store.due_replies(conn)}
        mine = [each for each in due if each.decision_id in left]
        unseen = [each for each in mine if each.target_tweet_id not in texts]
        changed = [each for each in mine if texts.get(each.target_tweet_id, "") != fold(each.target_text)]
        changed = [each for each in changed if each not in unseen]
        store.hold(conn, [each.decision_id for each in unseen], clock.now() + HOLD)
        for each in changed:
            drafts.close(conn, each.decision_id, "cancelled", "the post it answers was changed")
            store.set_state(conn, account.account, each.target_tweet_id, "dropped", "it was changed")
            log.info("[REPLY_JOB] ⛔ cancelled decision_id=%s: the post it answers was changed", each.decision_id)
    if unseen:
        reason = reason or "the post it answers cannot be seen"
        log.warning("[REPLY_JOB] ⏸️ held back replies=%d account=%s: %s", len(unseen), account.account, reason)
    return CheckReport(
        report.checked + len(mine) - len(unseen) - len(changed),
        report.cancelled + len(due) - len(mine) + len(changed),
        report.held + len(unseen),
        (*report.reasons, f"{account.account}: {reason}") if unseen else report.reasons,
    )


def _mentions(source: MetricSource, account: Account, due: Sequence[DueReply]) -> list[Mention]:
    since = min(each.target_posted_at for each in due) - _MARGIN
    return source.mentions(account.account, account.handle, since)
