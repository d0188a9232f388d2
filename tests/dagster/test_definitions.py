"""What the code location shows: every stage of the loop as an asset, wired, lazy, and safe to retry or not."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from xbot_dagster.definitions import build_definitions
from xbot_dagster.settings import load_settings

ROOT = Path(__file__).parents[2]
CHAIN = {
    "content_sources": set(),
    "content_candidates": {"content_sources"},
    "queued_decisions": {"content_candidates", "serving_predictor"},
    "posted_tweets": {"queued_decisions", "queued_replies"},
    "pass1_outcomes": {"posted_tweets"},
    "pass2_outcomes": {"posted_tweets", "pass1_outcomes"},
    "follower_snapshots": set(),
    "post_features": {"posted_tweets"},
    "bandit_arms": {"pass1_outcomes", "pass2_outcomes", "follower_snapshots"},
    "content_predictor": {"post_features", "pass2_outcomes"},
    "timing_predictor": {"post_features", "pass2_outcomes"},
    "experiment_lift": {"pass2_outcomes"},
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(load_settings({}))


def test_the_location_loads(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_the_lineage_is_the_loop(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for name, parents in CHAIN.items():
        assert {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys} == parents, name


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.group_name in {"content", "decisions", "publishing", "measuring", "learning"}, spec.key


def test_models_and_facts_are_partitioned_and_backfill_in_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for name in ("post_features", "content_predictor", "timing_predictor", "experiment_lift"):
        node = graph.get(dg.AssetKey(name))
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition), name
        assert node.backfill_policy is not None, name
        assert node.backfill_policy.max_partitions_per_run is None, name


def test_a_backfill_stays_in_the_process_of_its_run(definitions: dg.Definitions) -> None:
    """A Celery worker's process is not allowed to start others, and a step each would load the models again."""
    for name in ("__ASSET_JOB", *[job.name for job in definitions.jobs or ()]):
        assert definitions.resolve_job_def(name).executor_def is dg.in_process_executor, name


def test_nothing_repeats_a_submit(definitions: dg.Definitions) -> None:
    """No run retry, no op retry, one run at a time: retries belong to the state machine."""
    for name in ("post", "reconcile"):
        job = definitions.resolve_job_def(name)
        assert job.tags["dagster/max_retries"] == "0"
        ops = [node for node in job.all_node_defs if isinstance(node, dg.OpDefinition)]
        assert all(op.retry_policy is None for op in ops)
        assert [op.pool for op in ops if op.name in ("posted_tweets", "reconcile_in_doubt")] == ["x_post"]


def test_sensors_and_schedules_run_without_being_switched_on(definitions: dg.Definitions) -> None:
    assert {s.name for s in definitions.sensors or ()} >= {
        "due_posts",
        "due_outcomes",
        "due_snapshots",
        "due_learning",
        "due_alerts",
    }
    assert all(
        s.default_status == dg.DefaultSensorStatus.RUNNING
        for s in definitions.sensors or ()
        if isinstance(s, dg.SensorDefinition)
    )
    schedules = [s for s in definitions.schedules or () if isinstance(s, dg.ScheduleDefinition)]
    assert schedules
    assert all(s.default_status == dg.DefaultScheduleStatus.RUNNING for s in schedules)


def test_loading_the_location_imports_nothing_heavy() -> None:
    script = (
        "import sys, xbot_dagster.definitions; "
        "print(sorted(m for m in ('numpy','pandas','psycopg','sklearn','lightgbm','playwright','openai','river','matplotlib','nicegui','tweepy') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_dagster_stores_through_psycopg2(tmp_path: Path) -> None:
    """Under psycopg 3 (SQLAlchemy 2.1's default) the event log's NOTIFY is a syntax error and runs hang."""
    from xbot_dagster.embedded.home import Home
    from xbot_dagster.embedded.services import Services
    from xbot_dagster.resources.dagster_home import environment

    services = Services(
        Home(tmp_path), "postgresql://a@/x", "postgresql://postgres@/dagster?host=/tmp", "redis://", True, True
    )
    variables = environment(load_settings({"XBOT_HOME": str(tmp_path)}), services)
    assert variables["DAGSTER_PG_URL"].startswith("postgresql+psycopg2://")
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
