"""What the API changes: approvals, conflicts, controls, configuration, jobs; and the pages of its lists."""

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests import operations_world
from tests.operations_world import World
from xbot_dagster.clock import FixedClock
from xbot_dagster.settings import Settings
from xbot_dagster.stages.explain import explain
from xbot_dagster.store import alerts, config


@pytest.fixture
def world(engine: Engine, clock: FixedClock) -> World:
    with engine.begin() as conn:
        return operations_world.fill(conn, clock.now(), days=3)


def names(section: Any) -> set[str]:
    """The fields of a section's row, or of all its rows."""
    rows = section if isinstance(section, list) else [section]
    return {name for row in rows if isinstance(row, dict) for name in row}


def status_of(admin: TestClient, decision_id: str) -> str:
    return admin.get(f"/api/decisions/{decision_id}").json()["status"]


def test_approve_reject_reschedule_cancel(admin: TestClient, world: World, clock: FixedClock, engine: Engine) -> None:
    first, second = world.awaiting
    assert [i["decision_id"] for i in admin.get("/api/approvals").json()["items"]] == world.awaiting
    assert admin.post(f"/api/decisions/{first}/approve", json={"reason": "fine"}).json()["status"] == "queued"
    assert admin.post(f"/api/decisions/{first}/approve", json={}).status_code == 409
    assert (
        admin.post(f"/api/decisions/{second}/reject", json={"reason": "claims too much"}).json()["status"]
        == "cancelled"
    )
    at = clock.now() + timedelta(days=2)
    moved = admin.post(f"/api/decisions/{world.queued[0]}/reschedule", json={"at": at.isoformat()})
    assert moved.json()["scheduled_at"].replace("Z", "+00:00") == at.isoformat()
    past = {"at": (clock.now() - timedelta(days=2)).isoformat()}
    assert admin.post(f"/api/decisions/{world.queued[0]}/reschedule", json=past).status_code == 422
    assert (
        admin.post(f"/api/decisions/{world.queued[1]}/cancel", json={"reason": "old news"}).json()["status"]
        == "cancelled"
    )
    assert admin.post(f"/api/decisions/{world.posted[0]}/cancel", json={}).status_code == 409
    with engine.begin() as conn:
        rows = conn.execute(text("SELECT actor, action, reason FROM draft_edits ORDER BY edit_id")).all()
    assert [(r.actor, r.action) for r in rows] == [("api:admin", a) for a in ("approve", "reject", "reschedule")]


