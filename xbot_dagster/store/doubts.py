"""Attempts whose end is unknown: leases that ran out, looks at the timeline, what explains a post that was seen, a person's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from xbot_dagster.domain.publishing.reconciling import Doubt
from xbot_dagster.store import attempts
from xbot_dagster.store.claims import Claim


@dataclass(frozen=True)
class OpenDoubt:
    """One attempt in doubt: the claim it belongs to and what the domain needs to judge a look."""

    claim: Claim
    handle: str
    doubt: Doubt
    reason: str
    state: str


@dataclass(frozen=True)
class Recovered:
    """What leases that ran out became: decision ids back in the queue, and those now in doubt."""

    queued: tuple[str, ...]
    in_doubt: tuple[str, ...]


_CLAIM = (
    "SELECT p.account, p.decision_id, c.decision_type, p.part, p.attempt, p.publisher, p.fence, p.lease_until, p.state, p.fingerprint, "
    "p.armed_at, p.looks, p.convincing_looks, p.baseline_tweet_id, p.evidence, p.error, c.text AS whole, c.target_tweet_id, c.target_username, "
    "c.scheduled_at, c.simulated, a.handle, d.text AS part_text, before.tweet_id AS before_id, "
    "(SELECT count(*) FROM decision_parts n WHERE n.decision_id = p.decision_id) AS parts, "
    "(SELECT count(*) FROM posting_attempts n WHERE n.decision_id = p.decision_id AND n.state = 'not_live') AS not_live "
    "FROM posting_attempts p JOIN content_metadata c USING (decision_id) JOIN accounts a ON a.account = p.account "
    "LEFT JOIN decision_parts d ON d.decision_id = p.decision_id AND d.part = p.part AND c.decision_type = 'thread' "
    "LEFT JOIN decision_parts before ON before.decision_id = p.decision_id AND before.part = p.part - 1 "
)


def _claim(row: Any) -> Claim:
    return Claim(
        account=row.account,
        decision_id=str(row.decision_id),
        decision_type=row.decision_type,
        part=row.part,
        parts=row.parts if row.decision_type == "thread" else 1,
        attempt=row.attempt,
        text=row.part_text if row.part_text is not None else row.whole,
        reply_to=row.before_id if row.part else row.target_tweet_id,
        target_username=row.target_username,
        publisher=row.publisher,
        fence=row.fence,
        lease_until=row.lease_until,
        scheduled_at=row.scheduled_at,
        simulated=row.simulated,
    )


def recover_leases(conn: Connection) -> Recovered:
    """End the attempts of workers that died: claimed ones go back to the queue, armed ones are in doubt."""
    queued, doubtful = [], []
    rows = conn.execute(
        text(
            _CLAIM
            + "WHERE p.state IN ('claimed', 'armed') AND p.lease_until <= xbot_now() ORDER BY p.fence FOR UPDATE OF p SKIP LOCKED"
        )
    ).all()
    for row in rows:
        claim = _claim(row)
        if row.state == "armed":
            attempts.in_doubt(conn, claim, "the worker died or hung after arming", None, {})
            doubtful.append(claim.decision_id)
        else:
            attempts.not_sent(conn, claim, "the worker died or hung before the submit", counts=True)
            queued.append(claim.decision_id)
    return Recovered(tuple(queued), tuple(doubtful))


def due_looks(conn: Connection, accounts: Sequence[str] | None = None, *, at_once: bool = False) -> list[OpenDoubt]:
    """Attempts in doubt whose next look is due (all of them with `at_once`), in order of account."""
    rows = conn.execute(
        text(
            _CLAIM + "WHERE p.state = 'in_doubt' AND (:all OR p.next_look_at <= xbot_now()) "
            "AND (cast(:names AS text[]) IS NULL OR p.account = ANY(:names)) ORDER BY p.account, p.fence"
        ),
        {"all": at_once, "names": list(accounts) if accounts is not None else None},
    )
    return [_open(row) for row in rows]


def doubt_of(conn: Connection, decision_id: str) -> OpenDoubt | None:
    """What a person may settle of one decision: its attempt in doubt, else the last that was found not live; or None."""
    row = conn.execute(
        text(
            _CLAIM + "WHERE cast(p.decision_id AS text) = :id AND (p.state = 'in_doubt' "
            "OR (p.state = 'not_live' AND c.status = 'needs_human')) ORDER BY p.part DESC, p.attempt DESC LIMIT 1"
        ),
        {"id": decision_id},
    ).first()
    return _open(row) if row else None


def _open(row: Any) -> OpenDoubt:
    doubt = Doubt(
        handle=row.handle,
        fingerprint=row.fingerprint,
        armed_at=row.armed_at,
        looks=row.looks,
        convincing_looks=row.convincing_looks,
        baseline=row.baseline_tweet_id,
        baseline_empty=bool(row.evidence.get("baseline_empty")),
        not_live_before=row.not_live,
    )
    return OpenDoubt(_claim(row), row.handle, doubt, row.error or "", row.state)


def looked(conn: Connection, claim: Claim, *, convincing: bool, next_look: datetime) -> None:
    """Count a look that found nothing. Raises LostLease when the doubt has ended meanwhile."""
    done = conn.execute(
        text(
            "UPDATE posting_attempts SET looks = looks + 1, convincing_looks = convincing_looks + :convincing, next_look_at = :next "
            "WHERE decision_id = :id AND part = :part AND attempt = :attempt AND fence = :fence AND state = 'in_doubt'"
        ),
        {
            "id": claim.decision_id,
            "part": claim.part,
            "attempt": claim.attempt,
            "fence": claim.fence,
            "convincing": int(convincing),
            "next": next_look,
        },
    )
    if done.rowcount != 1:
        raise attempts.LostLease(f"the doubt about decision {claim.decision_id} has already ended")


def known_ids(conn: Connection, account: str, tweet_ids: Sequence[str]) -> set[str]:
    """Those of `tweet_ids` that some row of this account explains: parts, posted or imported decisions, attempts."""
    rows = conn.execute(
        text(
            "SELECT p.tweet_id FROM decision_parts p JOIN content_metadata c USING (decision_id) "
            "WHERE c.account = :account AND p.tweet_id = ANY(:ids) "
            "UNION SELECT tweet_id FROM posted_decisions WHERE account = :account AND tweet_id = ANY(:ids) "
            "UNION SELECT tweet_id FROM posting_attempts WHERE account = :account AND state = 'posted' AND tweet_id = ANY(:ids)"
        ),
        {"account": account, "ids": list(tweet_ids)},
    )
    return set(rows.scalars())


def explained_texts(conn: Connection, account: str, fingerprints: Sequence[str]) -> dict[str, str]:
    """fingerprint -> decision, for those of `fingerprints` that a submit of this account has used in the last 30 days."""
    rows = conn.execute(
        text(
            "SELECT fingerprint, decision_id FROM live_fingerprints WHERE account = :account AND fingerprint = ANY(:prints)"
        ),
        {"account": account, "prints": list(fingerprints)},
    )
    return {row.fingerprint: str(row.decision_id) for row in rows}


def open_fingerprints(conn: Connection, account: str) -> set[str]:
    """Fingerprints of the account's attempts that are armed or in doubt: their posts may be on the timeline already."""
    rows = conn.execute(
        text("SELECT fingerprint FROM posting_attempts WHERE account = :account AND state IN ('armed', 'in_doubt')"),
        {"account": account},
    )
    return set(rows.scalars())
