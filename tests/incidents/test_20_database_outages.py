"""Incident 20: Postgres gone in the middle of a publication (88 commits). It recovers by itself, nothing is lost or doubled.

A real server, really stopped and started: the fixtures' own server is left alone.
"""

import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.publishing_world import Desk, World
from xbot_dagster.embedded import postgres
from xbot_dagster.embedded.home import Home
from xbot_dagster.settings import load_settings
from xbot_dagster.store import config, deployment, migrations
from xbot_dagster.store.engine import make_engine
from xbot_dagster.x.recorded import RecordedPublisher


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory):
    home = Home(tmp_path_factory.mktemp("outage"))
    home.prepare()
    yield home.postgres
    postgres.stop(home.postgres)


@pytest.fixture
def fragile(world: World, own_server: Path, tmp_path: Path):
    """A desk on a server of its own, which may be stopped."""
    socket_dir = postgres.start(own_server)
    postgres.ensure_database(socket_dir, "xbot")
    address = postgres.url(socket_dir, "xbot")
    migrations.up(address)
    handle = f"outage_{abs(hash(str(own_server))) % 10**7}"
    settings = load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": handle})
    engine = make_engine(address, world.clock)
    with engine.begin() as conn:
        deployment.stamp(conn, settings, seed=7)
        deployment.add_account(conn, "default", handle, "UTC")
        config.install_defaults(conn, settings)
    world.client.create_account(handle)
    desk = Desk(world, engine, settings, handle, tmp_path, tmp_path)
    desk.publisher = RecordedPublisher(world.url, seconds=2)
    desk.add("An older note about sleep.")
    desk.post()
    desk.pass_time(hours=2)
    yield desk
    engine.dispose()


@pytest.mark.parametrize("moment", ["before_claim", "claimed", "before_arm", "armed", "submitted"])
def test_stopped_in_the_middle_and_started_again(fragile, own_server, moment):
    desk = fragile
    decision = desk.add("Posted through an outage.")
    stopped = []

    def stop(reached: str) -> None:
        if reached == moment and not stopped:
            stopped.append(moment)
            postgres.stop(own_server)

    with pytest.raises(OperationalError):
        desk.post(hooks=stop)
    with pytest.raises(OperationalError):
        desk.post()
    postgres.start(own_server)
    desk.pass_time(minutes=6)
    for _ in range(30):
        desk.reconcile()
        desk.post()
        if desk.status(decision) == "posted":
            break
        desk.pass_time(minutes=1)
    assert desk.status(decision) == "posted"
    assert desk.live().count("Posted through an outage.") == 1


def test_an_outage_shorter_than_the_patience_after_the_submit_is_not_even_a_doubt(fragile, own_server):
    """Writing an answer down submits nothing, so that alone is tried again while the server restarts."""
    desk = fragile
    decision = desk.add("Posted just before the outage.")
    restarts: list[threading.Thread] = []

    def bounce(reached: str) -> None:
        if reached == "submitted":
            postgres.stop(own_server)
            restarts.append(threading.Thread(target=postgres.start, args=(own_server,)))
        elif reached == "before_resolve" and restarts and not restarts[0].is_alive() and restarts[0].ident is None:
            restarts[0].start()
        elif reached == "before_resolve" and restarts:
            restarts[0].join()

    report = desk.post(hooks=bounce)
    assert len(report.posted) == 1
    assert desk.attempts(decision) == ["posted"]
