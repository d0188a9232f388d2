"""One attempt from its arming to its end. Each function is meant for one transaction together with the decision's status.

An UPDATE that finds no row means that somebody else holds the attempt by now: LostLease, never silence.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.domain.publishing import retries, states
from xbot_dagster.domain.publishing.fingerprint import snowflake_time
from xbot_dagster.store.claims import Claim
from xbot_dagster.store.engine import one

FIRST_PASS_AFTER = timedelta(hours=1)


class LostLease(Exception):
    """The attempt is no longer ours: its lease ran out, its decision was taken back, or it has already ended."""


@dataclass(frozen=True)
class ArmRefused:
    """Why the submit must not happen."""

    reason: str


def note(conn: Connection, claim: Claim, evidence: dict[str, Any]) -> None:
    """Add facts (rollout draw, baseline, file names) to the attempt."""
    conn.execute(
        text(f"UPDATE posting_attempts SET evidence = evidence || cast(:evidence AS jsonb) WHERE {_MINE}"),
        {**_keys(claim), "evidence": json.dumps(evidence, default=str)},
    )


def arm(
    conn: Connection, claim: Claim, fingerprint: str, baseline: str | None, evidence: dict[str, Any]
) -> ArmRefused | None:
    """Write the intent to submit. The caller commits before the click; whoever gets None may submit exactly once.

    Raises LostLease; IntegrityError when another attempt of the account is armed or in doubt."""
    status = one(
        conn, "SELECT status FROM content_metadata WHERE decision_id = :id FOR UPDATE", id=claim.decision_id
    ).status
    if status != "posting":
        raise LostLease(f"decision {claim.decision_id} is {status}")
    conn.execute(
        text(
            "DELETE FROM live_fingerprints WHERE account = :account AND fingerprint = :fingerprint AND expires_at <= xbot_now()"
        ),
        {"account": claim.account, "fingerprint": fingerprint},
    )
    taken = one(
        conn,
        "INSERT INTO live_fingerprints (account, fingerprint, decision_id, part, created_at, expires_at) "
        "VALUES (:account, :fingerprint, :id, :part, xbot_now(), xbot_now() + cast(:life AS interval)) "
        "ON CONFLICT (account, fingerprint) DO UPDATE SET expires_at = greatest(live_fingerprints.expires_at, EXCLUDED.expires_at) "
        "RETURNING decision_id, part",
        account=claim.account,
        fingerprint=fingerprint,
        id=claim.decision_id,
        part=claim.part,
        life=retries.FINGERPRINT_LIFE,
    )
    if (str(taken.decision_id), taken.part) != (claim.decision_id, claim.part):
        return ArmRefused(f"the same text is live or may be live as decision {taken.decision_id}")
    armed = conn.execute(
        text(
            "UPDATE posting_attempts SET state = 'armed', post_key = :key, fingerprint = :fingerprint, armed_at = xbot_now(), "
            f"baseline_tweet_id = :baseline, evidence = evidence || cast(:evidence AS jsonb) WHERE {_MINE} "
            "AND state = 'claimed' AND lease_until > xbot_now()"
        ),
        {
            **_keys(claim),
            "key": f"{claim.decision_id}:{claim.part}:{claim.attempt}",
            "fingerprint": fingerprint,
            "baseline": baseline,
            "evidence": json.dumps(evidence, default=str),
        },
    )
    if armed.rowcount != 1:
        raise LostLease(f"attempt {claim.attempt} of decision {claim.decision_id} is no longer ours")
    # The window is counted from the submit, not from the claim: a slow page must not let a third post into an hour.
    conn.execute(text(f"UPDATE post_slots SET at = xbot_now() WHERE {_SLOT}"), _slot(claim))
    return None


def posted(conn: Connection, claim: Claim, tweet_id: str, via: str) -> None:
    """The part is live. Attempt, part, decision, slot and (with its head) the posted decision change together."""
    posted_at = snowflake_time(tweet_id)
    _end(conn, claim, "posted", tweet_id=tweet_id, via=via)
    # The ledger counts X's own times, so that no rolling hour of X ever holds more than the limit.
    conn.execute(text(f"UPDATE post_slots SET at = greatest(at, :at) WHERE {_SLOT}"), {**_slot(claim), "at": posted_at})
    conn.execute(
        text(
            "INSERT INTO decision_parts (decision_id, part, text, tweet_id, posted_at) VALUES (:id, :part, :text, :tweet, :at) "
            "ON CONFLICT (decision_id, part) DO UPDATE SET tweet_id = EXCLUDED.tweet_id, posted_at = EXCLUDED.posted_at"
        ),
        {"id": claim.decision_id, "part": claim.part, "text": claim.text, "tweet": tweet_id, "at": posted_at},
    )
    if claim.part == 0:
        conn.execute(
            text(
                "INSERT INTO posted_decisions (decision_id, account, tweet_id, text, posted_at, publisher, via, next_pass, next_due_at, simulated) "
                "VALUES (:id, :account, :tweet, :text, :at, :publisher, :via, 1, :due, :simulated)"
            ),
            {
                "id": claim.decision_id,
                "account": claim.account,
                "tweet": tweet_id,
                "text": claim.text,
                "at": posted_at,
                "publisher": claim.publisher,
                "via": via,
                "due": posted_at + FIRST_PASS_AFTER,
                "simulated": claim.simulated,
            },
        )
    else:
        conn.execute(
            text("UPDATE posted_decisions SET parts = :parts WHERE decision_id = :id"),
            {"id": claim.decision_id, "parts": claim.part + 1},
        )
    if claim.decision_type == "reply":
        conn.execute(
            text("UPDATE reply_targets SET state = 'answered' WHERE account = :account AND target_tweet_id = :target"),
            {"account": claim.account, "target": claim.reply_to},
        )
    head = tweet_id if claim.part == 0 else None
    _decision(
        conn,
        claim,
        "posted" if claim.last else "queued",
        None if claim.last else f"part {claim.part + 1} of {claim.parts} is live",
        tweet_id=head,
    )


def shadowed(conn: Connection, claim: Claim, reason: str) -> None:
    """The decision went the whole path but the submit; it is not tried again."""
    _end(conn, claim, "not_sent", error=reason, publisher="shadow")
    _release(conn, claim)
    _decision(conn, claim, "shadowed", reason)


def not_sent(conn: Connection, claim: Claim, reason: str, *, counts: bool) -> str:
    """Proven pre-submit failure: back to the queue, with a pause and a count of failures when it `counts`; else at once.

    Returns the decision's new status: 'queued', or 'rejected' when it has failed too often (the dead letter)."""
    _end(conn, claim, "not_sent", error=reason)
    _release(conn, claim)
    failures = one(
        conn,
        "UPDATE content_metadata SET presubmit_failures = presubmit_failures + :one WHERE decision_id = :id RETURNING presubmit_failures",
        id=claim.decision_id,
        one=int(counts),
    ).presubmit_failures
    pause = retries.backoff(failures) if counts else timedelta(0)
    if pause is None:
        return _decision(conn, claim, "rejected", f"given up after {failures} failures before the submit: {reason}")
    return _decision(conn, claim, "queued", reason, pause=pause if counts else None)


