"""Posted decisions to measure, and a source that answers what a test scripted."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from xbot_dagster.clock import FixedClock
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.store import config, deployment
from xbot_dagster.store.engine import make_engine
from xbot_dagster.x.protocols import FollowerRead, Mention, MetricRead, TweetRef

_EPOCH_MS = 1288834974657


def tweet_id_at(moment: datetime, serial: int = 1) -> str:
    """A snowflake as X makes them."""
    return str((int(moment.timestamp() * 1000) - _EPOCH_MS) << 22 | 1 << 12 | serial)


@dataclass
class Planted:
    decision_id: UUID
    tweet_id: str
    posted_at: datetime


@pytest.fixture
def plant(engine: Engine) -> Callable[..., Planted]:
    """Insert one posted decision of account 'default', as the publisher leaves it: pass 1 due an hour after it was posted."""
    serials = iter(range(1, 4000))

    def insert(
        posted_at: datetime,
        *,
        novelty: float | None = 0.5,
        similarity: float | None = 0.2,
        account: str = "default",
        next_pass: int | None = 1,
        decision_type: str = "single",
        words: str | None = None,
        **columns: Any,
    ) -> Planted:
        decision, tweet = uuid.uuid4(), tweet_id_at(posted_at, next(serials))
        due = None if next_pass is None else posted_at + timedelta(hours=1 if next_pass == 1 else 24)
        values: dict[str, Any] = {
            "topic": "sleep",
            "arm": "educational",
            "hook_pattern": "question",
            "quality_score": 0.8,
            "propensity": 0.25,
            "policy": "growth",
            "candidate_id": None,
            "generation_source": "synthetic",
            **columns,
        }
        names = ", ".join(values)
        with engine.begin() as conn:
            conn.execute(
                text(
                    f"INSERT INTO content_metadata (decision_id, account, decision_type, text, status, novelty, duplicate_similarity, "
                    f"tweet_id, simulated, scheduled_at, {names}) VALUES (:decision, :account, :type, :words, 'posted', :novelty, "
                    f":similarity, :tweet, true, :posted_at, {', '.join(':' + name for name in values)})"
                ),
                {
                    "decision": decision,
                    "account": account,
                    "type": decision_type,
                    "words": words or f"A post about sleep, number {tweet}",
                    "novelty": novelty,
                    "similarity": similarity,
                    "tweet": tweet,
                    "posted_at": posted_at,
                    **values,
                },
            )
            conn.execute(
                text(
                    "INSERT INTO posted_decisions (decision_id, account, tweet_id, text, posted_at, publisher, via, next_pass, "
                    "next_due_at, simulated) VALUES (:decision, :account, :tweet, :words, :posted_at, 'sandbox', 'response', "
                    ":next_pass, :due, true)"
                ),
                {
                    "decision": decision,
                    "account": account,
                    "tweet": tweet,
                    "words": words or f"A post about sleep, number {tweet}",
                    "posted_at": posted_at,
                    "next_pass": next_pass,
                    "due": due,
                },
            )
        return Planted(decision, tweet, posted_at)

    return insert


@dataclass
class ScriptedSource:
    """Answers by tweet id; a post without a script gets no answer at all. Records what it was asked."""

    answers: dict[str, MetricRead] = field(default_factory=dict)
    extra: list[MetricRead] = field(default_factory=list)
    count: FollowerRead = field(default_factory=lambda: FollowerRead(1000, False, "recorded"))
    asked: list[str] = field(default_factory=list)
    name: str = "recorded"

    def read(self, account: str, posts: Sequence[TweetRef]) -> Iterator[MetricRead]:
        self.asked += [post.tweet_id for post in posts]
        yield from self.extra
        yield from (self.answers[post.tweet_id] for post in posts if post.tweet_id in self.answers)

    def followers(self, account: str, handle: str) -> FollowerRead:
        return self.count

    def mentions(self, account: str, handle: str, since: datetime) -> list[Mention]:
        return []

    def close(self) -> None:
        return None

    def says(self, tweet_id: str, status: str = "ok", **values: Any) -> None:
        self.answers[tweet_id] = MetricRead(tweet_id, status, "recorded", **values)  # type: ignore[arg-type]


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def shadow(tmp_path: Path) -> Settings:
    """Flags of the real family, where nothing can be published."""
    return load_settings({"MODE": "shadow", "XBOT_HOME": str(tmp_path / "real"), "X_HANDLE": "nightowl"})


@pytest.fixture
def real(database_url: str, shadow: Settings, clock: FixedClock) -> Iterator[Engine]:
    """An engine on a fresh database of the real family with the account 'default' (@nightowl, Europe/Berlin)."""
    found = make_engine(database_url, clock)
    with found.begin() as conn:
        deployment.stamp(conn, shadow, seed=7)
        deployment.add_account(conn, "default", "nightowl", "Europe/Berlin")
        config.install_defaults(conn, shadow)
    yield found
    found.dispose()
