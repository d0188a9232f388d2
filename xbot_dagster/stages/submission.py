"""One part of one decision from its claim to its end: prepare and retry, arm, submit once, write down what came of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from xbot_dagster.clock import Clock
from xbot_dagster.domain.publishing import retries, rollout
from xbot_dagster.domain.publishing.fingerprint import fingerprint, plausible_id
from xbot_dagster.domain.publishing.reconciling import own_posts
from xbot_dagster.domain.publishing.states import CIRCUIT_CODES, CREDITS_CODE, DUPLICATE_CODE, SESSION_CODES
from xbot_dagster.embedded.home import Home
from xbot_dagster.settings import Settings
from xbot_dagster.stages import posting_alerts, spending
from xbot_dagster.store import attempts, media, standing
from xbot_dagster.store.attempts import LostLease
from xbot_dagster.store.claims import Claim
from xbot_dagster.store.deployment import Account
from xbot_dagster.x.protocols import (
    Deferred,
    InDoubt,
    Media,
    NotSent,
    OutgoingPost,
    Posted,
    Publisher,
    PublishResult,
    Rejected,
    Timeline,
)

log = logging.getLogger("xbot")

T = TypeVar("T")
Outcome = Literal["posted", "shadowed", "rejected", "deferred", "in_doubt", "not_sent", "lost"]


@dataclass(frozen=True)
class Baseline:
    """The newest own post seen before arming; `empty` when a readable timeline held none."""

    tweet_id: str | None
    empty: bool

    @classmethod
    def of(cls, seen: Timeline, handle: str) -> "Baseline":
        mine = own_posts(seen.posts, handle)
        return cls(mine[-1].tweet_id if mine else None, seen.readable and not mine)


@dataclass(frozen=True)
class Ended:
    """How it ended. `stops`: nothing more of this account in this tick."""

    decision_id: str
    outcome: Outcome
    reason: str = ""
    tweet_id: str | None = None
    stops: bool = False


class _Forbidden(Exception):
    """Arming was refused for a reason that is the decision's own: the text is live already."""


class _Halted(Exception):
    """Arming was refused because posting was stopped since the claim, or something else of the account is open."""


def retried(clock: Clock, act: Callable[[], T], again: Callable[[T], str | None]) -> T:
    """What `act` returns, tried again up to three times after 1, 2 and 4 s while `again` names a reason: before a submit only."""
    result = act()
    for number, seconds in enumerate(retries.PRESUBMIT_DELAYS, start=1):
        reason = again(result)
        if reason is None:
            break
        log.warning("[POST_RETRY] ⚠️ Retry %d/%d after %s", number, len(retries.PRESUBMIT_DELAYS), reason)
        clock.sleep(seconds)
        result = act()
    return result


