"""The operations commands on a real home: what they print, what they change, how they end."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from tests import operations_world
from xbot_dagster.cli import operations
from xbot_dagster.embedded import services
from xbot_dagster.errors import Conflict, NotFound, UsageError, UserError
from xbot_dagster.resources.opening import opened
from xbot_dagster.settings import Settings, load_settings

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One embedded sandbox home for this module, with a fortnight of rows."""
    settings = load_settings({"XBOT_HOME": str(tmp_path_factory.mktemp("ops") / "home")})
    with opened(settings) as found, found.engine.begin() as conn:
        operations_world.fill(conn, found.clock.now(), days=3)
    yield settings
    services.detach(settings)


@pytest.fixture
def run(home: Settings) -> Run:
    app = typer.Typer()
    operations.mount(app)

    def call(*words: str, fails: bool = False, **flags: str) -> Result:
        found = CliRunner().invoke(app, list(words), env={"XBOT_HOME": str(home.home), **flags})
        if not fails and found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return call


def test_health_prints_the_runbooks_line(run: Run) -> None:
    done = run("health")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(
        r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] xBOT Health: HEALTHY \| Redis:✅ \| DB:✅ \| Queue:0 \| Bandits:10 "
        r"\| LastPost:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \| Posts/h:\d+\n",
        done.output,
    ), done.output
    found = json.loads(run("health", "--json").stdout)
    assert (found["healthy"], found["redis"], found["database"], found["bandits"]) == (True, True, True, 10)


def test_health_is_unhealthy_with_a_critical_alert_and_with_the_database_down(run: Run, home: Settings) -> None:
    from xbot_dagster.store import alerts

    with opened(home) as found, found.engine.begin() as conn:
        alerts.raise_alert(conn, "session", "default", "critical", "Signed out.", "xbot login", "default")
    done = run("health")
    assert done.exit_code == 3
    assert "UNHEALTHY" in done.output
    assert "Signed out. xbot login" in done.output
    with opened(home) as found, found.engine.begin() as conn:
        alerts.close_alert(conn, "session", "default")
    down = {"DATABASE_URL": "postgresql://u:hidden@127.0.0.1:9/x", "DAGSTER_DATABASE_URL": "postgresql://127.0.0.1:9/y"}
    done = run("health", XBOT_HOME=str(home.home) + "-down", REDIS_URL="redis://127.0.0.1:9/0", **down)
    assert done.exit_code == 3
    assert "Redis:❌ | DB:❌ | Queue:? | Bandits:? | LastPost:none | Posts/h:?" in done.output
    assert "hidden" not in done.output


def test_doctor_checks_everything_and_says_how_to_mend(run: Run) -> None:
    done = run("doctor", "--json", ALERT_URLS="nonsense://x", ADMIN_TOKEN="short")
    found = json.loads(done.stdout)
    checks = {check["what"]: check for check in found["checks"]}
    assert done.exit_code == 3
    assert not found["ready"]
    assert checks["address 1 of ALERT_URLS"]["verdict"] == "fail"
    assert checks["ADMIN_TOKEN"]["verdict"] == "warn"
    assert (
        checks["PostgreSQL answers"]["verdict"] == checks["pgvector"]["verdict"] == checks["Redis"]["verdict"] == "ok"
    )
    assert all(check["fix"] for check in found["checks"] if check["verdict"] in ("warn", "fail"))
    assert run("doctor", "home", "database").exit_code == 0
    assert isinstance(run("doctor", "nothing", fails=True).exception, UsageError)


def test_doctor_with_the_database_down_still_checks_the_rest(run: Run, tmp_path: Path) -> None:
    down = {"DATABASE_URL": "postgresql://127.0.0.1:9/x", "DAGSTER_DATABASE_URL": "postgresql://127.0.0.1:9/y"}
    done = run("doctor", XBOT_HOME=str(tmp_path / "h"), REDIS_URL="redis://127.0.0.1:9/0", **down)
    assert done.exit_code == 3
    assert "deployment opens: The database at 127.0.0.1" in done.output
    assert "Python" in done.output
    assert "ADMIN_TOKEN" in done.output


def test_configuration_round_trip(run: Run) -> None:
    assert "learning_config.post_fraction = 1.0" in run("config", "get", "learning_config").output
    assert "1.0 → 0.1" in run("config", "set", "learning_config", "post_fraction", "0.1").output
    diff = json.loads(run("config", "diff", "--json").stdout)
    assert {"value": "learning_config.post_fraction", "default": 1.0, "now": 0.1} in diff
    assert "post_fraction: 1.0 → 0.1" in run("config", "history").output
    run("config", "set", "learning_config", "quiet_hours", "[1, 2]", "--account", "default")
    assert "[1, 2]" in run("config", "get", "--account", "default").output
    assert "[2, 3, 4, 5]" in run("config", "get").output
    given_up = run("config", "unset", "learning_config", "quiet_hours", "--account", "default").output
    assert "[1, 2] → [2, 3, 4, 5] (as all accounts)" in given_up
    again = run("config", "unset", "learning_config", "quiet_hours", "--account", "default", fails=True).exception
    assert isinstance(again, UserError)
    for words, kind in (
        (("learning_config", "post_fraction", "7"), UserError),
        (("learning_config", "post_fraction", "half"), UsageError),
        (("learning_config", "volume", "1"), UserError),
        (("bogus", "x", "1"), UserError),
    ):
        refused = run("config", "set", *words, fails=True).exception
        assert isinstance(refused, kind), refused
        assert "\n" not in str(refused)
    run("config", "set", "learning_config", "post_fraction", "1.0")


