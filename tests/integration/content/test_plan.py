"""Planning on a real database: candidates → policy → drafts over HTTP → gates → queue."""

import itertools
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.content_parts import Writer, quota, sentence, trouble
from tests.unit.learning_models.frames import end_of, frame
from xbot_dagster.clock import FixedClock
from xbot_dagster.domain.learning.predictors import ContentPredictor, train_content
from xbot_dagster.domain.learning.predictors_payload import to_payload
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.settings import Settings
from xbot_dagster.stages import explain, ideas, plan, promoting, refresh
from xbot_dagster.stages.policies import Policies
from xbot_dagster.stages.serving import ContentScorer
from xbot_dagster.store import config, predictors
from xbot_dagster.store.cache import Cache

Parts = tuple[Engine, FixedClock, Settings, BudgetedClient, Cache, Policies]


@pytest.fixture
def parts(
    filled: Engine, clock: FixedClock, llm_settings: Settings, llm: BudgetedClient, cache: Cache, policies: Policies
) -> Parts:
    return filled, clock, llm_settings, llm, cache, policies


def run(parts: Parts, **more: object) -> plan.PlanReport:
    engine, clock, settings, llm, cache, policies = parts
    return plan.run(engine, clock, settings, llm, cache, policies, 7, **more)  # pyright: ignore[reportArgumentType]


def rows(engine: Engine, sql: str) -> list:
    with engine.begin() as conn:
        return list(conn.execute(text(sql)))


