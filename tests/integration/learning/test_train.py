"""Training versions: when, from what, what is promoted, and that a planted effect is found and noise is not."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from xbot_dagster.stages import features, promoting, train
from xbot_dagster.stages.serving import ContentScorer, TimingScorer
from xbot_dagster.store import alert_delivery, browse, predictors
from xbot_dagster.store.cache import Cache

START = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)


@pytest.fixture
def cache(cache_url, request):
    cache = Cache(cache_url, f"{request.node.name}:")
    yield cache
    cache.clear()
    cache.close()


@pytest.fixture
def trained_history(engine, clock, history):
    """Two hundred posts whose engagement depends on their arm alone."""
    history.effects = {"story": 2.0, "question": 1.5, "checklist": -2.0, "analogy": -1.5}
    history.add(200, START, every=timedelta(hours=7))
    features.run(engine, clock, START.date(), clock.now().date())
    return history


def _train(engine, clock, settings, cache=None, kind="content"):
    return train.run(engine, clock, settings, cache, "default", kind, clock.now().date())


def test_a_version_is_due_at_five_then_at_twenty_five_then_weekly(engine, clock, settings, history):
    def due():
        with engine.begin() as conn:
            return dict.fromkeys(kind for _, kind in train.train_due(conn))

    history.add(4, clock.now() - timedelta(days=4))
    assert not due()
    history.add(1, clock.now() - timedelta(days=3), purpose="fifth")
    assert list(due()) == ["content", "timing"]
    for kind in ("content", "timing"):
        assert _train(engine, clock, settings, kind=kind).version == 1
    assert not due()
    clock.sleep(60)
    history.add(24, clock.now() - timedelta(days=4), purpose="more")
    assert not due()
    history.add(1, clock.now() - timedelta(days=3), purpose="last")
    assert list(due()) == ["content", "timing"]
    _train(engine, clock, settings)
    assert list(due()) == ["timing"]
    clock.sleep(8 * 86_400)
    assert list(due()) == ["timing"], "a week without any new outcome changes no version"
    history.add(1, clock.now() - timedelta(days=2), purpose="one")
    assert list(due()) == ["content", "timing"]


def test_four_outcomes_train_nothing(engine, clock, settings, history, caplog):
    history.add(4, START)
    with caplog.at_level(logging.INFO, "xbot"):
        report = _train(engine, clock, settings)
    assert report.version is None
    assert "[LEARN_JOB] ⚠️ Training skipped: insufficient real outcomes (need 5)" in caplog.messages


def test_training_again_without_news_makes_no_version(engine, clock, settings, history):
    history.add(8, START)
    assert _train(engine, clock, settings).version == 1
    clock.sleep(60)
    again = _train(engine, clock, settings)
    assert (again.version, again.reason) == (None, "no new outcome since the last version")


def test_a_planted_effect_is_promoted_and_serves(engine, clock, settings, trained_history, cache):
    report = _train(engine, clock, settings, cache)
    assert (report.version, report.state) == (1, "champion")
    assert report.gain[1] > 0
    assert cache.get("default", "predictor:content:current") == "v1"
    scorer = ContentScorer.load(engine, cache, "default")
    assert (scorer.version, scorer.served_from) == ("v1", "redis")
    texts = ["Post 1 about sleep: rest steps."]
    found = {
        arm: scorer.predict(texts, scheduled_at=clock.now(), context={"arm": arm, "topic": "sleep"})[0]
        for arm in ("story", "checklist")
    }
    assert found["story"]["score"] > found["checklist"]["score"]
    estimate = found["story"]["log_impressions"]
    assert estimate["low"] <= estimate["value"] <= estimate["high"]


def test_shuffled_outcomes_are_not_promoted(engine, clock, settings, trained_history):
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE outcomes o SET likes = s.likes, retweets = s.retweets, replies = s.replies, impressions = s.impressions, "
                "profile_visits = s.profile_visits, engagements = s.engagements FROM ("
                "SELECT a.decision_id, b.likes, b.retweets, b.replies, b.impressions, b.profile_visits, b.engagements FROM "
                "(SELECT decision_id, row_number() OVER (ORDER BY md5(decision_id::text)) AS n FROM outcomes WHERE collected_pass = 2) a JOIN "
                "(SELECT *, row_number() OVER (ORDER BY decision_id) AS n FROM outcomes WHERE collected_pass = 2) b USING (n)) s "
                "WHERE s.decision_id = o.decision_id AND o.collected_pass = 2"
            )
        )
    report = _train(engine, clock, settings)
    assert report.state == "candidate"
    assert "may be nothing" in report.reason
    with engine.begin() as conn:
        assert predictors.champion(conn, "default", "content") is None
    assert ContentScorer.load(engine, None, "default") is None


def test_the_same_data_and_seed_give_the_same_version(engine, clock, settings, history):
    history.add(60, START, every=timedelta(hours=9))
    _train(engine, clock, settings)
    with engine.begin() as conn:
        first = predictors.payload(conn, "default", "content", 1)
        conn.execute(text("DELETE FROM predictor_versions"))
    _train(engine, clock, settings)
    with engine.begin() as conn:
        assert predictors.payload(conn, "default", "content", 1) == first


def test_serving_falls_back_one_step_at_a_time(engine, clock, settings, trained_history, cache, caplog):
    _train(engine, clock, settings, cache)
    cache.put("default", "predictor:content:v1", '{"format": 1}')
    with caplog.at_level(logging.INFO, "xbot"):
        assert ContentScorer.load(engine, cache, "default").served_from == "postgres"
        assert "in Redis is damaged" in caplog.text
        cache.clear()
        assert ContentScorer.load(engine, cache, "default").served_from == "postgres"
        assert ContentScorer.load(engine, cache, "default").served_from == "redis", "a miss is read through"
        cache.clear()
        with engine.begin() as conn:
            conn.execute(text("UPDATE predictor_versions SET payload = jsonb_set(payload, '{body,n}', '7')"))
        scorer = ContentScorer.load(engine, cache, "default")
        assert (scorer.version, scorer.served_from) == ("baseline", "baseline")
        assert "its checksum does not match" in caplog.text
        with engine.begin() as conn:
            [alert] = browse.alerts(conn, [], None, 10)
        assert alert.rule == "predictor_unusable"
        assert "its checksum does not match" in alert.message
        assert len(scorer.predict(["a", "b"], scheduled_at=clock.now(), context={"arm": "story"})) == 2
        with engine.begin() as conn:
            conn.execute(text("DELETE FROM outcomes"))
        assert ContentScorer.load(engine, cache, "default") is None
        assert "drafts are not ranked" in caplog.text
    with engine.begin() as conn:
        assert alert_delivery.cause_gone(conn, clock.now().date()) == []
    promoting.rollback(engine, cache, "default", "content", by="test")
    with engine.begin() as conn:
        gone = alert_delivery.cause_gone(conn, clock.now().date())
        assert gone == [alert.id], "no planning is needed to see it"
        alert_delivery.close(conn, gone)
    assert ContentScorer.load(engine, cache, "default") is None
    with engine.begin() as conn:
        assert [alert.state for alert in browse.alerts(conn, [], None, 10)] == ["closed"]


def test_the_promoted_hours_are_served_and_their_damage_is_an_alert(engine, clock, settings, history, cache):
    """Posts at 08:00 and 20:00, the evening's seen by far more: what serves says so of a slot, and nothing once it is damaged."""
    history.add(120, START.replace(hour=8), every=timedelta(hours=12))
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE outcomes o SET impressions = CASE WHEN extract(hour FROM p.posted_at AT TIME ZONE 'UTC') = 20 "
                "THEN 4000 ELSE 1000 END + (random() * 200)::int FROM posted_decisions p WHERE p.decision_id = o.decision_id"
            )
        )
    assert TimingScorer.load(engine, cache, "default") is None, "nothing is promoted yet"
    report = _train(engine, clock, settings, cache, "timing")
    assert report.state == "champion"
    cache.clear()
    hours = TimingScorer.load(engine, cache, "default")
    assert (hours.version, hours.served_from) == ("v1", "postgres")
    assert TimingScorer.load(engine, cache, "default").served_from == "redis"
    morning, evening = (hours.predict(clock.now().replace(hour=hour)) for hour in (8, 20))
    assert evening["target"] == "log_impressions"
    assert evening["low"] > morning["high"]
    assert (evening["version"], evening["n"] > 0) == ("v1", True)
    cache.clear()
    with engine.begin() as conn:
        conn.execute(text("UPDATE predictor_versions SET payload = jsonb_set(payload, '{format}', '99')"))
    assert TimingScorer.load(engine, cache, "default") is None
    with engine.begin() as conn:
        [alert] = [alert for alert in browse.alerts(conn, [], None, 10) if alert.rule == "predictor_unusable"]
    assert (alert.subject, alert.state) == ("default:timing", "open")
    assert "format 99 is unknown" in alert.message


