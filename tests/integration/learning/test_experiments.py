"""Experiments: what is promised before the start, who is assigned to what, and that an assignment sticks."""

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from xbot_dagster.domain.content.seeding import seeded_id
from xbot_dagster.errors import Conflict, NotFound, UsageError
from xbot_dagster.stages import experiment_plan as experiments
from xbot_dagster.stages import lift
from xbot_dagster.store import deployment
from xbot_dagster.store import experiments as store

START = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)


@pytest.fixture
def slots(engine, clock):
    """Makes slots as planning hands them to the assigner; only what an assignment may look at is there."""
    with engine.begin() as conn:
        account = deployment.account(conn, "default")

    def make(count, decision_type="single", start=None, every=timedelta(hours=2)):
        return [
            SimpleNamespace(
                decision_id=seeded_id(5, decision_type, number),
                account=account,
                decision_type=decision_type,
                scheduled_at=(start or clock.now()) + number * every,
            )
            for number in range(count)
        ]

    return make


def _planned(engine, settings, clock, name="question_cta", **options):
    with engine.begin() as conn:
        return experiments.plan(conn, settings, "default", name, starts_at=clock.now(), **options)


def _assign(engine, clock, settings, slots):
    assign = experiments.assigner(engine, clock, settings)
    with engine.begin() as conn:
        return [assign(conn, slot) for slot in slots]


def test_a_plan_promises_before_it_starts(engine, clock, settings, history):
    assert "unknown" in _planned(engine, settings, clock, experiment_id="first").power.sentence()
    history.add(100, START, every=timedelta(hours=8))
    planned = _planned(engine, settings, clock, days=14)
    assert planned.experiment.state == "planned"
    assert planned.power.posts == pytest.approx(42, abs=2)
    assert planned.power.detectable > 0
    # Both numbers come from one formula: over the days needed exactly the wanted effect is detectable.
    again = _planned(engine, settings, clock, days=planned.power.days_needed, experiment_id="again")
    assert again.power.detectable == pytest.approx(planned.power.wanted)


def test_nothing_is_assigned_before_the_start_nor_after_the_stop(engine, clock, settings, slots):
    experiment = _planned(engine, settings, clock).experiment.experiment_id
    assert _assign(engine, clock, settings, slots(5)) == [None] * 5
    with engine.begin() as conn:
        experiments.start(conn, experiment, clock.now())
    assert all(_assign(engine, clock, settings, slots(5)))
    assert _assign(engine, clock, settings, slots(5, "reply")) == [None] * 5, "a preset for posts leaves replies alone"
    clock.sleep(3600)
    with engine.begin() as conn:
        ended = experiments.stop(conn, experiment, clock.now())
    assert (ended.state, ended.ends_at) == ("ended", clock.now())
    assert _assign(engine, clock, settings, slots(5)) == [None] * 5
    with engine.begin() as conn, pytest.raises(UsageError, match="has ended"):
        experiments.start(conn, experiment, clock.now())


def test_assignment_is_sticky_reproducible_and_in_its_share(engine, clock, settings, slots):
    experiment = _planned(engine, settings, clock, days=200).experiment.experiment_id
    with engine.begin() as conn:
        experiments.start(conn, experiment, clock.now())
    many = slots(600)
    first = _assign(engine, clock, settings, many)
    assert _assign(engine, clock, settings, many) == first
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM experiment_assignments"))
    assert _assign(engine, clock, settings, many) == first, "the same seed draws the same arms"
    treated = [found for found in first if found.arm == "treatment"]
    assert abs(len(treated) - 180) < 4 * math.sqrt(600 * 0.3 * 0.7)
    assert {found.propensity for found in treated} == {0.3}
    assert {found.propensity for found in first if found.arm == "control"} == {0.7}
    assert all(found.hook == "question" and found.rules for found in treated)
    with engine.begin() as conn:
        conn.execute(text("UPDATE experiment_assignments SET arm = 'control' WHERE unit = :u"), {"u": treated[0].unit})
    again = _assign(engine, clock, settings, many)[first.index(treated[0])]
    assert again.arm == "control", "what is stored wins over what would be drawn now"


