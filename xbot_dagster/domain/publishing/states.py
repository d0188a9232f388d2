"""States of a decision and of one attempt to publish one of its parts, with the allowed transitions, as data.

After the submit there is no "failed": an armed attempt ends as posted, rejected or deferred (explicit answers of the
server) or in_doubt, and only the reconciler or a person ends in_doubt.
"""

ATTEMPT_TRANSITIONS: dict[str, frozenset[str]] = {
    "claimed": frozenset({"armed", "not_sent"}),
    "armed": frozenset({"posted", "rejected", "deferred", "in_doubt"}),
    # A late answer of the worker that submitted is as good as the reconciler's finding.
    "in_doubt": frozenset({"posted", "rejected", "deferred", "not_live"}),
    "posted": frozenset(),
    "rejected": frozenset(),
    "deferred": frozenset(),
    "not_sent": frozenset(),
    # Only a person can find a post that three looks did not.
    "not_live": frozenset({"posted"}),
}

DECISION_TRANSITIONS: dict[str, frozenset[str]] = {
    "pending": frozenset({"awaiting_approval", "queued", "blocked", "cancelled", "expired"}),
    "awaiting_approval": frozenset({"queued", "blocked", "cancelled", "expired"}),
    "queued": frozenset({"posting", "expired", "cancelled", "rejected"}),
    "posting": frozenset({"posted", "shadowed", "rejected", "in_doubt", "queued", "needs_human", "cancelled"}),
    "in_doubt": frozenset({"posted", "queued", "rejected", "needs_human"}),
    "needs_human": frozenset({"posted", "queued", "cancelled", "rejected"}),
    "posted": frozenset(),
    "shadowed": frozenset(),
    "rejected": frozenset(),
    "blocked": frozenset(),
    "expired": frozenset(),
    "cancelled": frozenset(),
}

# The named moments of one publication, in order, at which a process may die; tests kill it at each of them.
# "clicked" is named by publishers that click.
HOOKS = (
    "before_claim",
    "claimed",
    "before_arm",
    "armed",
    "clicked",
    "submitted",
    "before_resolve",
    "resolved",
)

# X's codes that mean "stop, not just this post": looks automated, locked, suspended (own account), forbidden to the app.
CIRCUIT_CODES = frozenset({226, 326, 37, 64, 403})
# The session or token is no longer valid: the decision is as good as before and waits for the next one.
SESSION_CODES = frozenset({32, 89, 215, 401})
# HTTP 402 of the paid API: nothing was created and nothing will be until somebody pays.
CREDITS_CODE = 402
# "Whoops! You already said that.": the very text may be our own earlier submit, so only a look at the timeline can tell.
DUPLICATE_CODE = 187


def before(transitions: dict[str, frozenset[str]], after: str) -> list[str]:
    """The states from which `transitions` allows to reach `after`."""
    return [state for state, reachable in transitions.items() if after in reachable]
