"""Observability must not lie: every figure equals what the plain tables say, counted again by other means."""

from datetime import datetime, timedelta
from statistics import fmean

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests import operations_world
from xbot_dagster.clock import FixedClock


@pytest.fixture
def rows(engine: Engine, clock: FixedClock) -> dict[str, list]:
    """The raw tables of a filled fortnight, read without any of the product's SQL."""
    with engine.begin() as conn:
        operations_world.fill(conn, clock.now())
    with engine.begin() as conn:
        names = ("content_metadata", "posted_decisions", "outcomes", "follower_snapshots", "api_usage", "bandit_arms")
        return {name: [dict(r) for r in conn.execute(text(f"SELECT * FROM {name}")).mappings()] for name in names}


def finals(rows: dict[str, list]) -> dict[object, dict]:
    found: dict[object, dict] = {}
    for row in sorted(rows["outcomes"], key=lambda r: r["collected_pass"]):
        if row["collected_pass"] in (1, 2) and row["read_status"] == "ok" and row["impressions"] is not None:
            found[row["decision_id"]] = row
    return found


def followers_at(rows: dict[str, list], at: datetime) -> int:
    return max((s for s in rows["follower_snapshots"] if s["taken_at"] <= at), key=lambda s: s["taken_at"])["followers"]


def test_growth(local: TestClient, rows: dict[str, list], clock: FixedClock) -> None:
    now, last = clock.now(), finals(rows)
    week = [p for p in rows["posted_decisions"] if p["posted_at"] > now - timedelta(days=7)]
    measured = [last[p["decision_id"]] for p in week if p["decision_id"] in last]
    decisions = {c["decision_id"]: c for c in rows["content_metadata"]}
    found = local.get("/api/growth").json()
    midnight = now.replace(hour=0)
    assert found["followers_today"] == followers_at(rows, now) - followers_at(rows, midnight)
    assert found["followers_24h"] == followers_at(rows, now) - followers_at(rows, now - timedelta(hours=24))
    assert found["followers_7d"] == followers_at(rows, now) - followers_at(rows, now - timedelta(days=7))
    assert found["fpki_avg_7d"] == pytest.approx(fmean(o["fpki"] for o in measured if o["fpki"] is not None))
    engagement = found["engagement_summary"]
    assert engagement["total_posts_7d"] == len(week)
    assert engagement["avg_er_7d"] == pytest.approx(fmean(o["er_calculated"] for o in measured))
    assert engagement["avg_reward_7d"] == pytest.approx(fmean(o["reward_composite"] for o in measured))
    assert engagement["impressions_7d"] == sum(o["impressions"] for o in measured)
    assert found["novelty_avg_7d"] == pytest.approx(fmean(decisions[p["decision_id"]]["novelty"] for p in week))
    best = sorted((o for o in measured if o["follows"] is not None), key=lambda o: (-o["follows"], o["impressions"]))[
        :5
    ]
    assert [p["decision_id"] for p in found["top_posts_by_follows"]] == [str(o["decision_id"]) for o in best]
    kinds: dict[str, list[float]] = {"reply": [], "single": []}
    for outcome in measured:
        kinds[decisions[outcome["decision_id"]]["decision_type"]].append(outcome["reward_composite"])
    assert min(map(len, kinds.values())) >= 5
    assert found["reply_uplift_pct"] == pytest.approx(100 * (fmean(kinds["reply"]) / fmean(kinds["single"]) - 1))


def test_learning_status(local: TestClient, rows: dict[str, list], clock: FixedClock) -> None:
    found = local.get("/api/learning/status").json()
    assert found["totalOutcomes"] == len(rows["outcomes"])
    assert found["simulatedOutcomes"] == sum(o["simulated"] for o in rows["outcomes"])
    assert found["realOutcomes"] == sum(not o["simulated"] for o in rows["outcomes"])
    assert found["predictorVersion"] == "v2"
    first = min(o["collected_at"] for o in rows["outcomes"])
    days = (clock.now() - first).total_seconds() / 86_400
    assert found["exploreRate"] == pytest.approx(max(0.05, 0.2 - 0.15 * days / 14))
    arms = {(a["scope"], a["arm_name"]): a for a in rows["bandit_arms"]}
    assert len(found["arms"]) == len(arms)
    for arm in found["arms"]:
        row = arms[arm["scope"], arm["name"]]
        assert (arm["successes"], arm["failures"], arm["samples"]) == (row["successes"], row["failures"], row["n"])
        assert (arm["meanReward"], arm["ciWidth"]) == (
            row["mean_reward"],
            pytest.approx(row["ci_high"] - row["ci_low"]),
        )
    used = sum(u["cost_usd"] for u in rows["api_usage"] if u["budget_day"] == clock.now().date())
    budget = found["budgetStatus"]
    assert budget["used"] == pytest.approx(used)
    assert budget["remaining"] == pytest.approx(budget["dailyLimit"] - used - budget["reserved"])