def test_promote_and_roll_back(engine, clock, settings, trained_history, cache):
    from xbot_dagster.errors import Conflict

    _train(engine, clock, settings, cache)
    clock.sleep(60)
    trained_history.add(1, clock.now() - timedelta(days=3), purpose="one")
    second = _train(engine, clock, settings, cache)
    if second.state != "champion":
        promoting.promote(engine, cache, "default", "content", 2, by="tester", reason="try it")
    assert cache.get("default", "predictor:content:current") == "v2"
    with pytest.raises(Conflict, match="serves already"):
        promoting.promote(engine, cache, "default", "content", 2, by="tester", reason="again")
    back = promoting.rollback(engine, cache, "default", "content", by="tester")
    assert (back.version, back.retired) == (1, 2)
    assert cache.get("default", "predictor:content:current") == "v1"
    none = promoting.rollback(engine, cache, "default", "content", by="tester")
    assert (none.version, none.retired) == (None, 1)
    assert cache.get("default", "predictor:content:current") is None
    assert ContentScorer.load(engine, cache, "default") is None
    with pytest.raises(Conflict, match="nothing to roll back"):
        promoting.rollback(engine, cache, "default", "content", by="tester")
    with engine.begin() as conn:
        events = (
            conn.execute(text("SELECT event_type FROM audit_log WHERE component = 'predictors' ORDER BY id"))
            .scalars()
            .all()
        )
        table = promoting.compare(conn, "default", "content", 1, 2)
    assert events[-2:] == ["PREDICTOR_ROLLED_BACK", "PREDICTOR_ROLLED_BACK"]
    assert {row["metric"] for row in table} >= {"n", "gain", "spearman", "coverage"}