def test_a_day_is_filled_with_everything_that_explains_it(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    engine, clock = parts[0], parts[1]
    caplog.set_level(logging.INFO, logger="xbot")
    clock.set(clock.now().replace(hour=0, minute=2))
    with engine.begin() as conn:
        assert plan.needs_planning(conn, clock.now(), parts[2]) == ["default"]
    report = run(parts)
    assert report.queued == 12
    assert report.awaiting_approval == 0
    with engine.begin() as conn:
        assert plan.needs_planning(conn, clock.now(), parts[2]) == []
    decisions = rows(engine, "SELECT * FROM content_metadata ORDER BY scheduled_at")
    queued = [row for row in decisions if row.status == "queued"]
    assert len(queued) == 12
    assert all(row.generation_source == "synthetic" and row.simulated for row in queued)
    assert all(
        0 < row.propensity <= 1 and row.embedder.startswith("wordllama") and row.novelty is not None for row in queued
    )
    gaps = [b.scheduled_at - a.scheduled_at for a, b in itertools.pairwise(queued)]
    assert min(gaps) >= timedelta(minutes=30)
    assert not {row.scheduled_at.hour for row in queued} & {2, 3, 4, 5}
    assert len({row.candidate_id for row in decisions}) == len(decisions)
    counts = rows(engine, "SELECT state, count(*) FROM content_candidates GROUP BY 1")
    assert dict(counts)["used"] == 12
    assert rows(engine, "SELECT count(*) FROM decision_choices")[0][0] == len(decisions)
    assert rows(engine, "SELECT count(*) FROM gate_verdicts WHERE verdict = 'pass'")[0][0] >= 48
    assert rows(engine, "SELECT count(*) FROM drafts WHERE chosen")[0][0] == len(decisions)
    assert rows(engine, "SELECT count(*) FROM decision_choices WHERE shadow->>'policy' = 'seed' AND policy = 'growth'")[
        0
    ][0] == len(decisions)
    lines = [line for record in caplog.records for line in record.message.splitlines()]
    assert sum(line.startswith("[PLAN_JOB] ✅ Synthetic content queued decision_id=") for line in lines) >= 7
    assert any(line.startswith("[GATE_CHAIN] gate=duplicate verdict=pass score=") for line in lines)
    assert "[OPENAI] using budgeted client purpose=content_generation model=gpt-4o-mini" in lines


def test_the_sandbox_approver_is_recorded_as_such(parts: Parts) -> None:
    run(parts)
    by = rows(parts[0], "SELECT DISTINCT approved_by FROM content_metadata WHERE approval_required")
    assert [row.approved_by for row in by] == ["auto:sandbox-approver"]
    assert rows(parts[0], "SELECT count(*) FROM draft_edits WHERE actor = 'auto:sandbox-approver'")[0][0] >= 5


def test_another_predictor_lets_other_drafts_go_out(parts: Parts, writer: Writer) -> None:
    """Every second draft ends in a question; one predictor has learned that questions engage, the next one that they bore."""
    engine, clock, settings, _, cache, _ = parts

    def scorer(account: str) -> ContentScorer | None:
        return ContentScorer.load(engine, cache, account)

    writer.text = lambda brief, draft, part: sentence(brief, draft, part) + (" What do you think?" if draft % 2 else "")
    clock.set(clock.now().replace(hour=0, minute=2))
    shares = []
    for asked, told in ((0.06, 0.02), (0.02, 0.06)):
        posts = frame(200, effect=0.0)
        rate = posts.text.str.endswith("?").map({True: asked, False: told})
        posts["engagements"] = (posts.impressions * rate).round().astype(int)
        trained = train_content(posts, as_of=end_of(posts), random_state=7)
        assert isinstance(trained, ContentPredictor)
        with engine.begin() as conn:
            number = predictors.add_candidate(conn, _stored(trained, settings), "a test")
        promoting.promote(engine, cache, "default", "content", number, by="test", reason="a test")
        assert run(parts, scorer_for=scorer).queued >= 8
        query = f"SELECT text FROM content_metadata WHERE status = 'queued' AND predictor_version = 'v{number}'"
        texts = [row.text for row in rows(engine, query)]
        shares.append(sum("What do you think?" in each for each in texts) / len(texts))
        clock.set(clock.now() + timedelta(days=1))
    assert shares[0] > 0.8
    assert shares[1] < 0.2


def test_what_the_hour_is_expected_to_bring_is_stored_and_told(parts: Parts) -> None:
    class Hours:
        def predict(self, scheduled_at: datetime) -> dict[str, Any]:
            return {
                "version": "v3",
                "at": scheduled_at.isoformat(),
                "target": "log_impressions",
                "value": scheduled_at.hour / 100,
                "low": -0.1,
                "high": 0.3,
                "n": 4,
            }

    run(parts, hours_for=lambda account: Hours())
    [row, *_] = rows(parts[0], "SELECT * FROM content_metadata WHERE status = 'queued' ORDER BY scheduled_at")
    assert row.predicted["hour"]["value"] == row.scheduled_at.hour / 100
    with parts[0].begin() as conn:
        told = explain.explain(conn, row.decision_id)["summary"]
    assert any(
        line.startswith(f"Timing v3 expected {row.scheduled_at:%H:%M} UTC to bring +")
        and "impressions (-10% to +35%)" in line
        for line in told
    ), told


def _stored(trained: ContentPredictor, settings: Settings) -> predictors.NewVersion:
    return predictors.NewVersion(
        account="default",
        kind="content",
        algorithm="stack/1",
        as_of=trained.as_of,
        window_start=None,
        n=trained.n,
        features=list(trained.fitted.features),
        refs={},
        metrics={},
        payload=to_payload(trained),
        simulated=settings.simulated,
    )


def test_a_second_run_plans_nothing_more(parts: Parts) -> None:
    first = run(parts)
    assert first.queued > 0
    assert run(parts).queued == 0


def test_a_late_start_plans_its_share_of_the_day(parts: Parts) -> None:
    parts[1].set(parts[1].now().replace(hour=18))
    assert run(parts).queued == 4


def test_insufficient_quota_queues_nothing_and_returns_the_candidate(
    parts: Parts, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    writer.answers = [quota()]
    report = run(parts)
    assert report.queued == 0
    assert "[PLAN_JOB] OpenAI insufficient_quota → not queueing" in [r.message for r in caplog.records]
    assert rows(parts[0], "SELECT count(*) FROM content_metadata")[0][0] == 0
    assert rows(parts[0], "SELECT DISTINCT state FROM content_candidates")[0][0] == "fresh"
    assert len(writer.calls) == 1
    assert run(parts).skipped["default"].startswith("No LLM call is made until")
    assert len(writer.calls) == 1
    alerts = rows(parts[0], "SELECT rule, occurrences FROM alerts WHERE rule = 'llm_circuit_open'")
    assert [tuple(row) for row in alerts] == [("llm_circuit_open", 1)]
    parts[1].set(parts[1].now() + timedelta(days=1))
    assert run(parts).queued > 0


def test_the_alert_of_an_empty_queue_closes_by_itself(parts: Parts) -> None:
    engine, clock, settings, _, cache, _ = parts
    state = "SELECT state, message FROM alerts WHERE rule = 'candidate_queue_empty' ORDER BY id DESC LIMIT 1"
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM content_candidates"))
    assert run(parts).skipped == {"default": "the queue of candidates is empty"}
    assert rows(engine, state)[0].state == "open"
    refresh.run(engine, clock, settings, cache)
    assert rows(engine, state)[0].state == "closed"
    with engine.begin() as conn:
        config.write(conn, settings, "content_config", "topics_allowed", ["astronomy"])
    run(parts)
    assert "40 wait on topics that topics_allowed leaves out" in rows(engine, state)[0].message
    refresh.run(engine, clock, settings, cache)
    assert rows(engine, state)[0].state == "open", "what may not be planned does not count"
    assert ideas.add(engine, clock, settings, cache, "default", "The first clear night", topic="Astronomy")
    assert rows(engine, state)[0].state == "closed"


def test_two_retries_end_the_tick(parts: Parts, writer: Writer) -> None:
    writer.answers = [trouble(503), trouble(503), trouble(503)]
    report = run(parts)
    assert (report.queued, len(writer.calls)) == (0, 3)
    assert rows(parts[0], "SELECT sum(reserved_usd) FROM budget_days")[0][0] == 0


def test_a_blocked_draft_is_replaced_by_another_candidate(parts: Parts, writer: Writer) -> None:
    from tests.content_parts import sentence

    blocked_topics = {"sleep"}
    writer.text = lambda brief, d, p: (
        f"Like this if you agree about {d}." if brief["topic"] in blocked_topics else sentence(brief, d, p)
    )
    report = run(parts)
    assert report.blocked > 0
    reasons = rows(parts[0], "SELECT status_reason FROM content_metadata WHERE status = 'blocked'")
    assert all("engagement_bait" in row.status_reason for row in reasons)
    assert report.queued == 8
    dropped = rows(parts[0], "SELECT count(*) FROM decision_choices WHERE dropped_by IS NOT NULL")
    assert dropped[0][0] == report.blocked


def test_an_account_with_nothing_new_to_say_stops_asking(parts: Parts, writer: Writer) -> None:
    engine, clock, settings, *_ = parts
    writer.text = lambda brief, d, p: f"Like this if you agree about {d}."
    for hour in range(3, 9):
        clock.set(clock.now().replace(hour=hour))
        report = run(parts)
        with engine.begin() as conn:
            wanted = plan.needs_planning(conn, clock.now(), settings)
    made = rows(engine, "SELECT count(*), count(*) FILTER (WHERE status = 'blocked') FROM content_metadata")
    assert made[0] == (36, 36)
    assert wanted == [], "nor does the schedule ask for another run"
    assert report.skipped["default"].startswith("36 decisions were made for the day, 36 are its most")
    clock.set(clock.now() + timedelta(days=1))
    with engine.begin() as conn:
        assert plan.needs_planning(conn, clock.now(), settings) == ["default"], "a new day is tried again"


def test_two_deployments_with_one_seed_decide_alike(parts: Parts) -> None:
    run(parts)
    sql = "SELECT decision_id, text, arm, scheduled_at, propensity FROM content_metadata ORDER BY decision_id"
    first = rows(parts[0], sql)
    with parts[0].begin() as conn:
        conn.execute(text("TRUNCATE content_metadata CASCADE"))
        conn.execute(text("UPDATE content_candidates SET state = 'fresh', state_reason = NULL"))
    run(parts)
    assert [tuple(r) for r in rows(parts[0], sql)] == [tuple(r) for r in first]


def test_a_thread_has_as_many_parts_as_its_hour_takes(parts: Parts) -> None:
    engine, _, settings, *_ = parts
    with engine.begin() as conn:
        config.write(conn, settings, "content_config", "thread_share", 1)
        config.write(conn, settings, "learning_config", "post_interval_min", 15)
    wide = settings.model_copy(update={"MAX_POSTS_PER_HOUR": 6, "MIN_POST_INTERVAL_MINUTES": 0})
    run((parts[0], parts[1], wide, *parts[3:]))
    found = rows(
        engine,
        "SELECT c.decision_type, count(*) AS parts FROM content_metadata c JOIN decision_parts USING (decision_id) "
        "WHERE c.status = 'queued' GROUP BY c.decision_id, c.decision_type",
    )
    lengths = {row.parts for row in found if row.decision_type == "thread"}
    assert lengths <= {2, 3, 4}
    assert len(lengths) > 1
    assert all(row.parts == 1 for row in found if row.decision_type == "single")
