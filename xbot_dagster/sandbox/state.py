"""The running world: store, clock, faults and, per account, its audience with what that audience has already done."""

import bisect
import json
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xbot_dagster.sandbox import accounts, ngrams
from xbot_dagster.sandbox.accounts import Account
from xbot_dagster.sandbox.audience import HOUR_MS, Audience, Counts, Outcome, Traits
from xbot_dagster.sandbox.faults import FaultBook
from xbot_dagster.sandbox.store import Row, Store
from xbot_dagster.sandbox.world_clock import WorldClock

NOVELTY_WINDOW = 200  # earlier posts a new one is compared with, about a fortnight of a busy account
OUTCOMES_KEPT = 4096


@dataclass(frozen=True)
class Post:
    """A post of one of the replica's own accounts."""

    id: int
    handle: str
    text: str
    fingerprint: str
    created_ms: int
    visible_ms: int
    in_reply_to: int | None
    conversation_id: int
    origin: str  # "browser", "recorded", "ghost" or "seed" (there before the world began)
    ordinal: int
    traits: Traits
    deleted_ms: int | None
    tombstone: bool


@dataclass
class _Memory:
    """What one account's audience has seen so far; rebuilt from the store after a restart."""

    follow_times: list[int] = field(default_factory=list)  # UTC milliseconds, sorted
    recent: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=NOVELTY_WINDOW))


class World:
    """Everything the routes need. `started_ms` is the simulated instant the world first opened: feeds count from it."""

    def __init__(self, home: Path, seed: int, clock: WorldClock, regime: str = "demo") -> None:
        self.home, self.clock = home, clock
        self.store = Store(home / "world.sqlite")
        self.seed = int(self.store.remember("seed", str(seed)))
        self.regime = self.store.remember("regime", regime)
        self.started_ms = int(self.store.remember("started_ms", str(clock.now_ms())))
        self.faults = FaultBook(self.store)
        self._audiences: dict[str, Audience] = {}
        self._memories: dict[str, _Memory] = {}
        self._outcomes: OrderedDict[int, Outcome] = OrderedDict()

    def account(self, handle: str) -> Account | None:
        return accounts.find(self.store, handle)

    def condition(self, handle: str) -> str:
        """ "ok", "locked" or "suspended"."""
        return next(
            (state for state in ("suspended", "locked") if self.faults.standing(state, handle) is not None), "ok"
        )

    def audience(self, handle: str) -> Audience:
        if handle not in self._audiences:
            account = self.account(handle)
            assert account is not None, handle
            self._audiences[handle] = Audience(
                self.seed, handle, account.created_ms, account.zone, account.followers_start, self.regime
            )
        return self._audiences[handle]

    def outcome(self, post: Post) -> Outcome:
        """The post's future; the last few thousand are kept."""
        found = self._outcomes.get(post.id)
        if found is None:
            found = self.audience(post.handle).outcome(post.ordinal, post.fingerprint, post.created_ms, post.traits)
            self._outcomes[post.id] = found
            if len(self._outcomes) > OUTCOMES_KEPT:
                self._outcomes.popitem(last=False)
        return found

    def counts(self, post: Post, at_ms: int) -> Counts:
        """The true counts of a post at an instant."""
        return self.outcome(post).at((at_ms - post.created_ms) / HOUR_MS)

    def followers(self, account: Account, at_ms: int) -> int:
        arrived = bisect.bisect_right(self._memory(account.handle).follow_times, at_ms)
        return max(0, account.followers_start + self.audience(account.handle).baseline_change(at_ms) + arrived)

    def novelty(self, handle: str, text: str) -> float:
        """1 - the highest cosine against the account's recent posts; 1 for the first."""
        recent = self._memory(handle).recent
        if not recent:
            return 1.0
        return float(np.clip(1.0 - np.max(np.stack(recent) @ ngrams.vector(text)), 0.0, 1.0))

    def note(self, post: Post) -> None:
        """Lets the audience see a post that has just been stored."""
        memory = self._memories.get(post.handle)
        if memory is not None:
            self._see(memory, post)

    def _memory(self, handle: str) -> _Memory:
        if handle not in self._memories:
            memory = _Memory()
            for row in self.store.all("select * from posts where handle = ? and origin <> 'seed' order by id", handle):
                self._see(memory, as_post(row))
            self._memories[handle] = memory
        return self._memories[handle]

    def _see(self, memory: _Memory, post: Post) -> None:
        for moment in self.audience(post.handle).follow_times(post.created_ms, self.outcome(post)):
            bisect.insort(memory.follow_times, int(moment))
        memory.recent.append(ngrams.vector(post.text))


def as_post(row: Row) -> Post:
    return Post(
        id=row["id"],
        handle=row["handle"],
        text=row["text"],
        fingerprint=row["fingerprint"],
        created_ms=row["created_ms"],
        visible_ms=row["visible_ms"],
        in_reply_to=row["in_reply_to"],
        conversation_id=row["conversation_id"],
        origin=row["origin"],
        ordinal=row["ordinal"],
        traits=Traits(**json.loads(row["traits"])),
        deleted_ms=row["deleted_ms"],
        tombstone=bool(row["tombstone"]),
    )