def test_metrics(local: TestClient, rows: dict[str, list], clock: FixedClock) -> None:
    found, now = local.get("/api/metrics").json(), clock.now()
    today = [u for u in rows["api_usage"] if u["budget_day"] == now.date()]
    assert found["openaiCalls_total"] == len([u for u in today if u["provider"] == "openai"])
    assert found["openaiCalls_failed"] == len([u for u in today if u["state"] == "released"]) == 1
    assert found["daily_cost_usd"] == pytest.approx(sum(u["cost_usd"] for u in today))
    assert found["postsQueued"] == sum(c["status"] == "queued" for c in rows["content_metadata"])
    recent = [p for p in rows["posted_decisions"] if p["posted_at"] > now - timedelta(hours=4)]
    assert found["postsPosted_4h"] == len(recent) > 0
    assert found["posts_in_doubt"] == 0
    assert found["fpki_avg_7d"] == local.get("/api/growth").json()["fpki_avg_7d"]


def test_prometheus_says_the_same_as_the_api(local: TestClient, rows: dict[str, list]) -> None:
    lines = dict(line.rsplit(" ", 1) for line in local.get("/metrics").text.splitlines() if not line.startswith("#"))
    api = local.get("/api/metrics").json()
    assert float(lines["xbot_up"]) == 1
    assert float(lines['xbot_posts_queued{account="default"}']) == api["postsQueued"]
    assert float(lines['xbot_llm_cost_today_usd{account="default"}']) == pytest.approx(api["daily_cost_usd"])
    assert float(lines['xbot_outcomes{account="default"}']) == len(rows["outcomes"])


def test_the_count_of_outcomes_follows_every_kind_of_change(
    local: TestClient, rows: dict[str, list], engine: Engine
) -> None:
    def counted() -> tuple[int, int]:
        found = local.get("/api/learning/status").json()
        return found["totalOutcomes"], found["simulatedOutcomes"]

    def really() -> tuple[int, int]:
        with engine.begin() as conn:
            sql = "SELECT count(*), count(*) FILTER (WHERE simulated) FROM outcomes WHERE account = 'default'"
            return tuple(conn.execute(text(sql)).one())  # pyright: ignore[reportReturnType]

    assert counted() == really()
    for statement in (
        "UPDATE outcomes SET likes = coalesce(likes, 0) + 1",
        "UPDATE outcomes SET simulated = false WHERE collected_pass = 1",
        "INSERT INTO outcomes SELECT * FROM outcomes WHERE collected_pass = 2 ON CONFLICT (decision_id, collected_pass) "
        "DO UPDATE SET likes = 5",
        "DELETE FROM outcomes WHERE collected_pass = 2",
        "DO $$ BEGIN FOR i IN 1..150 LOOP UPDATE outcomes SET simulated = NOT simulated WHERE ctid = (SELECT min(ctid) "
        "FROM outcomes); END LOOP; END $$",
    ):
        with engine.begin() as conn:
            conn.execute(text(statement))
        assert counted() == really(), statement
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE outcomes CASCADE"))
    assert counted() == really() == (0, 0)


def test_nothing_measured_is_null_and_never_zero(local: TestClient) -> None:
    growth = local.get("/api/growth").json()
    for name in (
        "followers_today",
        "followers_24h",
        "followers_7d",
        "fpki_avg_7d",
        "novelty_avg_7d",
        "reply_uplift_pct",
    ):
        assert growth[name] is None
    assert growth["engagement_summary"] == {
        "total_posts_7d": 0,
        "avg_er_7d": None,
        "avg_reward_7d": None,
        "impressions_7d": None,
    }
    assert growth["top_posts_by_follows"] == []


def test_figures_of_one_account_leave_out_the_others(local: TestClient, rows: dict[str, list], engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO accounts (account, handle, zone) VALUES ('second', 'second', 'Asia/Kathmandu')"))
    assert local.get("/api/growth?account=second").json()["engagement_summary"]["total_posts_7d"] == 0
    assert local.get("/api/learning/status?account=second").json()["totalOutcomes"] == 0
    assert local.get("/api/metrics?account=second").json()["postsQueued"] == 0
    assert local.get("/api/growth?account=third").status_code == 404


def test_a_post_planned_long_before_counts_like_the_others(
    local: TestClient, rows: dict[str, list], engine: Engine
) -> None:
    before = local.get("/api/growth").json()
    assert before["reply_uplift_pct"] is not None
    with engine.begin() as conn:
        conn.execute(
            text("UPDATE content_metadata SET scheduled_at = scheduled_at - interval '30 days' WHERE topic = 'sleep'")
        )
        conn.execute(text("UPDATE content_metadata SET scheduled_at = NULL WHERE topic = 'focus'"))
    after = local.get("/api/growth").json()
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert after[name] == (pytest.approx(value) if isinstance(value, float | dict) else value), name
