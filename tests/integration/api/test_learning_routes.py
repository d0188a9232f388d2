"""Predictors, experiments, spend, best times and exports over HTTP."""

import csv
import io
import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests import operations_world
from xbot_dagster.clock import FixedClock


@pytest.fixture(autouse=True)
def world(engine: Engine, clock: FixedClock) -> operations_world.World:
    with engine.begin() as conn:
        return operations_world.fill(conn, clock.now())


def states(admin: TestClient) -> dict[int, str]:
    return {v["version"]: v["state"] for v in admin.get("/api/predictors?kind=content").json()}


def test_versions_and_refused_changes(admin: TestClient) -> None:
    assert states(admin) == {1: "retired", 2: "champion", 3: "candidate"}
    assert admin.post("/api/predictors/content/99/promote", json={}).status_code == 404
    # The rows of the test hold no models: a version that nobody can read is refused, and the champion stays.
    assert admin.post("/api/predictors/content/3/promote", json={"reason": "x"}).status_code == 409
    assert states(admin)[2] == "champion"
    assert admin.get("/api/predictors/content/backtest").json() == []


def test_an_experiment_from_plan_to_stop(admin: TestClient) -> None:
    flags = admin.get("/api/experiments/flags").json()
    assert set(flags) == {"hashtag_1", "question_cta", "contrarian_reply", "late_evening_slot"}
    assert flags["hashtag_1"]["on"] is False
    planned = admin.post("/api/experiments", json={"preset": "hashtag_1", "share": 0.3, "days": 7})
    assert planned.status_code == 201, planned.text
    assert planned.json()["says"]
    path = f"/api/experiments/{planned.json()['experiment_id']}"
    assert admin.post(f"{path}/start").json()["state"] == "running"
    assert admin.get("/api/experiments/flags").json()["hashtag_1"]["on"] is True
    assert admin.post(f"{path}/stop").json()["state"] == "ended"
    assert admin.post(f"{path}/start").status_code == 422
    assert admin.post("/api/experiments", json={"preset": "nothing"}).status_code == 422
    assert admin.get("/api/experiments/none").status_code == 404


def test_spend_sums_to_the_ledger(local: TestClient, engine: Engine) -> None:
    found = local.get("/api/spend?days=365").json()
    with engine.begin() as conn:
        usd, calls = conn.execute(text("SELECT sum(cost_usd), count(*) FROM api_usage")).one()
    assert sum(day["llm_usd"] for day in found["by_day"]) == pytest.approx(usd)
    assert sum(row["usd"] for row in found["by_purpose"]) == pytest.approx(usd)
    assert sum(day["calls"] for day in found["by_day"]) == calls


def test_best_times_count_every_measured_post_once(local: TestClient, engine: Engine) -> None:
    with engine.begin() as conn:
        measured = conn.execute(text("SELECT count(DISTINCT decision_id) FROM outcomes")).scalar_one()
    assert sum(cell["n"] for cell in local.get("/api/best-times").json()) == measured


def test_exports_are_files(local: TestClient, world: operations_world.World) -> None:
    sheet = local.get("/api/exports/posts.csv")
    assert sheet.status_code == 200
    assert "attachment" in sheet.headers["content-disposition"]
    assert len(list(csv.DictReader(io.StringIO(sheet.text)))) == len(world.posted)
    assert len(json.loads(local.get("/api/exports/posts.json").text)) == len(world.posted)
    assert local.get("/api/exports/posts.parquet").content[:4] == b"PAR1"
    assert local.get("/api/exports/secrets.csv").status_code == 422
    assert local.get("/api/exports/posts.xls").status_code == 422