def rejected(conn: Connection, claim: Claim, code: int | None, reason: str) -> str:
    """The server said no, or the text may not be submitted. A thread with live parts goes to a person. Returns the new status."""
    _end(conn, claim, "rejected", error=reason, error_code=code)
    _release(conn, claim)
    _unfingerprint(conn, claim)
    if claim.part > 0:
        return _decision(
            conn, claim, "needs_human", f"the thread broke at part {claim.part + 1} of {claim.parts}: {reason}"
        )
    return _decision(conn, claim, "rejected", reason)


def refused(conn: Connection, claim: Claim, reason: str) -> str:
    """The submit was forbidden before the click (the text is live already). Returns the new status."""
    _end(conn, claim, "not_sent", error=reason)
    _release(conn, claim)
    if claim.part > 0:
        return _decision(
            conn, claim, "needs_human", f"the thread broke at part {claim.part + 1} of {claim.parts}: {reason}"
        )
    return _decision(conn, claim, "rejected", reason)


def deferred(conn: Connection, claim: Claim, until: datetime, code: int | None, reason: str) -> None:
    """The server said later: back to the queue until then."""
    _end(conn, claim, "deferred", error=reason, error_code=code)
    _release(conn, claim)
    _unfingerprint(conn, claim)
    _decision(conn, claim, "queued", reason)
    hold(conn, claim, until)


def hold(conn: Connection, claim: Claim, until: datetime) -> None:
    """Keep a decision that is back in the queue from being tried before `until`."""
    conn.execute(
        text("UPDATE content_metadata SET not_before = :until WHERE decision_id = :id"),
        {"id": claim.decision_id, "until": until},
    )


