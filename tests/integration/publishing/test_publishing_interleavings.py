"""Any interleaving of claims, crashes, time-outs, looks and waiting: nothing is doubled, lost or too fast (hypothesis, stateful).

Workers and reconcilers use the shipped store and domain functions on a real database; X is a small model that decides, at
the moment of the click, whether the post becomes live, and that is the judge.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.publishing import reconciling
from xbot_dagster.domain.publishing.fingerprint import fingerprint
from xbot_dagster.domain.publishing.ledger import HOUR, Limits
from xbot_dagster.store import attempts, claims, doubts, posting
from xbot_dagster.store.claims import Claim

NOON = datetime(2026, 11, 8, 12, 0, tzinfo=UTC)
LIMITS = Limits(per_hour=2, interval=timedelta(minutes=15), replies_per_day=3, quiet_hours=(), zone="UTC")
TABLES = "posted_decisions, decision_parts, posting_attempts, post_slots, live_fingerprints, alerts, content_metadata"


@dataclass(frozen=True)
class LivePost:
    tweet_id: str
    text: str
    at: datetime
    visible_at: datetime
    handle: str = "xbot_demo"
    pinned: bool = False
    repost: bool = False


@dataclass
class X:
    """What is live. Ids are snowflakes of the moment of birth."""

    posts: list[LivePost] = field(default_factory=list)

    def accept(self, words: str, at: datetime, lag: int = 0) -> str:
        number = (int(at.timestamp() * 1000) - 1288834974657 << 22) + len(self.posts)
        self.posts.append(LivePost(str(number), words, at, at + timedelta(seconds=lag)))
        return str(number)


class Publishing(RuleBasedStateMachine):
    engine: Engine
    clock: FixedClock

    claimed = Bundle("claimed")
    armed = Bundle("armed")

    def __init__(self) -> None:
        super().__init__()
        self.x = X()
        self.added: dict[str, str] = {}
        self.clock.set(NOON)
        with self.engine.begin() as conn:
            conn.execute(text(f"TRUNCATE {TABLES} CASCADE"))
        self.x.accept("An old note.", NOON - timedelta(days=2))

    @initialize(count=st.integers(2, 4))
    def fill(self, count: int) -> None:
        for minutes in range(count):
            self.add(minutes)

    @rule(minutes=st.integers(0, 20))
    def add(self, minutes: int) -> None:
        decision = str(uuid.uuid4())
        self.added[decision] = f"Note {len(self.added)}"
        with self.engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO content_metadata (decision_id, account, decision_type, text, generation_source, "
                    "status, scheduled_at, simulated) "
                    "VALUES (:id, 'default', 'single', :text, 'synthetic', 'queued', :at, true)"
                ),
                {"id": decision, "text": self.added[decision], "at": self.clock.now() - timedelta(minutes=minutes)},
            )

    @rule(seconds=st.sampled_from([1, 20, 61, 200, 301, 700, 1200, 3600]))
    def wait(self, seconds: int) -> None:
        self.clock.sleep(seconds)

    @rule(target=claimed)
    def claim(self):
        return self.claim_one() or multiple()

    def claim_one(self) -> Claim | None:
        with self.engine.begin() as conn:
            found = claims.claim(conn, "default", "synthetic", "recorded", LIMITS)
        return found if isinstance(found, Claim) else None

    @rule(target=armed)
    def claim_and_arm(self):
        claim = self.claim_one()
        return self.arm_one(claim) if claim else multiple()

    @rule(target=armed, claim=consumes(claimed))
    def arm(self, claim: Claim):
        return self.arm_one(claim)

    def arm_one(self, claim: Claim):
        try:
            with self.engine.begin() as conn:
                refused = attempts.arm(conn, claim, fingerprint(claim.text), None, {})
        except (attempts.LostLease, IntegrityError):
            return multiple()
        return multiple() if refused else claim

    @rule(claim=consumes(claimed))
    def fails_before_the_submit(self, claim: Claim) -> None:
        self.end(lambda conn: attempts.not_sent(conn, claim, "not ready", counts=True))

    @rule(
        claim=consumes(armed),
        answer=st.sampled_from(["id", "rejected", "later", "doubt", "death"]),
        live=st.booleans(),
        lag=st.sampled_from([0, 45, 500]),
    )
    def click(self, claim: Claim, answer: str, live: bool, lag: int) -> None:
        """The submit and what comes back. Whatever is not an explicit answer may be live or not."""
        if self.clock.now() >= claim.lease_until:
            return  # arming that took this long is not followed by a click (stages.submission)
        tweet_id = ""
        if answer == "id" or (answer in ("doubt", "death") and live):
            tweet_id = self.x.accept(claim.text, self.clock.now(), lag)
        match answer:
            case "id":
                self.end(lambda conn: attempts.posted(conn, claim, tweet_id, "response"))
            case "rejected":
                self.end(lambda conn: attempts.rejected(conn, claim, 186, "too long"))
            case "later":
                later = self.clock.now() + timedelta(minutes=5)
                self.end(lambda conn: attempts.deferred(conn, claim, later, 88, "later"))
            case "doubt":
                self.end(lambda conn: attempts.in_doubt(conn, claim, "no answer", None, {}))

    def end(self, write) -> None:
        try:
            with self.engine.begin() as conn:
                write(conn)
        except attempts.LostLease:
            pass

    @rule()
    def recover(self) -> None:
        with self.engine.begin() as conn:
            doubts.recover_leases(conn)
            posting.expire(conn)

    @rule(readable=st.booleans())
    def look(self, readable: bool) -> None:
        seen = [post for post in self.x.posts if post.visible_at <= self.clock.now()]
        with self.engine.begin() as conn:
            for doubt in doubts.due_looks(conn):
                taken = doubts.known_ids(conn, "default", [post.tweet_id for post in seen])
                found = reconciling.judge(doubt.doubt, seen, readable, self.clock.now(), taken)
                if found.verdict == "adopt":
                    attempts.posted(conn, doubt.claim, found.tweet_ids[0], "reconcile")
                elif found.verdict == "wait":
                    assert found.next_look is not None
                    doubts.looked(conn, doubt.claim, convincing=found.convincing, next_look=found.next_look)
                else:
                    attempts.not_live(conn, doubt.claim, needs_human=found.verdict == "needs_human")

    def rows(self, sql: str) -> list:
        with self.engine.connect() as conn:
            return list(conn.execute(text(sql)).all())

    @invariant()
    def nothing_is_live_twice(self) -> None:
        texts = [post.text for post in self.x.posts]
        assert len(texts) == len(set(texts))

    @invariant()
    def no_rolling_hour_holds_more_than_two(self) -> None:
        times = [post.at for post in self.x.posts]
        for start in times:
            assert sum(start <= at < start + HOUR for at in times) <= 2

    @invariant()
    def what_is_live_is_posted_or_still_in_doubt_and_the_other_way_round(self) -> None:
        live = {post.text: post.tweet_id for post in self.x.posts}
        for row in self.rows("SELECT status, text, tweet_id FROM content_metadata"):
            if row.status == "posted":
                assert live[row.text] == row.tweet_id
            elif row.text in live:
                assert row.status in ("posting", "in_doubt")

    @invariant()
    def one_submit_is_open_at_most_and_every_one_that_may_be_live_has_its_slot(self) -> None:
        [row] = self.rows(
            "SELECT count(*) FILTER (WHERE state IN ('claimed', 'armed', 'in_doubt')) AS open, "
            "count(*) FILTER (WHERE state IN ('armed', 'in_doubt', 'posted') AND s.released_at IS NOT NULL) AS unpaid "
            "FROM posting_attempts p JOIN post_slots s USING (decision_id, part, attempt)"
        )
        assert (row.open <= 1, row.unpaid) == (True, 0)

    @invariant()
    def no_decision_is_lost(self) -> None:
        assert {str(row.decision_id) for row in self.rows("SELECT decision_id FROM content_metadata")} == set(
            self.added
        )

    def teardown(self) -> None:
        """Given enough looks and time, every decision comes to an end and nothing stays in doubt."""
        for _ in range(40):
            self.clock.sleep(400)
            self.recover()
            self.look(True)
        assert self.rows("SELECT 1 FROM content_metadata WHERE status IN ('posting', 'in_doubt')") == []
        self.nothing_is_live_twice()
        self.what_is_live_is_posted_or_still_in_doubt_and_the_other_way_round()


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """Thousands of small transactions need not wait for the disk."""
    with engine.begin() as conn:
        name = conn.execute(text("SELECT current_database()")).scalar_one()
        conn.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine.dispose()
    return engine


def test_no_interleaving_doubles_loses_or_hurries_a_post(engine: Engine, clock: FixedClock) -> None:
    machine = type("Machine", (Publishing,), {"engine": engine, "clock": clock})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.mark.slow
def test_no_interleaving_at_length(engine: Engine, clock: FixedClock) -> None:
    machine = type("Machine", (Publishing,), {"engine": engine, "clock": clock})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=300,
            stateful_step_count=80,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
