"""The `database` resource: the opened deployment, its transactions stamped with the Dagster run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dagster import InitResourceContext, ResourceDefinition, resource
from sqlalchemy import Engine

from xbot_dagster.settings import Settings

if TYPE_CHECKING:
    from xbot_dagster.clock import Clock
    from xbot_dagster.resources.opening import Opened
    from xbot_dagster.store.deployment import Deployment


class Database:
    """Opens the deployment at first use, so that a database that is down is a sentence in a skip reason, not a crash.

    Raises DatabaseError or HomeError at first use.
    """

    def __init__(self, open_deployment: Callable[[], Opened], run_id: str, actor: str) -> None:
        self._open = open_deployment
        self._run_id = run_id
        self._actor = actor
        self._opened: Opened | None = None

    @property
    def opened(self) -> Opened:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    @property
    def engine(self) -> Engine:
        from xbot_dagster.store.engine import for_run

        return for_run(self.opened.engine, self._run_id, self._actor)

    @property
    def clock(self) -> Clock:
        return self.opened.clock

    @property
    def settings(self) -> Settings:
        return self.opened.settings

    @property
    def deployment(self) -> Deployment:
        return self.opened.deployment


def database_resource(settings: Settings, shared: Opened | None = None) -> ResourceDefinition:
    """A `Database` per run. `shared` is a deployment that the caller keeps open (the rehearsal, tests)."""

    @resource(description="PostgreSQL, the truth of this deployment; settings, clock and stamp come with it.")
    def database(context: InitResourceContext) -> Iterator[Database]:
        with ExitStack() as stack:

            def open_deployment() -> Opened:
                from xbot_dagster.resources.opening import opened

                return shared if shared is not None else stack.enter_context(opened(settings))

            yield Database(
                open_deployment,
                context.run.run_id if context.run else "",
                f"dagster:{context.run.job_name}" if context.run else "dagster",
            )

    return database
