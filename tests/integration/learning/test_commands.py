"""The learning commands against a real database: what they print, as a table and as JSON."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner

from xbot_dagster import runner
from xbot_dagster.assets.predictors import content_predictor, timing_predictor
from xbot_dagster.cli import caching as caching_commands
from xbot_dagster.cli import learning as commands
from xbot_dagster.cli import measuring as measuring_commands
from xbot_dagster.cli import predicting as predicting_commands
from xbot_dagster.embedded.services import Services
from xbot_dagster.errors import UsageError
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import Settings
from xbot_dagster.stages import experiment_plan, features, learn, train
from xbot_dagster.store import deployment, experiments

START = datetime(2026, 11, 5, 8, 0, tzinfo=UTC)


@pytest.fixture
def xbot(engine, clock, settings: Settings, cache_url, monkeypatch, request):
    """Runs `xbot …` on the test's own database; returns standard output."""
    settings = settings.model_copy(update={"REDIS_PREFIX": f"{request.node.name[:40]}:"})
    home = settings.home
    services = Services(home, "", "", cache_url, True, True)  # pyright: ignore[reportArgumentType]
    with engine.begin() as conn:
        stamp = deployment.require_family(conn, settings)

    @contextmanager
    def opened(_=None):
        yield Opened(settings, services, engine, clock, stamp)

    from xbot_dagster.resources import cache as caching
    from xbot_dagster.store.cache import Cache

    monkeypatch.setattr(caching, "make_cache", lambda _: Cache(cache_url, settings.redis_prefix))
    app = typer.Typer()
    for module in (commands, predicting_commands, caching_commands, measuring_commands):
        monkeypatch.setattr(module, "deployment", opened)
    commands.mount(app)
    measuring_commands.mount(app)

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_bandit_report(xbot, engine, clock, settings, history):
    assert "Nothing learned yet" in xbot("bandit", "report")
    history.add(10, START)
    learn.run(engine, clock, settings)
    printed = xbot("bandit", "report")
    assert "steering=growth" in printed
    assert "version=v1" in printed
    found = json.loads(xbot("bandit", "report", "--json"))
    assert found["posts_learned"] == 10
    assert {arm["scope"] for arm in found["arms"]} == {"content", "hour", "tag"}
    assert sum(arm["posts"] for arm in found["arms"] if arm["scope"] == "content") == 10


def test_learning_test_learns_and_shows_the_last_day(xbot, clock, history):
    history.add(10, clock.now() - timedelta(hours=30), passes=(1, 2))
    found = json.loads(xbot("learning", "test", "--json"))
    assert found["learned"]["outcomes"] == 10
    assert 0 < len(found["recent"]) < 10
    assert all(row["learned"] and row["pass1"] for row in found["recent"])
    printed = xbot("learning", "test")
    assert "nothing new was learned" in printed


def test_dry_run_says_what_would_change(engine, clock, settings, history, monkeypatch, xbot, capsys):
    history.add(8, START)
    commands.print_dry_run(False)
    assert "would learn 8 outcomes and become v1" in capsys.readouterr().out
    with engine.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM bandit_arms")).scalar_one() == 0


def test_explain_by_id_prefix_and_tweet(xbot, engine, clock, settings, history):
    decision = history.add(8, START)[3]
    learn.run(engine, clock, settings)
    with engine.begin() as conn:
        tweet = conn.execute(
            text("SELECT tweet_id FROM posted_decisions WHERE decision_id = :d"), {"d": decision}
        ).scalar_one()
    story = json.loads(xbot("explain", str(decision), "--json"))
    assert story["decision"]["decision_id"] == str(decision)
    assert [row["collected_pass"] for row in story["outcomes"]] == [1, 2]
    assert {row["learner"] for row in story["learned_by"]} == {"growth", "seed"}
    for name in (str(decision)[:12], tweet):
        assert json.loads(xbot("explain", name, "--json")) == story
    assert "Learned from by growth growth_v1.r1, seed seed_v1.r1." in xbot("explain", str(decision))


