"""post_features: what was known about a post when it was planned. Runs for any range of days, also long past ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning.reward import SEED_V1
from xbot_dagster.domain.measuring.derive import REWARD_VERSIONS
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.domain.measuring.features import FEATURE_VERSION, PostFeatures, ReplyTarget, extract
from xbot_dagster.domain.measuring.history import History, KnownOutcome
from xbot_dagster.stages.rewards import recompute_rows
from xbot_dagster.store import features as store
from xbot_dagster.store import rewards
from xbot_dagster.store.features import Described, PlannedPost

if TYPE_CHECKING:
    import numpy as np

NOVELTY_WINDOW = timedelta(days=30)
_EMBED_AT_ONCE = 512


@dataclass(frozen=True)
class FeatureReport:
    """`posts` of the days; `written` feature rows that are new or changed; `described` imported posts filled in."""

    day_from: str
    day_to: str
    feature_version: str
    posts: int
    written: int
    described: int


def version() -> str:
    """The name under which features of the present rules are stored."""
    return f"v{FEATURE_VERSION}"


def run(engine: Engine, clock: Clock, day_from: date, day_to: date, embedder: Embedder | None = None) -> FeatureReport:
    """Describe the posts of the UTC days `day_from` to `day_to`, both included. Re-running writes nothing new.

    Imported posts have no novelty yet: it is found from the account's earlier posts with `embedder` (the offline one).
    """
    with engine.begin() as conn:
        posts = store.posts_between(conn, day_from, day_to)
        described = written = 0
        for account, group in groupby(posts, key=lambda p: p.account):
            own = {post.decision_id: post for post in group}
            found = {key: _extract(post) for key, post in own.items()}
            filled = _fill_imported(conn, account, own, found, embedder or WordLlamaEmbedder())
            described += len(filled)
            history = _history(conn, account, list(own.values()))
            rows = [
                (key, account, post.posted_at.date(), {**found[key].as_dict(), **history.lagged(post.planned_at)})
                for key, post in own.items()
            ]
            written += store.upsert_features(conn, version(), rows)
    return FeatureReport(day_from.isoformat(), day_to.isoformat(), version(), len(posts), written, described)


def _extract(post: PlannedPost) -> PostFeatures:
    target = ReplyTarget(post.target_followers, post.target_velocity, post.target_age_min)
    return extract(post.text, post.posted_at, post.zone, novelty=post.novelty, target=target)


def _history(conn: Connection, account: str, posts: Sequence[PlannedPost]) -> History:
    until = max(post.planned_at for post in posts)
    outcomes = [KnownOutcome(*row) for row in store.known_outcomes(conn, account, until)]
    return History(store.posting_times(conn, account, until), outcomes)


def _fill_imported(
    conn: Connection, account: str, posts: dict[UUID, PlannedPost], found: dict[UUID, PostFeatures], embedder: Embedder
) -> list[Described]:
    """Find the novelty of imported posts that have none; it is put into `found`, the stored rows and their rewards."""
    bare = [post for post in posts.values() if post.imported and post.embedder is None]
    if not bare:
        return []
    rows = list(_describe(conn, account, bare, found, embedder))
    for row in rows:
        found[row.decision_id] = replace(found[row.decision_id], novelty=row.novelty)
    if store.describe(conn, rows) == 0:
        return []
    measured = rewards.measured_counts_of(conn, [row.decision_id for row in rows])
    for reward_version in REWARD_VERSIONS:
        recompute_rows(conn, measured, reward_version)
    rewards.repeat_composites(conn, SEED_V1)
    return rows


def _describe(
    conn: Connection, account: str, posts: Sequence[PlannedPost], found: dict[UUID, PostFeatures], embedder: Embedder
) -> Iterator[Described]:
    import numpy as np

    first, last = posts[0].posted_at - NOVELTY_WINDOW, posts[-1].posted_at
    earlier = [v for v in store.vectors_between(conn, account, first, last) if v.embedder == embedder.name]
    own = np.concatenate(
        [embedder.embed([p.text for p in posts[i : i + _EMBED_AT_ONCE]]) for i in range(0, len(posts), _EMBED_AT_ONCE)]
    )
    times = np.array([v.posted_at.timestamp() for v in earlier] + [p.posted_at.timestamp() for p in posts])
    matrix = np.concatenate(
        [np.array([v.values for v in earlier], dtype=np.float32).reshape(len(earlier), own.shape[1]), own]
    )
    order = np.argsort(times, kind="stable")
    times, matrix = times[order], matrix[order]
    for post, vector in zip(posts, own, strict=True):
        novelty = similarity = None
        if vector.any():
            similarity = _nearest(post, vector, times, matrix)
            novelty = 1.0 if similarity is None else min(1.0, max(0.0, 1.0 - similarity))
        features = found[post.decision_id]
        yield Described(
            post.decision_id,
            features.hook_pattern,
            features.readability_score,
            features.sentiment,
            novelty,
            similarity,
            embedder.name if vector.any() else None,
            "[" + ",".join(map(repr, vector.tolist())) + "]" if vector.any() else None,
        )


def _nearest(post: PlannedPost, vector: "np.ndarray", times: "np.ndarray", matrix: "np.ndarray") -> float | None:
    """The largest cosine with a post of the 30 days before; None when there was none."""
    import numpy as np

    moment = post.posted_at.timestamp()
    low, high = np.searchsorted(times, [moment - NOVELTY_WINDOW.total_seconds(), moment])
    return float(np.clip((matrix[low:high] @ vector).max(), -1, 1)) if high > low else None
