"""Publish what is due: one run for all due decisions of all accounts, strictly serial within an account.

Why a decision did or did not go out is in the report, account by account. One submit: `stages.submission`.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.publishing.ledger import Limits
from xbot_dagster.errors import UserError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import ghosts, session
from xbot_dagster.stages.session import PublisherFor
from xbot_dagster.stages.submission import Baseline, Ended, Submission, retried
from xbot_dagster.store import alerts, claims, deployment, doubts, posting
from xbot_dagster.store.claims import NoClaim, Unfit
from xbot_dagster.store.config import LiveConfig, read_config
from xbot_dagster.store.deployment import Account
from xbot_dagster.x.protocols import Publisher
from xbot_dagster.x.shadow import ShadowPublisher

log = logging.getLogger("xbot")

Controls = Callable[[Connection, Settings, str], LiveConfig]
# Two decisions in a row that failed before the submit: the site is the reason, not the decisions.
_FAILURES_PER_TICK = 2


@dataclass(frozen=True)
class PublishReport:
    """What one tick did. `reasons` says for every account with something due why it stopped where it did."""

    found: int = 0
    posted: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    shadowed: int = 0
    rejected: int = 0
    deferred: int = 0
    in_doubt: int = 0
    not_sent: int = 0
    expired: int = 0
    recovered: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """One line for the tick log."""
        if not self.reasons:
            return "nothing due"
        if len(self.reasons) == 1:
            return next(iter(self.reasons.values()))
        return "; ".join(f"{account}: {reason}" for account, reason in self.reasons.items())[:2000]


@dataclass
class _Tally:
    found: int = 0
    expired: int = 0
    recovered: int = 0
    posted: list[str] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    unfit: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def report(self) -> PublishReport:
        def count(outcome: str) -> int:
            return sum(end.outcome == outcome for end in self.ended)

        return PublishReport(
            found=self.found,
            posted=tuple(self.posted),
            decisions=tuple(dict.fromkeys(end.decision_id for end in self.ended)),
            shadowed=count("shadowed"),
            rejected=count("rejected") + self.unfit,
            deferred=count("deferred"),
            in_doubt=count("in_doubt"),
            not_sent=count("not_sent"),
            expired=self.expired,
            recovered=self.recovered,
            reasons=self.reasons,
        )


def no_hook(moment: str) -> None:
    """Nothing happens at the named moments of a publication (domain.publishing.states.HOOKS)."""


def run(
    engine: Engine,
    clock: Clock,
    settings: Settings,
    publisher_for: PublisherFor,
    controls: Controls = read_config,
    accounts: Sequence[str] | None = None,
    *,
    hooks: Callable[[str], None] = no_hook,
) -> PublishReport:
    """Publish due decisions of every enabled account, or of those named.

    publisher_for: an account's publisher. controls: reads an account's live configuration, again before every
    submit. Raises DatabaseError when the database is not this deployment's; a database that goes away mid-run
    raises SQLAlchemy's OperationalError and leaves nothing that the next run cannot recover.
    """
    tally = _Tally()
    with engine.begin() as conn:
        stamped = deployment.require_family(conn, settings)
        recovered = doubts.recover_leases(conn)
        tally.recovered = len(recovered.queued) + len(recovered.in_doubt)
        tally.expired = len(posting.expire(conn))
        names = posting.accounts_with_due(conn, settings.generation_source, accounts)
    for decision_id in recovered.in_doubt:
        log.warning("[POSTING_ORCHESTRATOR] ❓ In doubt decision_id=%s: the worker died after arming", decision_id)
    for name in names:
        poster = _Poster(engine, clock, settings, publisher_for, controls, stamped.seed, hooks, tally)
        tally.reasons[name] = poster.work(name)
    return tally.report()


def shadow_reason(settings: Settings, account: Account, publisher: Publisher | None) -> str | None:
    """Why nothing of this account may become public, whatever the decision; None when it may."""
    if settings.MODE == "shadow":
        return "MODE=shadow"
    if settings.family == "real" and not settings.live_posts:
        return "LIVE_POSTS=false"
    if settings.publisher == "shadow" or (publisher is not None and not publisher.real):
        return "PUBLISHER=shadow"
    return None


def obstacle(settings: Settings, account: Account, config: LiveConfig, kind: str = "single") -> str | None:
    """Why nothing may be published now though it stays queued; None when nothing stands in the way."""
    if settings.posting_disabled:
        return "POSTING_DISABLED=true"
    if config.stop_posting:
        return "stop_posting=true"
    if settings.MODE == "live" and settings.live_posts and account.label_attested_at is None:
        return "the automated-account label is not attested (xbot accounts attest)"
    return None


def limits_of(settings: Settings, account: Account, config: LiveConfig) -> Limits:
    """The limits of one account: of the environment and the live configuration the stricter."""
    minutes = max(float(settings.MIN_POST_INTERVAL_MINUTES), config.post_interval_min)
    return Limits(
        per_hour=settings.MAX_POSTS_PER_HOUR,
        interval=timedelta(minutes=minutes),
        replies_per_day=settings.REPLY_MAX_PER_DAY,
        quiet_hours=config.quiet_hours,
        zone=account.zone,
    )


class _Poster:
    """One account's turn within a run."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        settings: Settings,
        publisher_for: PublisherFor,
        controls: Controls,
        seed: int,
        hooks: Callable[[str], None],
        tally: _Tally,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.settings = settings
        self.publisher_for = publisher_for
        self.controls = controls
        self.seed = seed
        self.hooks = hooks
        self.tally = tally

    def work(self, name: str) -> str:
        """Publish what `name` may publish now; the reason it stopped."""
        source = self.settings.generation_source
        with self.engine.begin() as conn:
            account = deployment.account(conn, name)
            due = posting.due(conn, name, source)
            config = self._config(conn, name)
            if not due:
                return "nothing due"
            self.tally.found += len(due)
            log.info("[POSTING_ORCHESTRATOR] 📋 Found %d decisions in queue", len(due))
            if isinstance(config, str):
                return config
            blocked = obstacle(self.settings, account, config)
            if blocked:
                for decision in due:
                    log.info(
                        "[POSTING_ORCHESTRATOR] ⏭️ Skipped posting decision_id=%s: %s", decision.decision_id, blocked
                    )
                return blocked
            nothing = claims.may_claim(conn, name, source, limits_of(self.settings, account, config))
        if nothing is not None:
            log.info("[POSTING_ORCHESTRATOR] ⏭️ Skipped posting account=%s: %s", name, nothing.reason)
            return nothing.reason
        # What must not become public never meets a publisher that could make it so.
        why_shadow = shadow_reason(self.settings, account, None)
        publisher: Publisher = ShadowPublisher() if why_shadow else self.publisher_for(account)
        why_shadow = why_shadow or shadow_reason(self.settings, account, publisher)
        baseline = Baseline(None, False)
        if not why_shadow:
            seen = self._look(account, publisher)
            if isinstance(seen, str):
                return seen
            baseline = seen
        return self._loop(account, publisher, why_shadow, baseline)

    def _look(self, account: Account, publisher: Publisher) -> Baseline | str:
        """The session and the timeline before the batch, or why nothing may be posted.

        A page that did not load is tried again before it is believed."""
        found = retried(
            self.clock,
            lambda: publisher.probe(account.account, account.handle),
            lambda probe: probe.detail if probe.transient else None,
        )
        in_order = found.baseline if found.state == "ok" else None
        with self.engine.begin() as conn:
            session.record(conn, account.account, found)
            strangers = ghosts.check(conn, account, in_order) if in_order else ()
        if found.state != "ok":
            log.warning("[POSTING_ORCHESTRATOR] ⏭️ Skipped posting account=%s: session %s", account.account, found.state)
            return f"session {found.state}: {found.detail}"
        if strangers:
            return f"ghost post {strangers[0]}"
        return Baseline.of(in_order, account.handle) if in_order else Baseline(None, False)

    def _loop(self, account: Account, publisher: Publisher, why_shadow: str | None, baseline: Baseline) -> str:
        tried: list[str] = []
        served: list[str] = []
        failures = submits = 0
        while submits < posting.BATCH:
            self.hooks("before_claim")
            with self.engine.begin() as conn:
                config = self._config(conn, account.account)
                if isinstance(config, str):
                    return config
                blocked = obstacle(self.settings, account, config)
                if blocked:
                    return blocked
                limits = limits_of(self.settings, account, config)
                found = claims.claim(
                    conn, account.account, self.settings.generation_source, publisher.name, limits, tried, served
                )
            if isinstance(found, NoClaim):
                return found.reason if not (submits and found.empty) else f"{submits} submitted, nothing else due"
            if isinstance(found, Unfit):
                self.tally.unfit += 1
                log.warning("[POSTING_ORCHESTRATOR] 🚫 Rejected decision_id=%s: %s", found.decision_id, found.reason)
                continue
            self.hooks("claimed")
            submission = Submission(
                self.engine,
                self.clock,
                self.settings,
                account,
                publisher,
                lambda conn: self._stop(conn, account),
                self.hooks,
            )
            ended = submission.run(found, baseline, config.post_fraction, self.seed, why_shadow)
            self.tally.ended.append(ended)
            submits += 1
            served.append(found.decision_type)
            if ended.outcome == "posted" and ended.tweet_id:
                self.tally.posted.append(ended.tweet_id)
                baseline = Baseline(ended.tweet_id, False)
            if ended.outcome == "not_sent":
                tried.append(found.decision_id)
                failures += 1
                if failures >= _FAILURES_PER_TICK:
                    return f"{failures} decisions failed before the submit: {ended.reason}"
            if ended.stops:
                return ended.reason
        return f"{submits} submitted, the most for one tick"

    def _stop(self, conn: Connection, account: Account) -> str | None:
        """Asked in the transaction that arms: whether posting was stopped since the claim."""
        config = self._config(conn, account.account)
        return config if isinstance(config, str) else obstacle(self.settings, account, config)

    def _config(self, conn: Connection, account: str) -> LiveConfig | str:
        """The live configuration, or why it cannot be read: a guard that fails does not let anything pass."""
        try:
            return self.controls(conn, self.settings, account)
        except (UserError, ValueError, TypeError, KeyError) as error:
            reason = f"the live configuration cannot be read: {error}"
            alerts.raise_alert(
                conn,
                "guard_failed",
                account,
                "critical",
                f"Nothing is posted for {account}: {reason}",
                "xbot config get",
                account,
            )
            return reason