@pytest.mark.parametrize("unit", ["decision", "day"])
def test_explain_names_the_experiment_with_its_propensity(xbot, engine, clock, settings, history, unit):
    decision = history.add(1, START)[0]
    with engine.begin() as conn:
        planned = experiment_plan.plan(conn, settings, "default", "question_cta", starts_at=START, unit=unit)
        name = planned.experiment.experiment_id
        drawn = str(decision) if unit == "decision" else f"{START:%Y-%m-%d}"
        experiments.assign(conn, experiments.Assigned(name, drawn, "treatment", 0.3))
        conn.execute(text("UPDATE content_metadata SET experiment_id = :e"), {"e": name})
    story = json.loads(xbot("explain", str(decision), "--json"))
    assert [(row["arm"], row["propensity"], row["unit"]) for row in story["experiment"]] == [("treatment", 0.3, drawn)]
    assert f"Experiment {name} put it into treatment with propensity 0.30." in story["summary"]


@pytest.mark.parametrize("name", ["ffffffff", "not-an-id", "123456789012345", "0"])
def test_explain_of_nothing(xbot, name):
    from xbot_dagster.errors import NotFound

    with pytest.raises(NotFound, match="There is no decision"):
        xbot("explain", name)


@pytest.fixture
def predicting(engine, clock, history):
    """Two versions of the content predictor, trained a minute apart."""

    def make(settings) -> None:
        history.effects = {"story": 2.0, "question": 1.5, "checklist": -2.0, "analogy": -1.5}
        history.add(200, datetime(2026, 9, 1, 6, 0, tzinfo=UTC), every=timedelta(hours=7))
        for _ in range(2):
            train.run(engine, clock, settings, None, "default", "content", clock.now().date())
            clock.sleep(60)
            history.add(1, clock.now() - timedelta(days=3), purpose="one")

    return make


def test_predictor_commands(xbot, settings, predicting):
    assert "No version yet" in xbot("predictors", "list")
    predicting(settings)
    listed = json.loads(xbot("predictors", "list", "--json"))
    assert [row["version"] for row in listed] == ["v2", "v1"]
    assert "champion" in {row["state"] for row in listed}
    assert json.loads(xbot("predictors", "show", "v1", "--json"))["n"] == 200
    assert "log_engagement_rate" in xbot("predictors", "show", "1")
    compared = json.loads(xbot("predictors", "compare", "v1", "v2", "--json"))
    assert compared["same_posts"]["low"] <= compared["same_posts"]["high"]
    serving = next(row["version"] for row in listed if row["state"] == "champion")
    other = {"v1": "v2", "v2": "v1"}[serving]
    assert f"{other} serves now; it was {serving}" in xbot("predictors", "promote", other)
    assert f"{serving} serves now; it was {other}" in xbot("predictors", "rollback")


@pytest.mark.parametrize("words", [("show", "seven"), ("show", "v9", "--kind", "weather"), ("promote", "v9")])
def test_predictor_commands_refuse_nonsense(xbot, words):
    from xbot_dagster.errors import UserError

    with pytest.raises(UserError):
        xbot("predictors", *words)


def test_experiment_commands(xbot, clock):
    assert "None yet" in xbot("experiments", "list")
    printed = xbot("experiments", "plan", "--preset", "seven-day", "--start")
    assert "question_cta" in printed
    assert "What it can show is unknown" in printed
    assert "Started." in printed
    planned = json.loads(xbot("experiments", "plan", "--preset", "hashtag_1", "--days", "5", "--id", "tags", "--json"))
    assert planned[0]["experiment"]["state"] == "planned"
    assert "tags runs from" in xbot("experiments", "start", "tags")
    listed = json.loads(xbot("experiments", "list", "--json"))
    assert {row["state"] for row in listed} == {"running"}
    reported = json.loads(xbot("experiments", "report", "--json"))
    assert {row["experiment_id"] for row in reported} == {"tags"}, "the others have not begun"
    assert all(row["verdict"].startswith("Cannot tell yet") for row in reported)
    assert "tags has ended" in xbot("experiments", "stop", "tags")


