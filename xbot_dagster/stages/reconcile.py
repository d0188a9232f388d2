"""End doubts by reading the account's own timeline, and find posts that nobody ordered."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from xbot_dagster.clock import Clock
from xbot_dagster.domain.publishing import reconciling
from xbot_dagster.domain.publishing.reconciling import Finding
from xbot_dagster.settings import Settings
from xbot_dagster.stages import ghosts, session, spending
from xbot_dagster.stages.session import PublisherFor
from xbot_dagster.store import alerts, attempts, deployment, doubts, posting
from xbot_dagster.store.attempts import LostLease
from xbot_dagster.store.deployment import Account
from xbot_dagster.store.doubts import OpenDoubt
from xbot_dagster.x.protocols import Publisher, Timeline

log = logging.getLogger("xbot")

# A doubt older than this is told to a person, though the looks go on.
ALERT_AFTER = timedelta(minutes=30)


@dataclass(frozen=True)
class ReconcileReport:
    """What the looks found: decisions by verdict; `ghosts` are tweet ids; `unreadable` says why a timeline was no evidence."""

    looks: int = 0
    adopted: tuple[str, ...] = ()
    requeued: tuple[str, ...] = ()
    needs_human: tuple[str, ...] = ()
    waiting: int = 0
    recovered: int = 0
    ghosts: tuple[str, ...] = ()
    unreadable: dict[str, str] | None = None


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    publisher_for: PublisherFor,
    accounts: Sequence[str] | None = None,
    *,
    sweep: bool = False,
    at_once: bool = False,
) -> ReconcileReport:
    """Take every look that is due, and look for ghosts where nobody has looked for hours. `sweep` looks for them everywhere;
    `at_once` does not wait for the next look's moment (a person asked), which never shortens the ten minutes before a post
    counts as not live.

    Raises DatabaseError when the database is not this deployment's.
    """
    with engine.begin() as conn:
        deployment.require_family(conn, settings)
        recovered = doubts.recover_leases(conn)
        due = doubts.due_looks(conn, accounts, at_once=at_once)
        rows = {row.account: row for row in deployment.accounts(conn, enabled_only=False)}
        swept = [name for name, row in rows.items() if row.enabled] if sweep else sweeps_due(conn, settings)
    reader = _Reader(engine, clock, settings)
    doubtful = {doubt.claim.account for doubt in due}
    for name in sorted(doubtful):
        reader.look(rows[name], [doubt for doubt in due if doubt.claim.account == name], publisher_for(rows[name]))
    for name in swept:
        if name not in doubtful and (accounts is None or name in accounts):
            reader.sweep(rows[name], publisher_for(rows[name]))
    return reader.report(len(recovered.queued) + len(recovered.in_doubt))


def sweeps_due(conn: Connection, settings: Settings) -> list[str]:
    """Accounts to look at for ghosts now; none where nothing of ours becomes public."""
    public = settings.publisher != "shadow" and settings.MODE != "shadow" and not settings.posting_disabled
    return posting.sweeps_due(conn) if public and (settings.family == "sandbox" or settings.live_posts) else []


class _Reader:
    def __init__(self, engine: Engine, clock: Clock, settings: Settings) -> None:
        self.engine = engine
        self.clock = clock
        self.settings = settings
        self.looks = 0
        self.waiting = 0
        self.adopted: list[str] = []
        self.requeued: list[str] = []
        self.needs_human: list[str] = []
        self.ghosts: list[str] = []
        self.unreadable: dict[str, str] = {}

    def report(self, recovered: int) -> ReconcileReport:
        return ReconcileReport(
            looks=self.looks,
            adopted=tuple(self.adopted),
            requeued=tuple(self.requeued),
            needs_human=tuple(self.needs_human),
            waiting=self.waiting,
            recovered=recovered,
            ghosts=tuple(self.ghosts),
            unreadable=self.unreadable or None,
        )

    def sweep(self, account: Account, publisher: Publisher) -> None:
        """A look for ghosts alone, and so first at the session: an expired one is better known before a post is due."""
        found = session.check(self.engine, account, publisher)
        if found.state == "ok":
            self.look(account, [], publisher)
        else:
            self.unreadable[account.account] = f"session {found.state}: {found.detail}"

    def look(self, account: Account, due: list[OpenDoubt], publisher: Publisher) -> None:
        since = min((doubt.doubt.armed_at for doubt in due), default=self.clock.now()) - reconciling.MIN_WAIT
        seen = publisher.timeline(account.account, account.handle, since)
        if not seen.readable:
            self.unreadable[account.account] = seen.reason
        for doubt in due:
            self.looks += 1
            self._judge(account, doubt, seen)
        with self.engine.begin() as conn:
            self.ghosts += ghosts.check(conn, account, seen)

    def _judge(self, account: Account, doubt: OpenDoubt, seen: Timeline) -> None:
        now = self.clock.now()
        try:
            with self.engine.begin() as conn:
                ours = reconciling.own_posts(seen.posts, account.handle)
                taken = doubts.known_ids(conn, account.account, [post.tweet_id for post in ours])
                finding = reconciling.judge(doubt.doubt, seen.posts, seen.readable, now, taken)
                self._apply(conn, doubt, finding, now)
        except LostLease as error:
            log.info("[POSTING_RECONCILER] ℹ️ %s", error)
        except IntegrityError as error:
            # Another writer took the id in the meantime: the next look sees it as taken.
            log.warning(
                "[POSTING_RECONCILER] ⚠️ Could not adopt decision_id=%s: %s", doubt.claim.decision_id, error.orig
            )
            self.waiting += 1

    def _apply(self, conn: Connection, doubt: OpenDoubt, finding: Finding, now: datetime) -> None:
        claim = doubt.claim
        if finding.verdict == "adopt":
            attempts.posted(conn, claim, finding.tweet_ids[0], "reconcile")
            spending.record_created(conn, self.settings, now, claim)
            alerts.close_alert(conn, "in_doubt", claim.decision_id)
            self.adopted.append(claim.decision_id)
            log.info(
                "[POSTING_ORCHESTRATOR] ✅ Posted successfully tweet_id=%s decision_id=%s",
                finding.tweet_ids[0],
                claim.decision_id,
            )
            if len(finding.tweet_ids) > 1:
                alerts.raise_alert(
                    conn,
                    "duplicate_post",
                    claim.decision_id,
                    "critical",
                    f"Decision {claim.decision_id} is live {len(finding.tweet_ids)} times: {', '.join(finding.tweet_ids)}.",
                    "Keep the first, delete the others on x.com.",
                    claim.account,
                )
        elif finding.verdict == "wait":
            assert finding.next_look is not None
            doubts.looked(conn, claim, convincing=finding.convincing, next_look=finding.next_look)
            self.waiting += 1
            if now - doubt.doubt.armed_at >= ALERT_AFTER:
                alerts.raise_alert(
                    conn,
                    "in_doubt",
                    claim.decision_id,
                    "critical",
                    f"Decision {claim.decision_id} has been in doubt since {doubt.doubt.armed_at:%Y-%m-%d %H:%M} UTC: {doubt.reason}",
                    "Look at the timeline yourself, then: xbot posts reconcile",
                    claim.account,
                )
        else:
            doubts.looked(conn, claim, convincing=True, next_look=now)
            status = attempts.not_live(conn, claim, needs_human=finding.verdict == "needs_human")
            alerts.close_alert(conn, "in_doubt", claim.decision_id)
            if status == "needs_human":
                self.needs_human.append(claim.decision_id)
                alerts.raise_alert(
                    conn,
                    "needs_human",
                    claim.decision_id,
                    "critical",
                    f"Two submits of decision {claim.decision_id} never appeared on the timeline.",
                    f"xbot explain {claim.decision_id}",
                    claim.account,
                )
            else:
                self.requeued.append(claim.decision_id)
            log.warning("[POSTING_RECONCILER] 🔁 Not live decision_id=%s: now %s", claim.decision_id, status)
