"""Every route × token × where the caller sits. The routes are read from the application, so a new one cannot be forgotten."""

import base64

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import Engine, text

from tests.operations_api import TOKEN, client_of, open_for_test
from xbot_dagster.api.app import create_app
from xbot_dagster.api.sessions import COOKIE, end_session, sign_session
from xbot_dagster.clock import FixedClock, SystemClock
from xbot_dagster.settings import Settings

OPEN = {"/healthz", "/readyz"}
_VALUES = {"decision_id": "7d0f1c9e-2f4e-4a7c-9a39-0c6a9d1f3b11", "alert_id": "1", "kind": "content", "version": "1"}


def routes(app: FastAPI) -> list[tuple[str, str, str]]:
    """(method, path with values filled in, path as declared) of every route of the API."""
    found = []
    stack = list(app.routes)
    while stack:
        route = stack.pop()
        stack.extend(getattr(getattr(route, "original_router", None), "routes", []))
        if isinstance(route, APIRoute):
            path = route.path
            for name, value in _VALUES.items():
                path = path.replace("{" + name + "}", value)
            found += [(method, path, route.path) for method in route.methods if method != "HEAD"]
    return sorted(set(found))


def test_the_matrix_covers_the_application(app: FastAPI) -> None:
    assert len(routes(app)) >= 25
    assert {"/api/admin/stop", "/api/growth", "/metrics", "/healthz"} <= {path for _, _, path in routes(app)}


def test_without_a_token_only_reading_from_this_machine(app: FastAPI) -> None:
    here, elsewhere = client_of(app), client_of(app, address="203.0.113.9", host="bot.example")
    for method, path, declared in routes(app):
        near, far = here.request(method, path).status_code, elsewhere.request(method, path).status_code
        if declared in OPEN:
            assert (near, far) == (200, 200), declared
        elif method == "GET":
            assert near not in (401, 403), (declared, near)
            assert far == 401, (declared, far)
        else:
            assert (near, far) == (401, 401), (declared, near, far)


def test_the_right_token_opens_everything_from_anywhere(app: FastAPI) -> None:
    for client in (client_of(app, token=TOKEN), client_of(app, token=TOKEN, address="203.0.113.9", host="bot.example")):
        for method, path, declared in routes(app):
            assert client.request(method, path, json={}).status_code not in (401, 403, 429), declared


def test_a_wrong_token_opens_nothing(app: FastAPI) -> None:
    app.state.service.attempts.limit = 10_000
    for client in (
        client_of(app, token="wrong"),
        client_of(app, token="wrong", address="203.0.113.9", host="x.example"),
    ):
        for method, path, declared in routes(app):
            expected = 200 if declared in OPEN else 401
            assert client.request(method, path).status_code == expected, declared


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer {TOKEN}"},
        {"x-admin-token": TOKEN},
        {"Authorization": "Basic " + base64.b64encode(f"anyone:{TOKEN}".encode()).decode()},
    ],
)
def test_each_way_of_sending_the_token(app: FastAPI, headers: dict[str, str]) -> None:
    assert client_of(app, address="203.0.113.9").get("/api/growth", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic not-base64"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": f"Digest {TOKEN}"},
        {"x-admin-token": ""},
        {"x-admin-token": "Ünï".encode("latin-1").decode("latin-1")},
    ],
)
def test_a_malformed_token_is_a_wrong_one(app: FastAPI, headers: dict[str, str]) -> None:
    answer = client_of(app).get("/api/growth", headers={k: v.encode("latin-1") for k, v in headers.items()})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
    assert TOKEN not in answer.text


def test_a_proxy_or_a_foreign_host_name_is_not_this_machine(app: FastAPI) -> None:
    here = client_of(app)
    assert here.get("/api/growth").status_code == 200
    assert here.get("/api/growth", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401
    assert here.get("/api/growth", headers={"Host": "rebound.example"}).status_code == 401


def test_wrong_tokens_are_counted_by_address_and_then_refused_unseen(app: FastAPI) -> None:
    clock = [1000.0]
    attempts = app.state.service.attempts
    attempts.limit, attempts.window_seconds, attempts.monotonic = 3, 60.0, lambda: clock[0]
    wrong, right = client_of(app, token="wrong"), client_of(app, token=TOKEN)
    assert [wrong.get("/api/growth").status_code for _ in range(4)] == [401, 401, 401, 429]
    refused = right.get("/api/growth")
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "60"
    assert client_of(app, token=TOKEN, address="203.0.113.9").get("/api/growth").status_code == 200
    clock[0] += 61
    assert right.get("/api/growth").status_code == 200


def test_without_an_admin_token_nobody_can_change_anything(
    settings: Settings, engine: Engine, clock: FixedClock, cache_url: str, launcher
) -> None:
    app = create_app(settings, open_for_test(settings, engine, clock, cache_url), launcher)
    for client in (client_of(app), client_of(app, token=""), client_of(app, token="guess")):
        answer = client.post("/api/admin/trigger-plan")
        assert answer.status_code in (401, 403)
    assert client_of(app).get("/api/growth").status_code == 200
    assert "ADMIN_TOKEN" in client_of(app).post("/api/admin/stop").json()["detail"]
    assert launcher.started == []
    with engine.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM audit_log")).scalar_one() == 0


def test_a_session_reads_but_does_not_act_over_http(app: FastAPI, guarded: Settings) -> None:
    cookie = sign_session("Ada", SystemClock().now(), guarded)
    far = client_of(app, address="203.0.113.9", host="bot.example")
    far.cookies.set(COOKIE, cookie)
    assert far.get("/api/growth").status_code == 200
    assert far.post("/api/admin/stop").status_code == 401
    far.cookies.set(COOKIE, cookie[:-1] + ("0" if cookie[-1] != "0" else "1"))
    assert far.get("/api/growth").status_code == 401
    far.cookies.set(COOKIE, cookie)
    end_session(cookie, guarded)
    assert far.get("/api/growth").status_code == 401


def test_the_actor_of_a_change_is_named(app: FastAPI, engine: Engine) -> None:
    client_of(app, token=TOKEN).post("/api/admin/stop", headers={"x-actor": "Ada <script>"}, json={"what": ["llm"]})
    with engine.begin() as conn:
        actors = conn.execute(text("SELECT DISTINCT actor FROM audit_log")).scalars().all()
    assert actors == ["api:Ada script"]
