"""An alert's life against a local receiver: raised once, sent once, escalated, acknowledged, closed, and told that it is over."""

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text
from werkzeug import Request, Response

from tests import operations_world
from xbot_dagster.clock import FixedClock
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import alerts as stage
from xbot_dagster.stages.notifying import AppriseNotifier, addresses
from xbot_dagster.store import alert_delivery, alerts, browse, deployment, ticks
from xbot_dagster.store.followers import add_snapshot


class Receiver:
    """A service that alerts are sent to; answers with `status`."""

    def __init__(self, server: HTTPServer) -> None:
        self.server, self.status, self.got = server, 200, []
        server.expect_request("/hook").respond_with_handler(self._take)
        self.pings = 0
        server.expect_request("/ping").respond_with_handler(self._ping)

    def _take(self, request: Request) -> Response:
        self.got.append(request.get_json())
        return Response("", self.status)

    def _ping(self, request: Request) -> Response:
        self.pings += 1
        return Response("", self.status)

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.got]


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Receiver:
    return Receiver(httpserver)


@pytest.fixture
def watched(tmp_path: Path, receiver: Receiver) -> Settings:
    host = f"127.0.0.1:{receiver.server.port}"
    urls = {"ALERT_URLS": f"json://user:secret@{host}/hook", "DEADMAN_URL": f"http://{host}/ping"}
    # Posting is off, so that no overdue post mixes into what a test looks at.
    flags = {"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo", "POSTING_DISABLED": "true"}
    return load_settings({**flags, **urls})


def evaluate(engine: Engine, clock: FixedClock, settings: Settings) -> stage.AlertReport:
    return stage.run(engine, clock, settings, AppriseNotifier(settings))


def due(engine: Engine, settings: Settings) -> bool:
    with engine.begin() as conn:
        return stage.alerts_due(conn, settings)


def spend(engine: Engine, clock: FixedClock, usd: float) -> None:
    with engine.begin() as conn:
        conn.execute(
            text(
                "INSERT INTO budget_days (budget_day, account, provider, settled_usd) VALUES (:day, '', 'openai', :usd) "
                "ON CONFLICT (budget_day, account, provider) DO UPDATE SET settled_usd = :usd"
            ),
            {"day": clock.now().date(), "usd": usd},
        )


def rows(engine: Engine) -> list[browse.AlertRow]:
    with engine.begin() as conn:
        return browse.alerts(conn, [], None, 100)


def test_opened_once_escalated_closed_and_each_told_once(
    engine: Engine, clock: FixedClock, watched: Settings, receiver: Receiver
) -> None:
    evaluate(engine, clock, watched)
    assert not due(engine, watched)
    spend(engine, clock, 9.5)
    assert due(engine, watched)
    first = evaluate(engine, clock, watched)
    assert (first.opened, first.sent, first.failed) == (1, 1, 0)
    assert receiver.titles == ["xbot sandbox: warning budget near limit"]
    assert "9.50 of 10.00 USD" in receiver.got[0]["message"]
    assert "Fix: Raise DAILY_OPENAI_LIMIT_USD" in receiver.got[0]["message"]
    assert not due(engine, watched)
    for _ in range(3):
        clock.sleep(60)
        evaluate(engine, clock, watched)
    assert len(receiver.got) == 1
    clock.sleep(4 * 3600)
    assert due(engine, watched)
    assert evaluate(engine, clock, watched).escalated == 1
    assert receiver.titles[1:] == ["xbot sandbox: ESCALATED: critical budget near limit"]
    evaluate(engine, clock, watched)
    assert [a.severity for a in rows(engine)] == ["critical"]
    spend(engine, clock, 0.5)
    assert due(engine, watched)
    assert evaluate(engine, clock, watched).closed == 1
    assert receiver.titles[2:] == ["xbot sandbox: over: critical budget near limit"]
    assert [a.state for a in rows(engine)] == ["closed"]
    evaluate(engine, clock, watched)
    assert len(receiver.got) == 3
    spend(engine, clock, 9.5)
    assert evaluate(engine, clock, watched).opened == 1
    assert len(rows(engine)) == 2


def test_an_acknowledged_alert_is_not_sent_nor_escalated(
    engine: Engine, clock: FixedClock, watched: Settings, receiver: Receiver
) -> None:
    spend(engine, clock, 9.5)
    evaluate(engine, clock, watched)
    with engine.begin() as conn:
        assert alerts.acknowledge(conn, rows(engine)[0].id, "ada")
    clock.sleep(5 * 3600)
    assert evaluate(engine, clock, watched).escalated == 0
    assert len(receiver.got) == 1
    assert rows(engine)[0].state == "acknowledged"


def test_a_failed_delivery_is_visible_and_tried_again(
    engine: Engine, clock: FixedClock, watched: Settings, receiver: Receiver
) -> None:
    receiver.status = 500
    spend(engine, clock, 9.5)
    assert evaluate(engine, clock, watched).failed == 1
    entry = rows(engine)[0].deliveries[0]
    assert (entry["ok"], entry["event"]) == (False, "opened")
    assert "500" in entry["error"] or "Internal" in entry["error"]
    assert "secret" not in str(rows(engine)[0].deliveries)
    with engine.begin() as conn:
        assert [c["channel"] for c in alert_delivery.failing_channels(conn)] == [entry["channel"]]
    assert due(engine, watched)
    receiver.status = 200
    assert evaluate(engine, clock, watched).sent == 1
    with engine.begin() as conn:
        assert alert_delivery.failing_channels(conn) == []
    receiver.status = 500
    for _ in range(8):
        with engine.begin() as conn:
            alerts.raise_alert(conn, "session", "default", "critical", "Signed out.", "xbot login", "default")
            conn.execute(text("UPDATE accounts SET session_state = 'expired'"))
        evaluate(engine, clock, watched)
    assert sum(m["title"].endswith("critical session") for m in receiver.got) == 5


