"""Open a deployment: its services, database, cache and clock, checked before anything is done with them. No Dagster here."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from xbot_dagster.clock import Clock, home_clock
from xbot_dagster.embedded import services
from xbot_dagster.errors import DatabaseError
from xbot_dagster.settings import Settings
from xbot_dagster.stages import loading
from xbot_dagster.store import config, deployment, migrations
from xbot_dagster.store.engine import check_reachable, make_engine


@dataclass(frozen=True)
class Opened:
    """A deployment ready for use by one process."""

    settings: Settings
    services: services.Services
    engine: Engine
    clock: Clock
    deployment: deployment.Deployment


def initialise(settings: Settings, *, seed: int | None = None, clock: Clock | None = None) -> list[str]:
    """Start the services, migrate, stamp, create the default account, its configuration and its sources. Idempotent.

    Returns the migrations applied. `seed` counts only when the database is stamped for the first time.
    """
    running = services.attach(settings)
    engine = make_engine(running.database_url, clock or home_clock(settings.home), actor="init")
    try:
        check_reachable(engine)
        applied = migrations.up(running.database_url)
        with engine.begin() as conn:
            deployment.stamp(conn, settings, seed if seed is not None else secrets.randbelow(2**31))
            handle = settings.X_HANDLE or ("xbot_demo" if settings.family == "sandbox" else None)
            if handle is not None:
                deployment.add_account(
                    conn, deployment.DEFAULT_ACCOUNT, handle, settings.X_ZONE, replies_enabled=settings.replies_enabled
                )
            config.install_defaults(conn, settings)
            if handle is not None:
                loading.install_sources(conn, settings, deployment.DEFAULT_ACCOUNT)
    finally:
        engine.dispose()
    return applied


@contextmanager
def opened(settings: Settings, *, run_id: str = "", actor: str = "", clock: Clock | None = None) -> Iterator[Opened]:
    """A deployment that was set up before. Raises DatabaseError for one that was not, or that another version or family owns.

    An empty sandbox home sets itself up, so that the first command of a newcomer works.
    """
    running = services.attach(settings)
    clock = clock or home_clock(settings.home)
    engine = make_engine(running.database_url, clock, run_id=run_id, actor=actor)
    try:
        check_reachable(engine)
        if (
            settings.family == "sandbox"
            and running.embedded_postgres
            and not any(m.applied for m in migrations.status(engine))
        ):
            initialise(settings, clock=clock)
        migrations.require_current(engine)
        with engine.begin() as conn:
            stamp = deployment.require_family(conn, settings)
            if not deployment.accounts(conn, enabled_only=False):
                raise DatabaseError(
                    "There is no account yet.", "Set X_HANDLE and run: xbot init, or: xbot accounts add default HANDLE"
                )
        yield Opened(settings, running, engine, clock, stamp)
    finally:
        engine.dispose()
