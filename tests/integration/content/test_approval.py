"""Approval on a real database: approve, edit, reject, expire, and two people at once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.content_parts import Writer, trouble
from tests.unit.content.corpus import GOOD, REWORDED
from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.content.text import content_hash
from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import approve, plan
from xbot_dagster.store import alert_delivery, config, decisions, deployment, drafts
from xbot_dagster.store.decisions import NewDecision

EMBEDDER = WordLlamaEmbedder()


def draft(engine: Engine, clock: FixedClock, words: str = GOOD[0], status: str = "awaiting_approval") -> uuid.UUID:
    decision_id = uuid.uuid4()
    vector = [float(x) for x in EMBEDDER.embed([words])[0]]
    with engine.begin() as conn:
        decisions.insert(
            conn,
            NewDecision(
                decision_id,
                "default",
                "single",
                (words,),
                "synthetic",
                status,
                True,
                topic="sleep",
                scheduled_at=clock.now() + timedelta(hours=1),
                expires_at=clock.now() + timedelta(hours=7),
                embedding=vector,
                embedder=EMBEDDER.name,
                content_hash=content_hash(words),
                approval_required=True,
            ),
        )
    return decision_id


def status(engine: Engine, decision_id: uuid.UUID) -> str:
    with engine.begin() as conn:
        return drafts.decision(conn, decision_id).status


def test_approving_and_rejecting_are_recorded(engine: Engine, clock: FixedClock) -> None:
    kept, refused = draft(engine, clock, GOOD[0]), draft(engine, clock, GOOD[1])
    with engine.begin() as conn:
        assert approve.approve(conn, kept, "ida").status == "queued"
        assert approve.reject(conn, refused, "ida", "too salesy").status == "cancelled"
    with engine.begin() as conn:
        assert [(e.action, e.actor, e.reason) for e in drafts.history(conn, refused)] == [
            ("reject", "ida", "too salesy")
        ]
        row = conn.execute(
            text("SELECT approved_by, approved_at FROM content_metadata WHERE decision_id = :id"), {"id": kept}
        ).one()
    assert (row.approved_by, row.approved_at) == ("ida", clock.now())


def test_a_rejection_needs_a_reason_and_an_id_must_exist(engine: Engine, clock: FixedClock) -> None:
    waiting = draft(engine, clock)
    with pytest.raises(UsageError, match="reason"), engine.begin() as conn:
        approve.reject(conn, waiting, "ida", "  ")
    with pytest.raises(NotFound), engine.begin() as conn:
        approve.approve(conn, uuid.uuid4(), "ida")
    assert status(engine, waiting) == "awaiting_approval"


def test_an_edit_is_judged_again_and_kept_as_an_outcome(
    engine: Engine, clock: FixedClock, settings: Settings, llm: BudgetedClient
) -> None:
    waiting = draft(engine, clock)
    with engine.begin() as conn:
        edited = approve.edit(
            conn, settings, waiting, approve.revise(llm, settings, "default", [GOOD[9]]), "ida", "a story is better"
        )
    assert (edited.status, edited.text, edited.parts) == ("queued", GOOD[9], (GOOD[9],))
    with engine.begin() as conn:
        row = conn.execute(
            text("SELECT edited, content_hash FROM content_metadata WHERE decision_id = :id"), {"id": waiting}
        ).one()
        assert (row.edited, row.content_hash) == (True, content_hash(GOOD[9]))
        found = drafts.edits(conn, "default")
    assert [(e.before, e.after, e.reason) for e in found] == [([GOOD[0]], [GOOD[9]], "a story is better")]


def test_an_edit_that_a_gate_refuses_changes_nothing(
    engine: Engine, clock: FixedClock, settings: Settings, llm: BudgetedClient
) -> None:
    waiting = draft(engine, clock)
    draft(engine, clock, REWORDED[1][0], "queued")
    for words, gate in (
        ("Call 555-123-4567 tonight", "safety"),
        ("Read more.", "quality"),
        (REWORDED[1][1], "duplicate"),
    ):
        with pytest.raises(UsageError, match=gate), engine.begin() as conn:
            approve.edit(conn, settings, waiting, approve.revise(llm, settings, "default", [words]), "ida")
    with engine.begin() as conn:
        assert drafts.decision(conn, waiting).text == GOOD[0]
    with pytest.raises(UsageError, match="1 part"), engine.begin() as conn:
        approve.edit(conn, settings, waiting, approve.revise(llm, settings, "default", ["one", "two"]), "ida")


def test_an_edit_is_moderated_and_one_that_cannot_be_is_refused(
    engine: Engine, clock: FixedClock, settings: Settings, llm: BudgetedClient, writer: Writer
) -> None:
    waiting = draft(engine, clock)
    writer.flagged = True
    with pytest.raises(UsageError, match="flagged as violence"), engine.begin() as conn:
        approve.edit(conn, settings, waiting, approve.revise(llm, settings, "default", [GOOD[9]]), "ida")
    writer.moderation = trouble(400)
    with pytest.raises(UsageError, match="not moderated"), engine.begin() as conn:
        approve.edit(conn, settings, waiting, approve.revise(llm, settings, "default", [GOOD[9]]), "ida")
    assert status(engine, waiting) == "awaiting_approval"


@pytest.mark.parametrize("late", ["posting", "posted", "in_doubt", "expired", "cancelled"])
def test_what_is_under_way_can_no_longer_be_changed(
    engine: Engine, clock: FixedClock, settings: Settings, llm: BudgetedClient, late: str
) -> None:
    gone = draft(engine, clock, status=late)
    with pytest.raises(Conflict), engine.begin() as conn:
        approve.approve(conn, gone, "ida")
    with pytest.raises(Conflict), engine.begin() as conn:
        approve.edit(conn, settings, gone, approve.revise(llm, settings, "default", [GOOD[9]]), "ida")
    with pytest.raises(Conflict), engine.begin() as conn:
        approve.reschedule(conn, gone, clock.now() + timedelta(days=1), "ida")


def test_of_two_people_one_wins(engine: Engine, clock: FixedClock) -> None:
    waiting = draft(engine, clock)

    def act(action: str) -> int:
        return len(approve.batch(engine, [waiting], action, action, "a reason").done)

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(act, ["approve", "reject", "approve", "reject"]))
    assert sum(won) == 1
    with engine.begin() as conn:
        assert len(drafts.history(conn, waiting)) == 1


def test_one_that_cannot_be_approved_costs_the_others_nothing(engine: Engine, clock: FixedClock) -> None:
    waiting, late, unknown = draft(engine, clock), draft(engine, clock, GOOD[1], "posted"), uuid.uuid4()
    result = approve.batch(engine, [unknown, late, waiting], "ida", "approve")
    assert result.done == (str(waiting),)
    assert "There is no decision" in result.refused[str(unknown)]
    assert "it is posted" in result.refused[str(late)]


def test_a_page_that_is_out_of_date_is_a_conflict(engine: Engine, clock: FixedClock) -> None:
    waiting = draft(engine, clock)
    with engine.begin() as conn:
        seen = drafts.decision(conn, waiting).updated_at
    clock.set(clock.now() + timedelta(minutes=1))
    with engine.begin() as conn:
        approve.reschedule(conn, waiting, clock.now() + timedelta(hours=3), "bob")
    with pytest.raises(Conflict, match="in the meantime"), engine.begin() as conn:
        approve.approve(conn, waiting, "ida", seen_at=seen)


def test_unread_drafts_expire_with_an_alert(engine: Engine, clock: FixedClock) -> None:
    waiting = draft(engine, clock)
    assert approve.expire(engine, clock) == []
    clock.set(clock.now() + timedelta(hours=8))
    assert approve.expire(engine, clock) == [waiting]
    assert status(engine, waiting) == "expired"
    with engine.begin() as conn:
        assert conn.execute(text("SELECT rule, state FROM alerts")).all() == [("approval_backlog", "open")]
    assert approve.expire(engine, clock) == []
    with engine.begin() as conn:
        assert conn.execute(text("SELECT state FROM alerts")).scalars().all() == ["closed"]


def test_drafts_that_pile_up_are_an_alert_and_their_end_asks_for_a_planning_run(
    engine: Engine, clock: FixedClock, settings: Settings
) -> None:
    waiting = [draft(engine, clock, words) for words in GOOD[:10]]
    with engine.begin() as conn:
        config.write(conn, settings, "learning_config", "posts_per_day", 0)
        assert plan.needs_planning(conn, clock.now(), settings) == []
    approve.alert_backlog(engine)
    with engine.begin() as conn:
        (message,) = conn.execute(text("SELECT message FROM alerts WHERE state = 'open'")).scalars().all()
        assert message == "10 or more drafts wait for approval."
    clock.set(clock.now() + timedelta(hours=8))
    with engine.begin() as conn:
        assert plan.needs_planning(conn, clock.now(), settings) == ["default"], (
            "else they would stand there until tomorrow"
        )
    assert sorted(approve.expire(engine, clock)) == sorted(waiting)
    with engine.begin() as conn:
        assert plan.needs_planning(conn, clock.now(), settings) == []
        assert len(alert_delivery.cause_gone(conn, clock.now().date())) == 1


def test_the_rules_of_an_account_are_changed_and_recorded(engine: Engine) -> None:
    with engine.begin() as conn:
        changed = deployment.change_account(
            conn, "default", {"approval_posts": "all", "daily_llm_limit_usd": 1.5, "voice": {"tone": "dry"}}
        )
        assert (changed.approval_posts, changed.daily_llm_limit_usd, changed.voice) == ("all", 1.5, {"tone": "dry"})
        again = deployment.change_account(conn, "default", {"approval_posts": "all", "daily_llm_limit_usd": None})
        assert again.daily_llm_limit_usd is None
        written = conn.execute(
            text("SELECT event_data FROM audit_log WHERE event_type = 'ACCOUNT_CHANGED' ORDER BY id")
        ).scalars()
        assert [sorted(each) for each in written] == [
            ["approval_posts", "daily_llm_limit_usd", "voice"],
            ["daily_llm_limit_usd"],
        ]
        with pytest.raises(NotFound):
            deployment.change_account(conn, "nobody", {"enabled": False})