def test_an_unusable_address_is_said_and_nothing_else_suffers(
    engine: Engine, clock: FixedClock, tmp_path: Path, receiver: Receiver
) -> None:
    urls = f"nonsense://x/y, json://127.0.0.1:{receiver.server.port}/hook json://127.0.0.1:1/closed"
    settings = load_settings({"XBOT_HOME": str(tmp_path / "h"), "X_HANDLE": "xbot_demo", "ALERT_URLS": urls})
    assert len(addresses(settings)) == 3
    spend(engine, clock, 9.5)
    report = evaluate(engine, clock, settings)
    assert (report.sent, report.failed) == (1, 2)
    errors = {d["channel"]: d["error"] for d in rows(engine)[0].deliveries if not d["ok"]}
    assert errors["address 1 of ALERT_URLS"] == "not an address that Apprise knows"
    assert len(errors) == 2


def test_the_dead_man_service_is_pinged_at_intervals_and_its_silence_is_recorded(
    engine: Engine, clock: FixedClock, watched: Settings, receiver: Receiver
) -> None:
    assert due(engine, watched)
    assert evaluate(engine, clock, watched).deadman == "sent"
    assert receiver.pings == 1
    assert not due(engine, watched)
    clock.sleep(600)
    assert due(engine, watched)
    receiver.status = 503
    assert evaluate(engine, clock, watched).deadman == "HTTP 503"
    with engine.begin() as conn:
        last = browse.ticks(conn, "deadman", None, 1)[0]
    assert "HTTP 503" in (last.skipped or "")


def test_alerts_of_other_stages_close_when_their_cause_is_gone(
    engine: Engine, clock: FixedClock, settings: Settings
) -> None:
    with engine.begin() as conn:
        lost = operations_world.decision(conn, clock.now(), status="needs_human", scheduled_at=clock.now())
        alerts.raise_alert(conn, "needs_human", lost, "critical", "Lost.", "", "default")
        alerts.raise_alert(conn, "circuit_open", "default", "critical", "Stopped.", "", "default")
        alerts.raise_alert(conn, "llm_circuit_open", "quota", "warning", "No LLM.", "")
        alerts.raise_alert(conn, "guard_failed", "default", "critical", "Guard.", "", "default")
        conn.execute(text("UPDATE accounts SET circuit_state = 'open', circuit_reason = 'x'"))
        conn.execute(
            text(
                "INSERT INTO budget_days (budget_day, account, provider, circuit_open) "
                "VALUES (:day, '', 'openai', true)"
            ),
            {"day": clock.now().date()},
        )
    evaluate(engine, clock, settings)
    still = {a.rule for a in rows(engine) if a.state != "closed"}
    assert {"needs_human", "circuit_open", "llm_circuit_open", "guard_failed"} <= still
    with engine.begin() as conn:
        conn.execute(text("UPDATE content_metadata SET status = 'cancelled'"))
        conn.execute(text("UPDATE accounts SET circuit_state = 'closed'"))
        conn.execute(text("UPDATE budget_days SET circuit_open = false"))
    clock.sleep(timedelta(hours=2).total_seconds())
    evaluate(engine, clock, settings)
    assert not {a.rule for a in rows(engine) if a.state != "closed"} & still


def test_an_account_that_is_switched_off_needs_nobody(engine: Engine, clock: FixedClock, watched: Settings) -> None:
    with engine.begin() as conn:
        deployment.add_account(conn, "second", "second_demo", "UTC")
        for account in ("default", "second"):
            for hours, followers in ((30, 900), (1, 800)):
                taken = clock.now() - timedelta(hours=hours)
                add_snapshot(conn, account, taken, followers, False, "page", True)
        conn.execute(text("UPDATE accounts SET enabled = account = 'second'"))
    evaluate(engine, clock, watched)
    assert [a.account for a in rows(engine) if a.rule == "follower_drop"] == ["second"]


def test_an_escalated_alert_stays_critical_when_its_stage_raises_it_again(
    engine: Engine, clock: FixedClock, watched: Settings
) -> None:
    def again() -> None:
        with engine.begin() as conn:
            alerts.raise_alert(conn, "predictor_drift", "default", "warning", "Drift.", "", "default")

    again()
    clock.sleep(5 * 3600)
    assert evaluate(engine, clock, watched).escalated == 1
    again()
    assert [(a.severity, a.occurrences) for a in rows(engine)] == [("critical", 2)]
    assert evaluate(engine, clock, watched).escalated == 0


def test_the_latest_ticks_are_found(engine: Engine, clock: FixedClock) -> None:
    def tick(name: str) -> None:
        with engine.begin() as conn:
            ticks.record(conn, name, "sensor", skipped="nothing is due")

    tick("rare")
    for _ in range(3):
        tick("often")
        clock.sleep(86_400)
    with engine.begin() as conn:
        found = browse.latest_ticks(conn)
    assert [(t.name, (clock.now() - t.at).days) for t in found] == [("often", 1), ("rare", 3)]
