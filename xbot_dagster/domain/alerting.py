"""When does something need a person? The rules as data, and the reasons why an account does not post.

Pure: facts in, findings out. Reading the facts is `store.condition`; raising, delivering and closing is
`stages.alerts`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

Severity = Literal["info", "warning", "critical"]

LLM_FAILURE_SHARE = 0.10
LLM_FAILURE_MIN_CALLS = 10  # below this a single failure would pass the share
NO_POST = timedelta(hours=4)
SPEND_SHARE = 0.90
FOLLOWER_DROP = 10
STALL = timedelta(minutes=15)  # sensors tick every minute or faster
ESCALATE_AFTER = timedelta(hours=4)


class AccountFacts(NamedTuple):
    """What the tables say about one account now. Times are aware; counts are rows.

    A tuple: a sensor makes one for each of a thousand accounts every minute.
    """

    account: str
    handle: str
    known_since: datetime
    circuit_reason: str | None
    session_state: str
    stop_posting: bool
    label_missing: bool
    post_fraction: float
    posts_per_day: int
    queued: int
    overdue_since: datetime | None
    next_at: datetime | None
    awaiting_approval: int
    in_doubt: int
    needs_human: int
    stuck: int
    last_post_at: datetime | None
    posts_4h: int
    posted_today: int
    followers_24h: int | None
    overdue_passes: int
    fresh_candidates: int
    limited_until: datetime | None


@dataclass(frozen=True)
class Facts:
    """What the tables and the flags say about the deployment now. `posting_off` and `llm_off` are sentences, None =
    on."""

    now: datetime
    accounts: tuple[AccountFacts, ...]
    posting_off: str | None
    llm_off: str | None
    metrics_on: bool
    calls_total: int
    calls_failed: int
    spend_usd: float
    limit_usd: float
    dead_gates: tuple[str, ...]
    last_tick_at: datetime | None


@dataclass(frozen=True)
class Cause:
    """Why nothing is posted, and what to do about it."""

    reason: str
    fix: str


@dataclass(frozen=True)
class Finding:
    """One thing that needs a person: what, about whom, and the command that fixes it."""

    rule: str
    subject: str
    account: str | None
    severity: Severity
    message: str
    fix: str


@dataclass(frozen=True)
class Rule:
    """One alert rule: its name, what it watches (for people), and what it finds in the facts."""

    name: str
    watches: str
    find: Callable[[Facts], Iterator[Finding]]


def why_not_posting(facts: Facts, account: AccountFacts) -> list[Cause]:
    """Every reason that keeps the account from posting now, the most decisive first; empty when nothing does."""
    causes = []
    if account.stop_posting:
        causes.append(Cause("posting was stopped by an operator", "xbot resume --posting"))
    if facts.posting_off:
        causes.append(Cause(facts.posting_off, "See the go-live checklist in README_OPERATIONS.md."))
    if account.label_missing:
        causes.append(Cause("the automated-account label is not attested", "xbot accounts attest --help"))
    if account.post_fraction <= 0:
        causes.append(Cause("post_fraction is 0", "xbot config set learning_config post_fraction 0.1"))
    if account.posts_per_day <= 0:
        causes.append(Cause("posts_per_day is 0", "xbot config set learning_config posts_per_day 6"))
    if account.circuit_reason is not None:
        causes.append(
            Cause(f"the account's circuit is open ({account.circuit_reason})", "Look at X, then: xbot resume")
        )
    if account.session_state not in ("ok", "unknown"):
        causes.append(Cause(f"the session is {account.session_state}", f"xbot login --account {account.account}"))
    if account.in_doubt:
        causes.append(Cause(f"{_posts(account.in_doubt)} in doubt", "The reconciler looks again by itself."))
    if account.needs_human:
        causes.append(Cause(f"{_posts(account.needs_human)} needs a person", "xbot queue list --status needs_human"))
    if account.overdue_since is not None and stalled(facts):
        causes.append(
            Cause(f"nobody works: the last tick was {_ago(facts, facts.last_tick_at)}", "Start Dagster: xbot dev")
        )
    if account.limited_until is not None and account.limited_until > facts.now:
        until = f"{account.limited_until:%Y-%m-%d %H:%M} UTC"
        causes.append(Cause(f"a rate limit or quiet hour lasts until {until}", "Nothing to do: it ends by itself."))
    if account.queued == 0:
        causes.extend(_why_empty(facts, account))
    return causes


def _why_empty(facts: Facts, account: AccountFacts) -> list[Cause]:
    if account.posted_today >= account.posts_per_day > 0:
        return [
            Cause(
                f"all {account.posts_per_day} posts of the day are out",
                "Nothing to do: the next day is planned after midnight.",
            )
        ]
    if account.awaiting_approval:
        waiting = f"{_posts(account.awaiting_approval)} waiting for approval"
        return [Cause(f"the queue is empty, with {waiting}", "xbot approve DECISION_ID, or the dashboard's queue")]
    if facts.llm_off:
        return [Cause(f"the queue is empty and nothing can be written: {facts.llm_off}", "xbot resume --llm")]
    if account.fresh_candidates == 0:
        return [Cause("the queue is empty and there is nothing to write about", "xbot candidates refresh")]
    return [Cause("the queue is empty", "xbot plan")]


def stalled(facts: Facts) -> bool:
    """Whether the sensors have fallen silent (they never ticked: not stalled, just not started)."""
    return facts.last_tick_at is not None and facts.now - facts.last_tick_at > STALL


def _posts(count: int) -> str:
    return f"{count} post" if count == 1 else f"{count} posts"


def _ago(facts: Facts, at: datetime | None) -> str:
    if at is None:
        return "never"
    minutes = (facts.now - at).total_seconds() / 60
    return f"{minutes:.0f} min ago" if minutes < 120 else f"{minutes / 60:.0f} h ago"


def _llm_failures(facts: Facts) -> Iterator[Finding]:
    if facts.calls_total >= LLM_FAILURE_MIN_CALLS and facts.calls_failed > LLM_FAILURE_SHARE * facts.calls_total:
        share = 100 * facts.calls_failed / facts.calls_total
        yield Finding(
            "llm_failures",
            "openai",
            None,
            "warning",
            f"{facts.calls_failed} of {facts.calls_total} LLM calls of today failed ({share:.0f} %).",
            "Look at the errors: xbot status; stop meanwhile: xbot stop --llm",
        )


def _post_overdue(facts: Facts) -> Iterator[Finding]:
    """No post in four hours while posting is on, and either one is overdue or, with posts of the day still to come, none
    is planned."""
    for account in facts.accounts:
        silent_since = max(filter(None, (account.last_post_at, account.known_since)))
        intended = facts.posting_off is None and not account.stop_posting
        intended = intended and account.post_fraction > 0 and account.posts_per_day > 0
        overdue = account.overdue_since is not None and facts.now - account.overdue_since > STALL
        if not intended or account.posts_4h or facts.now - silent_since < NO_POST:
            continue
        if not overdue and (account.next_at is not None or account.posted_today >= account.posts_per_day):
            continue
        causes = why_not_posting(facts, account)
        cause = causes[0] if causes else Cause("no reason is on record", "xbot doctor")
        yield Finding(
            "post_overdue",
            account.account,
            account.account,
            "critical",
            f"@{account.handle} has not posted for {_ago(facts, silent_since).removesuffix(' ago')}: {cause.reason}.",
            cause.fix,
        )


def _budget(facts: Facts) -> Iterator[Finding]:
    if facts.limit_usd > 0 and facts.spend_usd > SPEND_SHARE * facts.limit_usd:
        yield Finding(
            "budget_near_limit",
            "openai",
            None,
            "warning",
            f"Today's LLM spend is {facts.spend_usd:.2f} of {facts.limit_usd:.2f} USD.",
            "Raise DAILY_OPENAI_LIMIT_USD, or wait for the next budget day.",
        )


def _followers(facts: Facts) -> Iterator[Finding]:
    for account in facts.accounts:
        if account.followers_24h is not None and account.followers_24h <= -FOLLOWER_DROP:
            yield Finding(
                "follower_drop",
                account.account,
                account.account,
                "warning",
                f"@{account.handle} lost {-account.followers_24h} followers in 24 hours.",
                "Look at the last posts on the dashboard's Growth page; pause with: xbot stop --posting",
            )


def _stuck(facts: Facts) -> Iterator[Finding]:
    for account in facts.accounts:
        if account.stuck:
            yield Finding(
                "post_stuck",
                account.account,
                account.account,
                "critical",
                f"{_posts(account.stuck)} of @{account.handle} hangs: its lease or its next look is over and nobody "
                "took it up.",
                "Publish and reconcile by hand: xbot post",
            )


def _passes(facts: Facts) -> Iterator[Finding]:
    for account in facts.accounts:
        if facts.metrics_on and account.overdue_passes:
            yield Finding(
                "outcomes_overdue",
                account.account,
                account.account,
                "warning",
                f"Outcomes of {_posts(account.overdue_passes)} of @{account.handle} are more than two hours overdue.",
                "xbot collect; then look at its log lines.",
            )


def _gates(facts: Facts) -> Iterator[Finding]:
    for gate in facts.dead_gates:
        yield Finding(
            "gate_blocks_everything",
            gate,
            None,
            "critical",
            f"The {gate} gate passed none of its latest texts.",
            "See its reasons: xbot gates; the rules: xbot safety config",
        )


def _stall(facts: Facts) -> Iterator[Finding]:
    due = any(a.overdue_since is not None and facts.now - a.overdue_since > STALL for a in facts.accounts)
    late = facts.metrics_on and any(a.overdue_passes for a in facts.accounts)
    if stalled(facts) and (due or late):
        yield Finding(
            "loop_stalled",
            "dagster",
            None,
            "critical",
            f"Work is due but no sensor has ticked since {facts.last_tick_at:%Y-%m-%d %H:%M} UTC.",
            "Start Dagster and its daemon: xbot dev",
        )


RULES: tuple[Rule, ...] = (
    Rule("loop_stalled", "work is due and no sensor has ticked for 15 minutes", _stall),
    Rule("post_overdue", "no post in 4 hours while posting is on", _post_overdue),
    Rule("post_stuck", "a post is in 'posting' or in doubt and nobody has looked for 15 minutes", _stuck),
    Rule("llm_failures", "more than 10 % of today's LLM calls failed", _llm_failures),
    Rule("budget_near_limit", "today's LLM spend passed 90 % of the limit", _budget),
    Rule("follower_drop", "10 or more followers lost in 24 hours", _followers),
    Rule("outcomes_overdue", "an outcome is more than 2 hours overdue", _passes),
    Rule("gate_blocks_everything", "a gate passed none of its latest texts", _gates),
)

# What these rules open they also close; alerts of other stages are theirs to close.
OWNED = frozenset(rule.name for rule in RULES)


def findings(facts: Facts) -> list[Finding]:
    """Everything that needs a person now, in the order of the rules."""
    return [finding for rule in RULES for finding in rule.find(facts)]


def escalates(
    severity: str, state: str, opened_at: datetime, now: datetime, deliveries: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether an open warning that nobody has acknowledged becomes critical now (once)."""
    before = any(d["event"] == "escalate" for d in deliveries)
    return severity == "warning" and state == "open" and now - opened_at >= ESCALATE_AFTER and not before


MAX_TRIES = 5  # sends of one event to one channel before it is given up


def unsent(state: str, deliveries: Sequence[Mapping[str, Any]], channels: Sequence[str]) -> list[tuple[str, str]]:
    """(event, channel) pairs that are still to be sent for an alert, in order.

    Events: `opened` (while nobody has acknowledged it), `escalated` (after the mark `escalate`), `closed` (only where the
    opening had arrived). Each arrives at most once; a failed send is tried again, at most MAX_TRIES times in all.
    """
    wanted = []
    for channel in channels:
        sent = [d for d in deliveries if d.get("channel") == channel]
        arrived = {d["event"] for d in sent if d.get("ok")}
        events = []
        if state == "open":
            events.append("opened")
            if any(d["event"] == "escalate" for d in deliveries):
                events.append("escalated")
        elif state == "closed" and arrived & {"opened", "escalated"}:
            events.append("closed")
        for event in events:
            if event not in arrived and sum(d["event"] == event for d in sent) < MAX_TRIES:
                wanted.append((event, channel))
    return wanted
