"""What the loop asks of X: a publisher, a source of metrics, and the small types they speak.

After the submit there is no "failed": `Posted`, `Rejected`, `Deferred` are explicit answers, everything else is `InDoubt`.
`NotSent` may be returned only where the submit provably did not happen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

SessionState = Literal["ok", "expired", "challenge", "locked", "suspended", "consent", "unknown"]
Via = Literal["response", "toast", "reconcile"]


@dataclass(frozen=True)
class Media:
    """A picture or clip to attach, with its alternative text."""

    path: Path
    alt_text: str = ""


@dataclass(frozen=True)
class OutgoingPost:
    """One post (one part of a thread) ready to be submitted. `reply_to` is a tweet id; `fingerprint` is domain.publishing's."""

    account: str
    handle: str
    decision_id: str
    part: int
    text: str
    fingerprint: str
    reply_to: str | None = None
    media: tuple[Media, ...] = ()


@dataclass(frozen=True)
class Posted:
    tweet_id: str
    via: Via


@dataclass(frozen=True)
class Rejected:
    """The server said no. `code` is X's error code where it gave one (226, 326 and 64 also open the account's circuit)."""

    code: int | None
    message: str


@dataclass(frozen=True)
class Deferred:
    """The server said later (344, 88, HTTP 429); `until` is None when it did not say when."""

    until: datetime | None
    code: int | None
    message: str


@dataclass(frozen=True)
class InDoubt:
    """The submit may be live. `evidence` holds paths and small facts for the reconciler and the person."""

    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NotSent:
    """Proven pre-submit failure: safe to retry."""

    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)


PublishResult = Posted | Rejected | Deferred | InDoubt | NotSent


@dataclass(frozen=True)
class SeenPost:
    """One own post read from the timeline. `pinned`/`repost` articles are never evidence of age order."""

    tweet_id: str
    text: str
    posted_at: datetime
    handle: str
    in_reply_to: str | None = None
    pinned: bool = False
    repost: bool = False


@dataclass(frozen=True)
class Timeline:
    """What a look at the account's own timeline showed. An empty or broken page is no evidence (`readable` False)."""

    posts: tuple[SeenPost, ...]
    readable: bool
    reason: str = ""


@dataclass(frozen=True)
class Probe:
    """State of the session before a batch, with the newest own posts seen (the baseline of a fresh account).

    `unknown`: the page could not be read, which says nothing about the session; nothing is posted on it either.
    `transient`: nothing was answered, so that another look a moment later may see more."""

    state: SessionState
    handle: str | None = None
    baseline: Timeline | None = None
    detail: str = ""
    transient: bool = False


class Publisher(Protocol):
    """Serial per account. `publish` prepares everything, calls `arm()` (which commits the intent) and only then submits."""

    name: str
    real: bool
    """Whether a post becomes visible to other people (false for shadow)."""

    def probe(self, account: str, handle: str) -> Probe: ...

    def publish(self, post: OutgoingPost, arm: Callable[[], None]) -> PublishResult: ...

    def timeline(self, account: str, handle: str, since: datetime) -> Timeline: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class TweetRef:
    """A post whose metrics are due."""

    tweet_id: str
    handle: str
    text: str
    posted_at: datetime
    is_reply: bool = False


@dataclass(frozen=True)
class MetricRead:
    """Counts of one post; None = unknown, never 0. `approximate` names the fields read from compact numbers such as 1.2K."""

    tweet_id: str
    status: Literal["ok", "not_found", "locked", "unavailable", "unsupported_locale", "not_ready", "error"]
    source: Literal["browser", "x_api", "recorded"]
    impressions: int | None = None
    engagements: int | None = None
    likes: int | None = None
    retweets: int | None = None
    replies: int | None = None
    quotes: int | None = None
    bookmarks: int | None = None
    profile_visits: int | None = None
    link_clicks: int | None = None
    follows: int | None = None
    approximate: tuple[str, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True)
class FollowerRead:
    followers: int | None
    approximate: bool
    source: str
    detail: str = ""


@dataclass(frozen=True)
class Mention:
    """Somebody who addressed us: the only people a reply may go to."""

    tweet_id: str
    username: str
    text: str
    kind: Literal["mention", "quote", "reply"]
    posted_at: datetime
    follower_count: int | None = None
    likes: int | None = None
    replies: int | None = None


class MetricSource(Protocol):
    name: str

    def read(self, account: str, posts: Sequence[TweetRef]) -> Iterator[MetricRead]: ...

    def followers(self, account: str, handle: str) -> FollowerRead: ...

    def mentions(self, account: str, handle: str, since: datetime) -> list[Mention]: ...

    def close(self) -> None: ...