def test_an_edit_is_judged_again_and_kept(admin: TestClient, world: World) -> None:
    wanted = world.awaiting[0]
    better = "What would you drop first if you had to sleep an hour more every night, and why that?"
    changed = admin.post(f"/api/decisions/{wanted}/edit", json={"parts": [better], "reason": "shorter"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["text"], changed.json()["status"]) == (better, "queued")
    refused = admin.post(f"/api/decisions/{world.awaiting[1]}/edit", json={"parts": ["one", "two"]})
    assert refused.status_code == 422
    assert status_of(admin, world.awaiting[1]) == "awaiting_approval"


def test_the_second_of_two_people_gets_a_conflict_and_nothing_is_lost(
    admin: TestClient, world: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, start, ticks = world.awaiting[0], clock.now(), itertools.count(1)
    seen = admin.get(f"/api/decisions/{wanted}").json()["updated_at"]
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(milliseconds=next(ticks)))
    texts = [
        "Which habit would you keep if you could keep only one of them this winter, and what made it stick?",
        "Would you rather walk ten minutes after each meal or run for an hour once a week? I know my answer.",
    ]
    answers: dict[str, int] = {}

    def edit(words: str) -> None:
        body = {"parts": [words], "seen_at": seen}
        answers[words] = admin.post(f"/api/decisions/{wanted}/edit", json=body).status_code

    threads = [threading.Thread(target=edit, args=(words,)) for words in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200, 409]
    winner = next(words for words, status in answers.items() if status == 200)
    assert admin.get(f"/api/decisions/{wanted}").json()["text"] == winner


def test_what_changed_since_it_was_seen_is_a_conflict(admin: TestClient, world: World, clock: FixedClock) -> None:
    wanted = world.awaiting[0]
    seen = admin.get(f"/api/decisions/{wanted}").json()["updated_at"]
    clock.sleep(60)
    at = (clock.now() + timedelta(hours=30)).isoformat()
    assert admin.post(f"/api/decisions/{wanted}/reschedule", json={"at": at, "seen_at": seen}).status_code == 200
    late = admin.post(f"/api/decisions/{wanted}/approve", json={"seen_at": seen})
    assert late.status_code == 409
    assert "Somebody else" in late.json()["detail"]
    assert status_of(admin, wanted) == "awaiting_approval"


def test_a_batch_reports_each_refusal(admin: TestClient, world: World) -> None:
    unknown = "7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11"
    ids = [*world.awaiting, world.posted[0], unknown]
    answer = admin.post("/api/approvals/batch", json={"action": "approve", "decision_ids": ids}).json()
    assert answer["done"] == world.awaiting
    assert list(answer["refused"]) == [world.posted[0], unknown]


@pytest.mark.parametrize(
    ("path", "job"),
    [("trigger-plan", "plan"), ("trigger-post", "post"), ("trigger-analytics", "collect"), ("trigger-learn", "learn")],
)
def test_triggers_start_jobs_and_return_their_run(
    admin: TestClient, launcher, engine: Engine, path: str, job: str
) -> None:
    answer = admin.post(f"/api/admin/{path}", headers={"x-actor": "Ada"})
    assert (answer.status_code, answer.json()) == (202, {"run_id": "run-1"})
    assert launcher.started == [(job, "api:Ada")]
    with engine.begin() as conn:
        row = conn.execute(text("SELECT actor, event_data FROM audit_log WHERE event_type = 'JOB_TRIGGERED'")).one()
    assert (row.actor, row.event_data) == ("api:Ada", {"job": job})


def test_stop_and_resume_write_controls_and_close_circuits(
    admin: TestClient, engine: Engine, settings: Settings
) -> None:
    def live() -> config.LiveConfig:
        with engine.begin() as conn:
            return config.read_config(conn, settings, "default")

    stopped = admin.post("/api/admin/stop", json={"what": ["posting"]})
    assert stopped.status_code == 202
    assert (live().stop_posting, live().stop_llm) == (True, False)
    admin.post("/api/admin/stop")
    assert (live().stop_posting, live().stop_llm) == (True, True)
    with engine.begin() as conn:
        conn.execute(text("UPDATE accounts SET circuit_state = 'open', circuit_reason = 'ghost post 1'"))
        alerts.raise_alert(conn, "ghost_post", "1", "critical", "A ghost.", "", "default")
    admin.post("/api/admin/resume")
    assert (live().stop_posting, live().stop_llm) == (False, False)
    with engine.begin() as conn:
        assert conn.execute(text("SELECT circuit_state FROM accounts")).scalar_one() == "closed"
        assert alerts.open_alerts(conn) == []
        events = conn.execute(
            text("SELECT event_type, run_id FROM audit_log WHERE component = 'controls' ORDER BY id")
        ).all()
    assert [e.event_type for e in events] == ["STOPPED", "STOPPED", "RESUMED"]
    assert events[0].run_id == stopped.json()["run_id"]


def test_configuration_is_changed_validated_and_remembered(admin: TestClient) -> None:
    change = {"key": "learning_config", "name": "post_fraction", "value": 0.1}
    answer = admin.post("/api/admin/config", json=change).json()
    assert answer == {"key": "learning_config", "name": "post_fraction", "before": 1.0, "after": 0.1}
    assert admin.get("/api/config").json()["learning_config"]["post_fraction"] == 0.1
    history = admin.get("/api/config/history").json()
    assert history[0]["after"]["post_fraction"] == 0.1
    assert history[0]["actor"] == "api:admin"


def test_an_account_gives_up_its_own_value(admin: TestClient) -> None:
    own = {"key": "learning_config", "name": "max_hashtags", "account": "default"}
    assert admin.post("/api/admin/config", json={**own, "value": 1}).status_code == 200
    answer = admin.delete("/api/admin/config", params=own)
    assert answer.json() == {"key": "learning_config", "name": "max_hashtags", "before": 1, "after": 3}
    assert admin.get("/api/config?account=default").json()["learning_config"]["max_hashtags"] == 3
    assert admin.get("/api/config/history").json()[0]["account"] == "default"
    assert admin.delete("/api/admin/config", params=own).status_code == 422
    assert admin.delete("/api/admin/config", params={**own, "account": "nobody"}).status_code == 404


def test_alerts_are_acknowledged_once(admin: TestClient, engine: Engine) -> None:
    with engine.begin() as conn:
        alerts.raise_alert(conn, "test", "x", "warning", "Something.", "xbot doctor")
    listed = admin.get("/api/alerts?state=open").json()["items"]
    assert [a["message"] for a in listed] == ["Something."]
    path = f"/api/alerts/{listed[0]['id']}/ack"
    done = admin.post(path, headers={"x-actor": "Ada"}).json()
    assert (done["state"], done["acknowledged_by"]) == ("acknowledged", "api:Ada")
    assert admin.post(path).status_code == 409


@pytest.mark.parametrize("path", ["/api/decisions", "/api/queue", "/api/ticks", "/api/alerts"])
def test_pages_join_into_the_whole_list(admin: TestClient, world: World, engine: Engine, path: str) -> None:
    with engine.begin() as conn:
        for number in range(7):
            alerts.raise_alert(conn, "test", str(number), "info", "x")
    key = "id" if path in ("/api/ticks", "/api/alerts") else "decision_id"
    whole = [row[key] for row in admin.get(path, params={"limit": 200}).json()["items"]]
    assert len(whole) >= 4
    seen, cursor = [], None
    while True:
        page = admin.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row[key] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == whole
    assert len(set(seen)) == len(seen)


def test_explain_tells_the_whole_chain(admin: TestClient, world: World, engine: Engine) -> None:
    found = admin.get(f"/api/decisions/{world.posted[0][:8]}/explain").json()
    with engine.begin() as conn:
        stored = explain(conn, world.posted[0])
    assert list(found) == list(stored)
    assert [names(found[section]) for section in found] == [names(rows) for rows in stored.values()]
    assert found["decision"]["decision_id"] == world.posted[0]
    assert found["summary"]
    assert len(found["gates"]) == 4
    assert found["outcomes"]