def test_seven_days_take_no_options_of_their_own(xbot):
    with pytest.raises(UsageError, match="its own windows"):
        xbot("experiments", "plan", "--preset", "seven-day", "--days", "3")


def test_policy_evaluate_says_when_there_is_no_number(xbot):
    assert "no number: no measured choice" in xbot("policy", "evaluate", "--policy", "seed")
    found = json.loads(xbot("policy", "evaluate", "--policy", "uniform", "--since", "2026-10-01", "--json"))
    assert {value["verdict"] for value in found} == {"refused"}


def test_the_cache_is_rebuilt_from_postgres(xbot, settings, predicting, engine, clock):
    predicting(settings)
    learn.run(engine, clock, settings)
    xbot("redis", "rebuild")
    keys = json.loads(xbot("redis", "scan", "--json"))
    names = {row["key"].split(":", 1)[1] for row in keys}
    assert {"bandit:policy:growth", "bandit:policy:seed", "bandit:content:story", "predictor:content:current"} <= names
    before = sorted(names)
    xbot("redis", "rebuild")
    again = {row["key"].split(":", 1)[1] for row in json.loads(xbot("redis", "scan", "--json"))}
    assert sorted(again) == before
    assert json.loads(xbot("redis", "scan", "predictor:*", "--json"))


@pytest.fixture
def trained(engine, clock, settings, monkeypatch):
    """What runs where the command asks for its job: the shipped assets on the test's database."""

    def run_job(job: str, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
        assert job == "train"
        database = SimpleNamespace(engine=engine, clock=clock, settings=settings)
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [content_predictor, timing_predictor],
                instance=instance,
                resources={"database": database, "cache": None},
                tags=tags,
            )

    monkeypatch.setattr(runner, "run_job", run_job)


@pytest.mark.usefixtures("trained")
def test_backtest_says_what_its_partitions_were_worth(xbot, engine, clock, history):
    history.effects = {"story": 1.2, "checklist": -1.2}
    history.add(40, START - timedelta(days=15), every=timedelta(hours=6))
    features.run(engine, clock, (START - timedelta(days=15)).date(), clock.now().date())
    words = ("backtest", "--from", "2026-10-20", "--to", "2026-10-27")
    printed = xbot(*words)
    assert "timing_predictor: 3 not trained: insufficient real outcomes (need 5)" in printed
    assert "of 8." in printed
    rows = json.loads(xbot(*words, "--json"))
    assert [(row["account"], row["kind"], row["trained"]) for row in rows] == [
        ("default", "content", 5),
        ("default", "timing", 5),
    ]
    assert all(0 <= row["better"] <= row["trained"] for row in rows)
    assert printed.count("default") == 2, "one line a kind, not one a partition"
    listed = json.loads(xbot("predictors", "list", "--backtests", "--json"))
    gains = [row["gain"] for row in listed if row["kind"] == "timing" and row["gain"] is not None]
    assert rows[1]["mean_gain"] == pytest.approx(sum(gains) / len(gains))


@pytest.mark.usefixtures("trained")
def test_a_backtest_leaves_today_to_the_training_that_serves(xbot, clock, engine, history):
    history.add(30, START - timedelta(days=5), every=timedelta(hours=6))
    today = clock.now().date()
    xbot("backtest", "--from", str(today - timedelta(days=5)), "--to", str(today + timedelta(days=3)))
    with engine.begin() as conn:
        states = set(conn.execute(text("SELECT state FROM predictor_versions")).scalars())
    assert states == {"backtest"}


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-11-31", "2026-11-08", "is not a day"),
        ("2026-11-02", "2026-11-01", "lies after"),
        ("2010-01-01", "2010-01-05", "lies before the first day there is. That is 2018-01-01"),
        ("2026-11-08", "2026-11-09", "is not over. The last day that can be looked back at is 2026-11-07"),
    ],
)
def test_backtests_that_cannot_be(xbot, first, last, words):
    with pytest.raises(UsageError, match=words):
        xbot("backtest", "--from", first, "--to", last)
