"""A person's word on a decision that is in doubt or needs one: it is live as this post, or it is not."""

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.publishing.fingerprint import is_tweet_id
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import spending
from xbot_dagster.store import alerts, attempts, audit, doubts
from xbot_dagster.store.doubts import OpenDoubt

_RULES = ("in_doubt", "needs_human")


def adopt(engine: Engine, clock: Clock, settings: Settings, decision_id: str, tweet_id: str) -> None:
    """The decision is live as `tweet_id`. Raises UsageError for no id, NotFound, Conflict when the id has an owner."""
    if not is_tweet_id(tweet_id):
        raise UsageError(f"'{tweet_id}' is not the id of a post.", "It is the number at the end of the post's address.")
    with engine.begin() as conn:
        found = _open(conn, decision_id)
        if doubts.known_ids(conn, found.claim.account, [tweet_id]):
            raise Conflict(
                f"Post {tweet_id} already belongs to a decision.", "Look at it with: xbot explain DECISION_ID"
            )
        attempts.recharge(conn, found.claim)
        attempts.posted(conn, found.claim, tweet_id, "reconcile")
        spending.record_created(conn, settings, clock.now(), found.claim)
        _close(conn, decision_id, "adopted", tweet_id=tweet_id)


def not_live(engine: Engine, decision_id: str) -> None:
    """A person has looked and it is not live: back to the queue. Raises NotFound."""
    with engine.begin() as conn:
        found = _open(conn, decision_id)
        if found.state == "in_doubt":
            attempts.not_live(conn, found.claim, needs_human=False)
        else:
            attempts.requeue(conn, found.claim, "a person said that it is not live")
        _close(conn, decision_id, "not live")


def _open(conn: Connection, decision_id: str) -> OpenDoubt:
    found = doubts.doubt_of(conn, decision_id)
    if found is None:
        raise NotFound(f"Decision {decision_id} is neither in doubt nor waiting for a person.", "xbot queue list")
    return found


def _close(conn: Connection, decision_id: str, verdict: str, **more: str) -> None:
    for rule in _RULES:
        alerts.close_alert(conn, rule, decision_id)
    audit.record(conn, "DOUBT_SETTLED", "posting", {"decision_id": decision_id, "verdict": verdict, **more})
