"""Posts on our timeline that nobody ordered: they stop posting until a person has looked."""

from sqlalchemy import Connection

from xbot_dagster.domain.publishing import reconciling
from xbot_dagster.domain.publishing.fingerprint import fingerprint
from xbot_dagster.store import alerts, doubts, standing
from xbot_dagster.store.deployment import Account
from xbot_dagster.x.protocols import Timeline

RULE = "ghost_post"
LATE_RULE = "late_post"


def check(conn: Connection, account: Account, seen: Timeline) -> tuple[str, ...]:
    """Open the account's circuit for every post that no row explains; returns their ids.

    A post that has ever had its alert is known: closing the circuit accepts it. A post with the text of one of our submits is
    no ghost but a submit we had given up or repeated, and only alerts."""
    if not seen.readable:
        return ()
    unexplained = [post for post in reconciling.own_posts(seen.posts, account.handle)]
    ids = [post.tweet_id for post in unexplained]
    known = (
        doubts.known_ids(conn, account.account, ids)
        | alerts.ever_raised(conn, RULE, ids)
        | alerts.ever_raised(conn, LATE_RULE, ids)
    )
    found = reconciling.ghosts(seen.posts, account.handle, standing.ghosts_since(conn, account.account), known)
    if not found:
        return ()
    prints = {post.tweet_id: fingerprint(post.text) for post in unexplained if post.tweet_id in found}
    ours = doubts.explained_texts(conn, account.account, list(prints.values()))
    in_doubt = doubts.open_fingerprints(conn, account.account)
    ghosts = []
    for tweet_id in found:
        if prints[tweet_id] in in_doubt:
            continue
        if prints[tweet_id] in ours:
            _late(conn, account, tweet_id, ours[prints[tweet_id]])
            continue
        ghosts.append(tweet_id)
        alerts.raise_alert(
            conn,
            RULE,
            tweet_id,
            "critical",
            f"Post {tweet_id} on @{account.handle} was not ordered by anybody here. Posting has stopped.",
            "Find out who posted it; change the password if need be; then: xbot resume",
            account.account,
        )
    if ghosts:
        standing.open_circuit(conn, account.account, f"ghost post {ghosts[0]}")
    return tuple(ghosts)


def _late(conn: Connection, account: Account, tweet_id: str, decision_id: str) -> None:
    alerts.raise_alert(
        conn,
        LATE_RULE,
        tweet_id,
        "warning",
        f"Post {tweet_id} on @{account.handle} has the text of decision {decision_id} but is not the post on record for it.",
        f"Look at it, delete it or adopt it: xbot explain {decision_id}",
        account.account,
    )
