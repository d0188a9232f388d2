"""The sandbox's world for a deployment: started when first needed, with the accounts and sessions of the database."""

from pathlib import Path

from xbot_dagster.resources.opening import Opened
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.sandbox.process import start_world
from xbot_dagster.store.deployment import accounts
from xbot_dagster.x.browser.session import write_state

FIRST_FOLLOWERS = 1200
# (world's process, its address, handle): what this process has told a world already.
_told: set[tuple[int, str, str]] = set()


def world(opened: Opened) -> SandboxClient:
    """The running world of this home, knowing every account of the database (others are created with 1,200 followers)."""
    home = opened.services.home
    handle = start_world(home.sandbox, seed=opened.deployment.seed, clock_file=home.clock_file)
    client = SandboxClient(handle.url)
    with opened.engine.connect() as conn:
        known = accounts(conn)
    for account in known:
        fact = (handle.pid, handle.url, account.handle)
        session = session_file(home.sessions, account.account)
        if fact in _told and session.exists():
            continue
        client.create_account(account.handle, followers=FIRST_FOLLOWERS, timezone=account.zone)
        if not session.exists():
            write_state(session, client.storage_state(account.handle))
        _told.add(fact)
    return client


def session_file(sessions: Path, account: str) -> Path:
    """Where an account's browser session lives: one Playwright storage_state, readable by its owner alone."""
    return sessions / f"{account}.json"