def test_a_changed_audience_raises_an_alert_and_shortens_memory(engine, clock, settings, history):
    """Four hundred steady posts, then a hundred whose counts follow nothing known: errors grow where the world changed."""
    history.effects = {"story": 2.0, "question": 1.5, "checklist": -2.0, "analogy": -1.5}
    start = clock.now() - timedelta(hours=4 * 560)
    history.add(400, start, every=timedelta(hours=4))
    changed = start + timedelta(hours=4 * 400)
    ids = history.add(140, changed, every=timedelta(hours=4), purpose="changed")
    with engine.begin() as conn:
        for number, decision in enumerate(ids):
            factor = 12.0 if number % 2 else 0.02
            conn.execute(
                text(
                    "UPDATE outcomes SET impressions = greatest(1, round(impressions * cast(:f AS float8))) WHERE decision_id = :d"
                ),
                {"f": factor, "d": decision},
            )
    features.run(engine, clock, start.date(), clock.now().date())
    _train(engine, clock, settings)
    with engine.begin() as conn:
        alert = conn.execute(text("SELECT rule, subject, state, message FROM alerts")).one()
    assert tuple(alert)[:3] == ("predictor_drift", "default", "open")
    assert f"around {changed:%Y-%m}" in alert.message


def test_two_versions_on_the_same_posts(engine, clock, settings, trained_history):
    _train(engine, clock, settings)
    clock.sleep(60)
    trained_history.add(1, clock.now() - timedelta(days=3), purpose="one")
    _train(engine, clock, settings)
    found = promoting.same_posts(engine, clock, settings, "default", 1, 2)
    assert found is not None
    assert found.low <= found.value <= found.high
    assert abs(found.value) < 0.1, "one more outcome changes next to nothing"