def test_what_each_preset_changes(engine, clock, settings, slots):
    for name, kind in (("hashtag_1", "single"), ("contrarian_reply", "reply"), ("late_evening_slot", "thread")):
        experiment = _planned(engine, settings, clock, name, days=400).experiment.experiment_id
        with engine.begin() as conn:
            experiments.start(conn, experiment, clock.now())
        found = _assign(engine, clock, settings, slots(60, kind))
        arms = {arm: [each for each in found if each.arm == arm] for arm in ("treatment", "control")}
        if name == "hashtag_1":
            assert {each.max_hashtags for each in arms["treatment"]} == {1}
            assert {each.max_hashtags for each in arms["control"]} == {0}
        elif name == "contrarian_reply":
            assert {each.hook for each in arms["treatment"]} == {"contrarian"}
        else:
            assert {each.hour for each in arms["treatment"]} == {20, 21}
            assert {each.hour for each in arms["control"]} == {None}
        with engine.begin() as conn:
            experiments.stop(conn, experiment, clock.now() + timedelta(seconds=1))


def test_a_day_is_one_unit(engine, clock, settings, slots):
    with engine.begin() as conn:
        conn.execute(text("UPDATE accounts SET zone = 'America/New_York'"))
    experiment = _planned(engine, settings, clock, unit="day", days=60).experiment.experiment_id
    with engine.begin() as conn:
        experiments.start(conn, experiment, clock.now())
        account = deployment.account(conn, "default")
    many = slots(120)
    for slot in many:
        slot.account = account
    by_day: dict[str, set[str]] = {}
    for slot, found in zip(many, _assign(engine, clock, settings, many), strict=True):
        by_day.setdefault(found.unit, set()).add(found.arm)
        local = (slot.scheduled_at - timedelta(hours=5)).date().isoformat()
        assert found.unit == local
    assert all(len(arms) == 1 for arms in by_day.values())
    assert len(set().union(*by_day.values())) == 2


def test_two_running_experiments_share_the_slots(engine, clock, settings, slots):
    for name in ("question_cta", "hashtag_1"):
        experiment = _planned(engine, settings, clock, name, days=100).experiment.experiment_id
        with engine.begin() as conn:
            experiments.start(conn, experiment, clock.now())
    found = _assign(engine, clock, settings, slots(200))
    names = [each.experiment_id.split("-")[1] for each in found]
    assert 60 < names.count("hashtag_1") < 140


def test_the_runbooks_week(engine, clock, settings):
    with engine.begin() as conn:
        planned = experiments.plan_seven_days(conn, settings, "default", starts_at=clock.now())
    week = [(p.experiment.preset, p.experiment.share, p.experiment.starts_at, p.experiment.ends_at) for p in planned]
    day = datetime(2026, 11, 9, tzinfo=UTC)
    assert week == [
        ("question_cta", 0.3, day + timedelta(days=2), day + timedelta(days=4)),
        ("late_evening_slot", 0.2, day + timedelta(days=4), day + timedelta(days=6)),
    ]
    with engine.begin() as conn, pytest.raises(Conflict):
        experiments.plan_seven_days(conn, settings, "default", starts_at=clock.now())


def test_a_late_start_keeps_the_length(engine, clock, settings):
    experiment = _planned(engine, settings, clock, days=3).experiment
    clock.sleep(10 * 86_400)
    with engine.begin() as conn:
        started = experiments.start(conn, experiment.experiment_id, clock.now())
    assert started.starts_at == clock.now()
    assert started.ends_at == clock.now() + timedelta(days=3)
    clock.sleep(4 * 86_400)
    with engine.begin() as conn:
        assert store.end_past(conn) == [experiment.experiment_id]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "magic"}, UsageError),
        ({"share": 1.0}, UsageError),
        ({"share": 0.0}, UsageError),
        ({"days": 0.0}, UsageError),
        ({"unit": "week"}, UsageError),
        ({"account": "nobody"}, NotFound),
    ],
)
def test_plans_that_cannot_be(engine, clock, settings, options, error):
    words = {"account": "default", "name": "question_cta", **options}
    with engine.begin() as conn, pytest.raises(error):
        experiments.plan(conn, settings, words.pop("account"), words.pop("name"), starts_at=clock.now(), **words)


@pytest.fixture
def trial_history(engine, clock, settings, history, slots):
    """Runs `hashtag_1` for sixty days over the posts of a history, treated posts with `effect` on their counts' log rate."""

    def make(effect: float, reach: float = 1.0, posts: int = 500, every=timedelta(hours=3)) -> str:
        start = clock.now() - timedelta(days=66)
        with engine.begin() as conn:
            experiment = experiments.plan(conn, settings, "default", "hashtag_1", starts_at=start, days=70).experiment
            experiments.start(conn, experiment.experiment_id, start)
            account = deployment.account(conn, "default")
        ids = history.add(posts, start, every=every)
        assign = experiments.assigner(engine, clock, settings)
        with engine.begin() as conn:
            for number, decision in enumerate(ids):
                slot = SimpleNamespace(
                    decision_id=decision, account=account, decision_type="single", scheduled_at=start + number * every
                )
                found = assign(conn, slot)
                conn.execute(
                    text("UPDATE content_metadata SET experiment_id = :e, experiment_arm = :a WHERE decision_id = :d"),
                    {"e": found.experiment_id, "a": found.arm, "d": decision},
                )
                if found.arm == "treatment":
                    conn.execute(
                        text(
                            "UPDATE outcomes SET retweets = round(retweets * cast(:f AS float8)), profile_visits = "
                            "round(profile_visits * cast(:f AS float8)), impressions = greatest(1, round(impressions * "
                            "cast(:r AS float8))) WHERE decision_id = :d"
                        ),
                        {"f": math.exp(effect) * reach, "r": reach, "d": decision},
                    )
        return experiment.experiment_id

    return make


