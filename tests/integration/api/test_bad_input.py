"""Bad input gets one clear sentence as a problem document, never a traceback; nothing another site sends is obeyed."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests import operations_world
from tests.operations_api import TOKEN, client_of
from xbot_dagster.api.app import create_app
from xbot_dagster.api.guards import MAX_BODY_BYTES
from xbot_dagster.clock import FixedClock
from xbot_dagster.errors import DatabaseError
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import Settings

SOME_ID = "7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11"


def assert_problem(answer, status: int, words: str = "") -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in answer.text
    assert words in body["detail"], body
    return body


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", f"/api/decisions/{SOME_ID}", None, 404, "no decision"),
        ("GET", "/api/decisions/not-an-id", None, 422, "decision_id"),
        ("GET", "/api/decisions/abcdef12/explain", None, 404, "no decision"),
        ("GET", "/api/nothing/here", None, 404, "Not Found"),
        ("DELETE", "/api/growth", None, 405, "Method Not Allowed"),
        ("GET", "/api/decisions?limit=0", None, 422, "limit"),
        ("GET", "/api/decisions?limit=many", None, 422, "limit"),
        ("GET", "/api/decisions?status=lost", None, 422, "status"),
        ("GET", "/api/growth?account=../../etc", None, 422, "account"),
        ("GET", "/api/growth?account=nobody", None, 404, "no account"),
        ("GET", "/api/config?account=nobody", None, 404, "no account"),
        ("GET", "/api/experiments/none", None, 404, "no experiment"),
        ("POST", "/api/experiments/none/start", None, 404, "no experiment"),
        ("POST", "/api/predictors/content/99/promote", {}, 404, "no content predictor"),
        ("GET", "/api/ticks?name=%00", None, 422, "cannot store"),
        ("POST", f"/api/decisions/{SOME_ID}/reject", {"reason": ""}, 422, "reason"),
        ("POST", f"/api/decisions/{SOME_ID}/approve", {"reason": "x", "also": 1}, 422, "also"),
        ("POST", f"/api/decisions/{SOME_ID}/approve", {}, 404, "no decision"),
        ("POST", f"/api/decisions/{SOME_ID}/edit", {"parts": []}, 422, "parts"),
        ("POST", f"/api/decisions/{SOME_ID}/reschedule", {"at": "2026-11-20T10:00:00"}, 422, "timezone"),
        ("POST", f"/api/decisions/{SOME_ID}/reschedule", {"at": "tomorrow"}, 422, "at"),
        ("POST", f"/api/decisions/{SOME_ID}/reschedule", {"at": "2026-11-20T10:00:00[Mars/Base]"}, 422, "at"),
        ("POST", f"/api/decisions/{SOME_ID}/reschedule", {"at": "2026-11-20T10:00:00+99:00"}, 422, "at"),
        ("POST", "/api/approvals/batch", {"action": "delete", "decision_ids": [SOME_ID]}, 422, "action"),
        ("POST", "/api/admin/stop", {"what": ["everything"]}, 422, "what"),
        ("POST", "/api/admin/stop", {"what": ["llm"], "account": "nobody"}, 404, "no account"),
        ("POST", "/api/admin/config", {"key": "learning_config", "name": "epsilon", "value": 7}, 422, "epsilon"),
        ("POST", "/api/admin/config", {"key": "learning_config", "name": "volume", "value": 1}, 422, "volume"),
        (
            "POST",
            "/api/admin/config",
            {"key": "controls", "name": "stop_llm", "value": True, "account": "nobody"},
            404,
            "no account",
        ),
        ("POST", "/api/admin/config", {"key": "bogus", "name": "x", "value": 1}, 422, "bogus"),
        ("POST", "/api/alerts/999/ack", None, 404, "no alert"),
    ],
)
def test_a_problem_document_says_what_is_wrong(
    admin: TestClient, method: str, path: str, body: dict | None, status: int, words: str
) -> None:
    assert_problem(admin.request(method, path, json=body), status, words)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "W10", "WyJ4IiwgInkiXQ", "WzEsIDJd", "%00", "a" * 400])
def test_a_cursor_that_is_not_ours(admin: TestClient, cursor: str) -> None:
    for path in ("/api/decisions", "/api/queue", "/api/alerts", "/api/ticks"):
        assert_problem(admin.get(f"{path}?cursor={cursor}"), 422)


def test_malformed_and_huge_bodies(admin: TestClient) -> None:
    headers = {"content-type": "application/json"}
    assert_problem(admin.post("/api/admin/stop", content=b'{"what": [', headers=headers), 400, "not JSON")
    assert_problem(admin.post("/api/admin/stop", content=b"\xff\xfe", headers=headers), 400)
    big = b'{"what": ["' + b"x" * MAX_BODY_BYTES + b'"]}'
    assert_problem(admin.post("/api/admin/stop", content=big, headers=headers), 413)

    def pieces():
        for _ in range(30):
            yield b"x" * 50_000

    assert_problem(admin.post("/api/admin/stop", content=pieces(), headers=headers), 413)
    deep = b"[" * 100_000
    assert admin.post("/api/admin/stop", content=deep, headers=headers).status_code in (400, 422)


def test_another_site_cannot_make_a_browser_act(app: FastAPI, launcher) -> None:
    client = client_of(app, token=TOKEN)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert_problem(client.post("/api/admin/trigger-plan", headers=headers), 403, "Another site")
    assert client.post("/api/admin/trigger-plan", headers={"Origin": "http://127.0.0.1"}).status_code == 202
    assert [job for job, _ in launcher.started] == ["plan"]


def test_every_answer_carries_the_security_headers(local: TestClient, admin: TestClient) -> None:
    for answer in (
        local.get("/healthz"),
        local.get("/nope"),
        admin.post("/api/admin/stop", content=b"{"),
        local.post("/api/x"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "access-control-allow-origin" not in answer.headers
    assert local.get("/api/growth").headers["Cache-Control"] == "no-store"


def test_script_in_a_text_stays_text(admin: TestClient, engine: Engine, clock: FixedClock) -> None:
    evil = "<script>alert(1)</script> & \u2028 'quotes' \"too\""
    with engine.begin() as conn:
        made = operations_world.decision(conn, clock.now(), status="queued", scheduled_at=clock.now(), text=evil)
    answer = admin.get(f"/api/decisions/{made}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["text"] == evil


def test_the_api_starts_with_the_database_down_and_recovers(guarded: Settings, launcher) -> None:
    tries: list[int] = []

    def opening() -> Opened:
        tries.append(1)
        raise DatabaseError("The database at db.example cannot be reached: no answer.", "Check DATABASE_URL.")

    app = create_app(guarded, opening, launcher)
    client = client_of(app, token=TOKEN)
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert_problem(answer, 503, "cannot be reached")
    assert answer.headers["Retry-After"] == "5"
    assert_problem(client.get("/api/growth"), 503)
    assert_problem(client.post("/api/admin/stop"), 503)
    assert "xbot_up 0.0" in client.get("/metrics").text
    assert len(tries) == 1  # a database that is down is not asked again at every request
    app.state.service.monotonic = lambda: 1e12
    client.get("/readyz")
    assert len(tries) == 2
