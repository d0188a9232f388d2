"""How the timeline of the account ends a doubt: what matches, which look convinces, when to look again, when to stop."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from xbot_dagster.domain.publishing.fingerprint import CLOCK_SKEW, fingerprint, is_tweet_id, snowflake_time

# Pauses between looks; the last one repeats.
LOOK_DELAYS = tuple(timedelta(seconds=s) for s in (10, 30, 120, 600))
MIN_WAIT = timedelta(minutes=10)
MIN_CONVINCING = 3
# One decision may be proven "not live" so often before it goes to a person.
NOT_LIVE_BEFORE_HUMAN = 2


class Seen(Protocol):
    """An own post read from the timeline (x.protocols.SeenPost)."""

    @property
    def tweet_id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def handle(self) -> str: ...
    @property
    def pinned(self) -> bool: ...
    @property
    def repost(self) -> bool: ...


@dataclass(frozen=True)
class Doubt:
    """One attempt in doubt. baseline: newest own id seen before armed; `baseline_empty`: that look showed no post at all."""

    handle: str
    fingerprint: str
    armed_at: datetime
    looks: int
    convincing_looks: int
    baseline: str | None
    baseline_empty: bool
    not_live_before: int


@dataclass(frozen=True)
class Finding:
    """What a look means. adopt: `tweet_ids` oldest first; wait: look again at `next_look`; not_live: requeue or needs_human."""

    verdict: Literal["adopt", "wait", "requeue", "needs_human"]
    tweet_ids: tuple[str, ...]
    convincing: bool
    next_look: datetime | None


def own_posts(posts: Iterable[Seen], handle: str) -> list[Seen]:
    """Posts of this account itself in time order; pinned ones and reposts say nothing about what is new."""
    mine = [
        post
        for post in posts
        if not post.pinned and not post.repost and post.handle.lower() == handle.lower() and is_tweet_id(post.tweet_id)
    ]
    return sorted(mine, key=lambda post: int(post.tweet_id))


def matches(doubt: Doubt, posts: Iterable[Seen], taken: Collection[str] = ()) -> tuple[str, ...]:
    """Ids, oldest first, of own posts with the doubt's text born since it was armed and not `taken` by another attempt."""
    found = {
        post.tweet_id
        for post in own_posts(posts, doubt.handle)
        if _is_newer(doubt, post.tweet_id) and fingerprint(post.text) == doubt.fingerprint
    }
    return tuple(sorted(found - set(taken), key=int))


def _is_newer(doubt: Doubt, tweet_id: str) -> bool:
    """Whether a post can be that of this submit: by our clock, or because it was not there when the baseline was taken.

    Only X's own order is safe from a clock of ours that jumped between the submit and the look."""
    if doubt.baseline_empty or (doubt.baseline is not None and int(tweet_id) > int(doubt.baseline)):
        return True
    return snowflake_time(tweet_id) >= doubt.armed_at - CLOCK_SKEW


def convincing(doubt: Doubt, posts: Sequence[Seen], readable: bool) -> bool:
    """Whether a look without a match is evidence: it shows a post of ours from before the submit.

    An account whose baseline was readable and empty has no such post; there a readable page is the best there is."""
    if not readable:
        return False
    if doubt.baseline_empty:
        return True
    mine = own_posts(posts, doubt.handle)
    if doubt.baseline is not None:
        return any(int(post.tweet_id) <= int(doubt.baseline) for post in mine)
    return any(snowflake_time(post.tweet_id) < doubt.armed_at for post in mine)


def next_look(looks: int, now: datetime) -> datetime:
    """When to look again after `looks` looks (>= 1): 10 s, 30 s, 2 min, 10 min, then every 10 min."""
    return now + LOOK_DELAYS[min(looks, len(LOOK_DELAYS)) - 1]


def judge(doubt: Doubt, posts: Sequence[Seen], readable: bool, now: datetime, taken: Collection[str] = ()) -> Finding:
    """The meaning of one look at the timeline taken at `now`."""
    found = matches(doubt, posts, taken) if readable else ()
    if found:
        return Finding("adopt", found, True, None)
    counts = convincing(doubt, posts, readable)
    looks, convinced = doubt.looks + 1, doubt.convincing_looks + int(counts)
    if now - doubt.armed_at >= MIN_WAIT and convinced >= MIN_CONVINCING and counts:
        verdict = "needs_human" if doubt.not_live_before + 1 >= NOT_LIVE_BEFORE_HUMAN else "requeue"
        return Finding(verdict, (), True, None)
    return Finding("wait", (), counts, next_look(looks, now))


def ghosts(posts: Iterable[Seen], handle: str, since: datetime, known: Collection[str]) -> tuple[str, ...]:
    """Ids, oldest first, of own posts born after `since` that no row explains."""
    return tuple(
        post.tweet_id
        for post in own_posts(posts, handle)
        if post.tweet_id not in known and snowflake_time(post.tweet_id) >= since
    )
