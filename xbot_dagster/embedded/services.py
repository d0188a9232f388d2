"""Start what a deployment needs beneath its home, share it with every other process, end it with the last user."""

import atexit
import os
from dataclasses import dataclass

from xbot_dagster.embedded import postgres, valkey
from xbot_dagster.embedded.home import Home
from xbot_dagster.settings import Settings

APP_DATABASE, DAGSTER_DATABASE = "xbot", "dagster"


@dataclass(frozen=True)
class Services:
    """Addresses of the running services. Addresses may carry passwords: never log them."""

    home: Home
    database_url: str
    dagster_url: str
    redis_url: str
    embedded_postgres: bool
    embedded_valkey: bool


_attached: dict[str, Services] = {}


def attach(settings: Settings, *, on_behalf_of: int | None = None) -> Services:
    """Start or find the services of `settings.home` and count this process (or `on_behalf_of`) among their users.

    Once per process; later calls return the same addresses. Raises HomeError.
    """
    key = str(settings.home)
    if key in _attached and on_behalf_of is None:
        return _attached[key]
    home = Home(settings.home)
    home.prepare()
    with home.locked():
        socket_dir = "" if settings.database_url and settings.DAGSTER_DATABASE_URL else postgres.start(home.postgres)
        if socket_dir:
            postgres.ensure_database(socket_dir, APP_DATABASE)
            # Dagster's event log is a record, not the truth: it need not wait for the disk at every event.
            postgres.ensure_database(socket_dir, DAGSTER_DATABASE, synchronous_commit="off")
        services = Services(
            home=home,
            database_url=settings.database_url or postgres.url(socket_dir, APP_DATABASE),
            dagster_url=(
                settings.DAGSTER_DATABASE_URL.get_secret_value()
                if settings.DAGSTER_DATABASE_URL
                else postgres.url(socket_dir, DAGSTER_DATABASE)
            ),
            redis_url=settings.REDIS_URL.get_secret_value() if settings.REDIS_URL else valkey.start(home.valkey),
            embedded_postgres=bool(socket_dir),
            embedded_valkey=settings.REDIS_URL is None,
        )
        home.add_user(on_behalf_of or os.getpid())
    if on_behalf_of is None:
        _attached[key] = services
        atexit.register(detach, settings)
    return services


def detach(settings: Settings) -> None:
    """Leave the home; the last user to leave ends its services."""
    services = _attached.pop(str(settings.home), None)
    if services is None or not services.home.path.exists():
        return
    with services.home.locked():
        if not services.home.remove_user(os.getpid()):
            stop_all(services.home)


def stop_all(home: Home) -> None:
    """End every embedded service of `home`, whoever started it. The caller holds the home's lock."""
    from xbot_dagster.sandbox import process as world

    running = world.find_world(home.sandbox)
    if running is not None:
        world.stop_world(running)
    valkey.stop(home.valkey)
    postgres.stop(home.postgres)