def in_doubt(conn: Connection, claim: Claim, reason: str, code: int | None, evidence: dict[str, Any]) -> None:
    """The submit may be live: only the reconciler or a person ends this."""
    _end(conn, claim, "in_doubt", error=reason, error_code=code)
    conn.execute(
        text(
            "UPDATE posting_attempts SET resolved_at = NULL, next_look_at = xbot_now(), evidence = evidence || cast(:evidence AS jsonb) "
            f"WHERE {_MINE}"
        ),
        {**_keys(claim), "evidence": json.dumps(evidence, default=str)},
    )
    _decision(conn, claim, "in_doubt", reason)


def not_live(conn: Connection, claim: Claim, *, needs_human: bool) -> str:
    """Proven not live: back to the queue with its slot given back, or to a person. Returns the new status."""
    _end(conn, claim, "not_live")
    _release(conn, claim)
    if needs_human:
        return _decision(conn, claim, "needs_human", "two submits of this decision never appeared on the timeline")
    return _decision(conn, claim, "queued", "the last submit never appeared on the timeline")


def requeue(conn: Connection, claim: Claim, reason: str) -> str:
    """A decision that needed a person goes back to the queue. Returns the new status."""
    return _decision(conn, claim, "queued", reason)


def recharge(conn: Connection, claim: Claim) -> None:
    """Count the slot of an attempt again that was given back too early: its post turned out to be live."""
    conn.execute(
        text(
            "UPDATE post_slots SET released_at = NULL WHERE decision_id = :id AND part = :part AND attempt = :attempt"
        ),
        _slot(claim),
    )


_MINE = "decision_id = :id AND part = :part AND attempt = :attempt AND fence = :fence"
_SLOT = "decision_id = :id AND part = :part AND attempt = :attempt AND released_at IS NULL"


def _keys(claim: Claim) -> dict[str, Any]:
    return {"id": claim.decision_id, "part": claim.part, "attempt": claim.attempt, "fence": claim.fence}


def _slot(claim: Claim) -> dict[str, Any]:
    return {"id": claim.decision_id, "part": claim.part, "attempt": claim.attempt}


def _end(conn: Connection, claim: Claim, state: str, **columns: Any) -> None:
    assignments = "".join(f", {name} = :{name}" for name in columns)
    done = conn.execute(
        text(
            f"UPDATE posting_attempts SET state = :state, resolved_at = xbot_now(), next_look_at = NULL{assignments} "
            f"WHERE {_MINE} AND state = ANY(:before)"
        ),
        {**_keys(claim), "state": state, "before": states.before(states.ATTEMPT_TRANSITIONS, state), **columns},
    )
    if done.rowcount != 1:
        raise LostLease(f"attempt {claim.attempt} of decision {claim.decision_id} has already ended")


def _release(conn: Connection, claim: Claim) -> None:
    conn.execute(text(f"UPDATE post_slots SET released_at = xbot_now() WHERE {_SLOT}"), _slot(claim))


def _unfingerprint(conn: Connection, claim: Claim) -> None:
    conn.execute(
        text("DELETE FROM live_fingerprints WHERE account = :account AND decision_id = :id AND part = :part"),
        {"account": claim.account, "id": claim.decision_id, "part": claim.part},
    )


def _decision(
    conn: Connection,
    claim: Claim,
    status: str,
    reason: str | None,
    *,
    tweet_id: str | None = None,
    pause: timedelta | None = None,
) -> str:
    """Move the decision on and return its status. A person who cancelled it in the meantime is not overruled."""
    done = conn.execute(
        text(
            "UPDATE content_metadata SET status = :status, status_reason = :reason, updated_at = xbot_now(), "
            "tweet_id = coalesce(:tweet, tweet_id), not_before = coalesce(xbot_now() + cast(:pause AS interval), not_before) "
            "WHERE decision_id = :id AND status = ANY(:before)"
        ),
        {
            "id": claim.decision_id,
            "status": status,
            "reason": reason,
            "tweet": tweet_id,
            "pause": pause,
            "before": states.before(states.DECISION_TRANSITIONS, status),
        },
    )
    if done.rowcount == 1:
        return status
    found = one(conn, "SELECT status FROM content_metadata WHERE decision_id = :id", id=claim.decision_id).status
    if found != "cancelled":
        raise LostLease(f"decision {claim.decision_id} is {found} and cannot become {status}")
    return found