class Submission:
    """Everything one submit needs. `stop(conn)` says in the arming transaction why posting must not go on, or None."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        settings: Settings,
        account: Account,
        publisher: Publisher,
        stop: Callable[[Connection], str | None],
        hooks: Callable[[str], None],
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.settings = settings
        self.account = account
        self.publisher = publisher
        self.stop = stop
        self.hooks = hooks
        self.armed_at: datetime | None = None

    def run(self, claim: Claim, baseline: Baseline, fraction: float, seed: int, why_shadow: str | None) -> Ended:
        """Submit the claimed part, or end it as shadowed."""
        drawn = rollout.draw(seed, claim.decision_id, fraction)
        facts = {
            "post_fraction": drawn.fraction,
            "draw": drawn.draw,
            "propensity": drawn.propensity,
            "baseline_empty": baseline.empty,
        }
        if why_shadow is None and not drawn.goes_out and claim.part == 0:
            why_shadow = f"post_fraction={fraction:g}"
        if why_shadow is not None:
            return self._shadow(claim, facts, why_shadow)
        try:
            result = self._submit(claim, baseline, facts)
        except (_Forbidden, _Halted, LostLease) as error:
            reason, stops = str(error), isinstance(error, _Halted)
            if isinstance(error, _Forbidden):
                return self._keep(claim, lambda conn: self._refuse(conn, claim, reason))
            return self._keep(claim, lambda conn: self._back(conn, claim, reason, counts=False, stops=stops))
        self.hooks("submitted")
        ended = self._keep(claim, lambda conn: self._write(conn, claim, result))
        self.hooks("resolved")
        return ended

    def _shadow(self, claim: Claim, facts: dict, reason: str) -> Ended:
        log.info("[POSTING_ORCHESTRATOR] 🌓 SHADOW MODE - Would post: %s", claim.text)

        def write(conn: Connection) -> Ended:
            attempts.note(conn, claim, {**facts, "would_post": claim.text, "would_post_at": self.clock.now()})
            attempts.shadowed(conn, claim, reason)
            return Ended(claim.decision_id, "shadowed", reason)

        return self._keep(claim, write)

    def _submit(self, claim: Claim, baseline: Baseline, facts: dict) -> PublishResult:
        """Prepare (with retries), arm, submit. After arming nothing is tried again."""
        post = OutgoingPost(
            account=claim.account,
            handle=self.account.handle,
            decision_id=claim.decision_id,
            part=claim.part,
            text=claim.text,
            fingerprint=fingerprint(claim.text),
            reply_to=claim.reply_to,
            media=self._pictures(claim),
        )

        def arm() -> None:
            self.hooks("before_arm")
            self._arm(claim, post.fingerprint, baseline, facts)
            self.hooks("armed")

        def again(result: PublishResult) -> str | None:
            return result.reason if self.armed_at is None and isinstance(result, NotSent) else None

        return retried(self.clock, lambda: self.publisher.publish(post, arm), again)

    def _pictures(self, claim: Claim) -> tuple[Media, ...]:
        folder = Home(self.settings.home).media
        with self.engine.connect() as conn:
            found = media.of_part(conn, claim.decision_id, claim.part)
        return tuple(Media(folder / picture.file, picture.alt_text) for picture in found)

    def _arm(self, claim: Claim, print_: str, baseline: Baseline, facts: dict) -> None:
        if self.armed_at is not None:
            raise LostLease(f"decision {claim.decision_id} has been armed already")
        try:
            with self.engine.begin() as conn:
                halted = self.stop(conn)
                if halted:
                    raise _Halted(halted)
                refused = attempts.arm(conn, claim, print_, baseline.tweet_id, facts)
                if refused:
                    raise _Forbidden(refused.reason)
        except IntegrityError as error:
            raise _Halted(f"another submit of {claim.account} is open: {str(error.orig).splitlines()[0]}") from error
        self.armed_at = self.clock.now()
        if self.armed_at >= claim.lease_until:
            # The intent is written, but others may take this worker for dead by now: no click; the lease ends it as a doubt.
            raise LostLease(f"arming decision {claim.decision_id} took longer than its lease")

    def _keep(self, claim: Claim, write: Callable[[Connection], Ended]) -> Ended:
        """Write the end in one transaction; a database that went away is asked again, which submits nothing again."""
        for seconds in (*retries.PRESUBMIT_DELAYS, None):
            self.hooks("before_resolve")
            try:
                with self.engine.begin() as conn:
                    return write(conn)
            except LostLease as error:
                return Ended(claim.decision_id, "lost", str(error))
            except OperationalError:
                if seconds is None:
                    raise
                self.clock.sleep(seconds)
        raise AssertionError("unreachable")

    def _write(self, conn: Connection, claim: Claim, result: PublishResult) -> Ended:
        if isinstance(result, NotSent):
            if self.armed_at is None:
                return self._back(conn, claim, result.reason, counts=True, stops=False)
            result = InDoubt(f"not sent after arming: {result.reason}", result.evidence)
        if self.armed_at is None:
            return self._before_arming(conn, claim, result)
        if isinstance(result, Posted) and not plausible_id(result.tweet_id, self.armed_at):
            result = InDoubt(f"the id {result.tweet_id} cannot belong to this submit", {"tweet_id": result.tweet_id})
        if isinstance(result, Rejected) and result.code == DUPLICATE_CODE:
            result = InDoubt(result.message, {"code": DUPLICATE_CODE})
        if isinstance(result, Posted):
            attempts.posted(conn, claim, result.tweet_id, result.via)
            spending.record_created(conn, self.settings, self.clock.now(), claim)
            log.info(
                "[POSTING_ORCHESTRATOR] ✅ Posted successfully tweet_id=%s decision_id=%s",
                result.tweet_id,
                claim.decision_id,
            )
            return Ended(claim.decision_id, "posted", tweet_id=result.tweet_id)
        if isinstance(result, Rejected):
            return self._reject(conn, claim, result)
        if isinstance(result, Deferred):
            return self._defer(conn, claim, result.until, result.code, result.message)
        attempts.in_doubt(conn, claim, result.reason, result.evidence.get("code"), result.evidence)
        log.warning("[POSTING_ORCHESTRATOR] ❓ In doubt decision_id=%s: %s", claim.decision_id, result.reason)
        return Ended(claim.decision_id, "in_doubt", result.reason, stops=True)

    def _before_arming(self, conn: Connection, claim: Claim, result: PublishResult) -> Ended:
        """An answer without a submit: the publisher saw before the click that the post cannot be."""
        if isinstance(result, Rejected):
            return self._refuse(conn, claim, result.message)
        if isinstance(result, Deferred):
            attempts.not_sent(conn, claim, result.message, counts=False)
            attempts.hold(conn, claim, result.until or self.clock.now() + retries.DEFER_RATE)
            return Ended(claim.decision_id, "deferred", result.message, stops=True)
        raise AssertionError(f"the publisher {self.publisher.name} answered {result} without arming")

    def _back(self, conn: Connection, claim: Claim, reason: str, *, counts: bool, stops: bool) -> Ended:
        status = attempts.not_sent(conn, claim, reason, counts=counts)
        if status == "rejected":
            posting_alerts.dead_letter(conn, claim, reason)
        log.warning("[POSTING_ORCHESTRATOR] ↩️ Not sent decision_id=%s: %s", claim.decision_id, reason)
        return Ended(claim.decision_id, "not_sent", reason, stops=stops)

    def _refuse(self, conn: Connection, claim: Claim, reason: str) -> Ended:
        status = attempts.refused(conn, claim, reason)
        log.warning("[POSTING_ORCHESTRATOR] 🚫 Rejected decision_id=%s: %s", claim.decision_id, reason)
        if status == "needs_human":
            posting_alerts.needs_human(conn, claim, reason)
        return Ended(claim.decision_id, "rejected", reason)

    def _reject(self, conn: Connection, claim: Claim, result: Rejected) -> Ended:
        if result.code in SESSION_CODES:
            return self._signed_out(conn, claim, result)
        status = attempts.rejected(conn, claim, result.code, result.message)
        log.warning(
            "[POSTING_ORCHESTRATOR] 🚫 Rejected decision_id=%s code=%s: %s",
            claim.decision_id,
            result.code,
            result.message,
        )
        if status == "needs_human":
            posting_alerts.needs_human(conn, claim, result.message)
        stops = result.code in CIRCUIT_CODES
        if stops:
            reason = f"X answered {result.code}: {result.message}"
            standing.open_circuit(conn, claim.account, reason)
            posting_alerts.circuit_open(conn, claim.account, reason)
        return Ended(claim.decision_id, "rejected", result.message, stops=stops)

    def _signed_out(self, conn: Connection, claim: Claim, result: Rejected) -> Ended:
        """The session ended between the probe and the submit: the decision waits for the next one."""
        attempts.deferred(conn, claim, self.clock.now(), result.code, result.message)
        standing.set_session(conn, claim.account, "expired")
        posting_alerts.signed_out(conn, claim.account, result.message)
        log.warning("[POSTING_ORCHESTRATOR] ⏸️ Deferred decision_id=%s: session expired", claim.decision_id)
        return Ended(claim.decision_id, "deferred", "session expired", stops=True)

    def _defer(self, conn: Connection, claim: Claim, until: datetime | None, code: int | None, reason: str) -> Ended:
        pause: timedelta = retries.DEFER_DAILY if code in (344, 185, CREDITS_CODE) else retries.DEFER_RATE
        moment = max(until, self.clock.now()) if until else self.clock.now() + pause
        attempts.deferred(conn, claim, moment, code, reason)
        if code == CREDITS_CODE:
            posting_alerts.no_credits(conn, claim.account, reason)
        log.warning(
            "[POSTING_ORCHESTRATOR] ⏸️ Deferred decision_id=%s until=%s: %s",
            claim.decision_id,
            moment.isoformat(),
            reason,
        )
        return Ended(claim.decision_id, "deferred", reason, stops=True)