def _lifts(engine, experiment):
    with engine.begin() as conn:
        return {row.metric: row for row in store.newest_lifts(conn, experiment)}


def test_a_planted_effect_is_found(engine, clock, settings, trial_history):
    experiment = trial_history(0.7)
    report = lift.run(engine, clock, settings, clock.now().date())
    assert report.estimates == len(lift.METRICS)
    found = _lifts(engine, experiment)
    primary = found[lift.PRIMARY]
    assert primary.low > 0
    assert primary.cs_low > 0
    assert primary.cs_low < primary.low < primary.lift < primary.high < primary.cs_high
    assert primary.q_value < 0.01
    assert lift.verdict(primary).startswith("Better")
    assert lift.verdict(found["fpki"]).startswith("Cannot tell yet")
    assert 130 < primary.effective_n < 170, "the smaller arm's"


def test_no_effect_is_no_lift(engine, clock, settings, trial_history):
    experiment = trial_history(0.0)
    lift.run(engine, clock, settings, clock.now().date())
    for row in _lifts(engine, experiment).values():
        assert row.cs_low < 0 < row.cs_high
        assert row.q_value > 0.05


def test_shuffled_arms_show_nothing(engine, clock, settings, trial_history):
    experiment = trial_history(0.7)
    with engine.begin() as conn:
        conn.execute(
            text(
                "UPDATE experiment_assignments x SET arm = s.arm, propensity = s.propensity FROM ("
                "SELECT a.unit, b.arm, b.propensity FROM (SELECT unit, row_number() OVER (ORDER BY md5(unit)) AS n "
                "FROM experiment_assignments) a JOIN (SELECT arm, propensity, row_number() OVER (ORDER BY unit) AS n "
                "FROM experiment_assignments) b USING (n)) s WHERE s.unit = x.unit"
            )
        )
    lift.run(engine, clock, settings, clock.now().date())
    row = _lifts(engine, experiment)[lift.PRIMARY]
    assert row.cs_low < 0 < row.cs_high


def test_too_little_is_refused_with_the_reason(engine, clock, settings, trial_history):
    experiment = trial_history(0.7, posts=60)
    report = lift.run(engine, clock, settings, clock.now().date())
    assert (report.estimates, report.refused) == (0, len(lift.METRICS))
    row = _lifts(engine, experiment)[lift.PRIMARY]
    assert (row.verdict, row.lift) == ("refused", None)
    assert "effective sample size" in row.reason
    assert lift.verdict(row).startswith("Cannot tell yet")


def test_a_look_is_repeatable_and_past_days_see_only_the_past(engine, clock, settings, trial_history):
    experiment = trial_history(0.7)
    today = clock.now().date()
    lift.run(engine, clock, settings, today)
    first = _lifts(engine, experiment)
    lift.run(engine, clock, settings, today)
    assert _lifts(engine, experiment) == first
    lift.run(engine, clock, settings, today - timedelta(days=30))
    with engine.begin() as conn:
        counts = conn.execute(
            text("SELECT as_of::date, n FROM experiment_lifts WHERE metric = 'primary_rate' ORDER BY as_of")
        ).all()
    assert len(counts) == 2
    assert counts[0].n < counts[1].n


def test_a_harmful_treatment_is_paused_with_an_alert(engine, clock, settings, trial_history, slots):
    experiment = trial_history(0.0, reach=0.2)
    report = lift.run(engine, clock, settings, clock.now().date())
    assert report.paused == (experiment,)
    with engine.begin() as conn:
        assert store.experiment(conn, experiment).state == "paused"
        alert = conn.execute(text("SELECT rule, subject, severity FROM alerts")).one()
    assert tuple(alert) == ("experiment_guardrail", experiment, "warning")
    assert _assign(engine, clock, settings, slots(3)) == [None] * 3
    assert lift.run(engine, clock, settings, clock.now().date()).paused == ()