def test_stop_and_resume(run: Run) -> None:
    assert "stopped: posting (all accounts)" in run("stop", "--posting").output
    assert "controls.stop_posting = true" in run("config", "get", "controls").output
    assert "stopped: llm" in run("stop").output
    assert "resumed: llm" in run("resume", "--llm").output
    assert "resumed: posting" in run("resume", "--all").output
    assert "controls.stop_posting = false" in run("config", "get", "controls").output
    assert isinstance(run("stop", "--account", "nobody", fails=True).exception, UserError)


def test_alerts_list_and_ack(run: Run, home: Settings) -> None:
    from xbot_dagster.store import alerts

    assert "No alert is open." in run("alerts", "list").output
    with opened(home) as found, found.engine.begin() as conn:
        alerts.raise_alert(conn, "test", "x", "warning", "Look at this.", "xbot doctor")
    listed = json.loads(run("alerts", "list", "--json").stdout)
    assert [a["message"] for a in listed] == ["Look at this."]
    number = str(listed[0]["id"])
    assert f"acknowledged {number}: Look at this." in run("alerts", "ack", number).output
    assert isinstance(run("alerts", "ack", number, fails=True).exception, Conflict)
    assert isinstance(run("alerts", "test", fails=True).exception, UsageError)


def test_accounts(run: Run) -> None:
    assert "added second" in run("accounts", "add", "second", "my_second", "--zone", "Europe/Berlin").output
    for words in (
        ("second", "other"),
        ("Bad Key", "x"),
        ("third", "@x"),
        ("third", "my_second"),
        ("x", "y", "--zone", "Mars"),
    ):
        assert isinstance(run("accounts", "add", *words, fails=True).exception, UserError)
    assert isinstance(run("accounts", "attest", "second", fails=True).exception, UsageError)
    run("accounts", "attest", "second", "--by", "Ada Lovelace")
    listed = {a["account"]: a for a in json.loads(run("accounts", "list", "--json").stdout)}
    assert listed["second"]["label_attested_by"] == "Ada Lovelace"
    run("accounts", "attest", "second", "--withdraw")
    assert json.loads(run("accounts", "list", "--json").stdout)[1]["label_attested_by"] is None
    assert isinstance(run("accounts", "attest", "nobody", "--by", "x", fails=True).exception, UserError)


def test_backup_and_restore_bring_every_row_back(run: Run, home: Settings, tmp_path: Path) -> None:
    tables = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )

    def snapshot() -> dict[str, str]:
        with opened(home) as found, found.engine.begin() as conn:
            names = conn.execute(text(tables)).scalars().all()
            digest = "SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t"
            return {name: conn.execute(text(digest.format(name))).scalar_one() for name in names}

    target = tmp_path / "kept.zip"
    before = snapshot()
    assert "decisions" in run("backup", str(target)).output
    assert oct(target.stat().st_mode & 0o777) == "0o600"
    assert isinstance(run("backup", str(target), fails=True).exception, UsageError)
    with opened(home) as found, found.engine.begin() as conn:
        conn.execute(text("DELETE FROM outcomes"))
        conn.execute(text("UPDATE content_metadata SET text = 'lost'"))
        conn.execute(text("CREATE TABLE left_over (x int)"))
    assert snapshot() != before
    assert isinstance(run("restore", str(target), fails=True).exception, Conflict)
    assert "restored" in run("restore", str(target), "--yes").output
    assert snapshot() == before
    with opened(home) as found, found.engine.begin() as conn:
        counted = conn.execute(text("SELECT sum(n) FROM outcome_counts")).scalar_one()
        assert counted == conn.execute(text("SELECT count(*) FROM outcomes")).scalar_one()


def test_a_damaged_or_foreign_backup_changes_nothing(run: Run, home: Settings, tmp_path: Path) -> None:
    import zipfile

    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    run("backup", str(good))
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        target.writestr("manifest.json", source.read("manifest.json"))
        target.writestr("xbot.dump", source.read("xbot.dump")[:-100])
    (tmp_path / "text.zip").write_text("not a zip")
    for name in ("bad.zip", "text.zip", "missing.zip"):
        refused = run("restore", str(tmp_path / name), "--yes", fails=True).exception
        assert isinstance(refused, UserError), refused
    other = {"MODE": "shadow", "XBOT_HOME": str(tmp_path / "real"), "X_HANDLE": "somebody"}
    assert isinstance(run("restore", str(good), "--yes", fails=True, **other).exception, Conflict)
    services.detach(load_settings({k: v for k, v in other.items()}))
    with opened(home) as found, found.engine.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM content_metadata")).scalar_one() > 0


def test_purge_takes_a_post_out_and_says_what_it_kept(run: Run, home: Settings) -> None:
    with opened(home) as found, found.engine.begin() as conn:
        tweet = conn.execute(text("SELECT tweet_id FROM posted_decisions ORDER BY posted_at LIMIT 1")).scalar_one()
    done = json.loads(run("purge", "--tweet", tweet, "--json").stdout)
    assert done["rows"]["posted_decisions"] == 1
    assert any("posted twice" in reason for reason in done["kept"])
    with opened(home) as found, found.engine.begin() as conn:
        words = conn.execute(text("SELECT text FROM posted_decisions WHERE tweet_id = :t"), {"t": tweet}).scalar_one()
        audited = conn.execute(text("SELECT count(*) FROM audit_log WHERE event_type = 'CONTENT_PURGED'")).scalar_one()
    assert (words, audited) == ("[removed on request]", 1)
    assert isinstance(run("purge", fails=True).exception, UsageError)
    assert isinstance(run("purge", "--tweet", "999999999999999999", fails=True).exception, NotFound)
