"""What every route works with: the flags, the deployment (opened late, so that the API starts with the database
down), the launcher of Dagster jobs, and the caller.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from sqlalchemy import Connection, Engine, text

from xbot_dagster.api.auth import Attempts, Caller, identify
from xbot_dagster.api.coalescing import Coalescer
from xbot_dagster.errors import DatabaseError
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import Settings
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.deployment import DEFAULT_ACCOUNT
from xbot_dagster.store.engine import for_run

if TYPE_CHECKING:
    from xbot_dagster.llm.client import BudgetedClient
    from xbot_dagster.stages.approve import Revision

# Starts a Dagster job by name on behalf of an actor and returns the run's id.
Launcher = Callable[[str, str], str]

# After a failed attempt to open the deployment, callers are answered from the failure for this long.
_REOPEN_SECONDS = 2.0


def _open_llm(opened: Opened) -> AbstractContextManager["BudgetedClient"]:
    from xbot_dagster.resources.llm import (
        client_for,  # it knows Dagster, which an API that only shows figures never needs
    )

    return client_for(opened)


@dataclass
class Service:
    """One API process. `opening` is the opened deployment or a function that opens it (raising DatabaseError when it
    cannot)."""

    settings: Settings
    opening: Opened | Callable[[], Opened]
    launcher: Launcher
    attempts: Attempts = field(default_factory=Attempts)
    monotonic: Callable[[], float] = time.monotonic
    open_llm: Callable[[Opened], AbstractContextManager["BudgetedClient"]] = _open_llm
    figures: Coalescer = field(default_factory=Coalescer)
    _opened: Opened | None = None
    _failure: tuple[float, DatabaseError] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(self) -> Opened:
        """The deployment. Raises DatabaseError while it cannot be opened."""
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    self._opened = self._open()
        return self._opened

    def _open(self) -> Opened:
        if isinstance(self.opening, Opened):
            return self.opening
        if self._failure is not None and self.monotonic() - self._failure[0] < _REOPEN_SECONDS:
            raise self._failure[1]
        try:
            found = self.opening()
        except DatabaseError as error:
            self._failure = (self.monotonic(), error)
            raise
        self._failure = None
        return found

    @property
    def engine(self) -> Engine:
        return self.opened().engine

    def engine_of(self, caller: Caller) -> Engine:
        """The engine for stages that open their own transactions; what they audit names `caller`."""
        return for_run(self.engine, "", caller.actor)

    @contextmanager
    def cache(self) -> Iterator[Cache]:
        """The deployment's cache."""
        found = Cache(self.opened().services.redis_url, self.settings.redis_prefix)
        try:
            yield found
        finally:
            found.close()

    def now(self) -> datetime:
        return self.opened().clock.now()

    def budget_day(self) -> date:
        """The day on which spend counts now, in BUDGET_ZONE."""
        return self.now().astimezone(ZoneInfo(self.settings.BUDGET_ZONE)).date()

    def revise(self, account: str, parts: Sequence[str]) -> "Revision":
        """A person's new text, embedded and moderated on the account's budget. Raises UserError."""
        from xbot_dagster.stages.approve import revise

        with self.open_llm(self.opened()) as llm:
            return revise(llm, self.settings, account, parts)

    @contextmanager
    def begin(self, caller: Caller | None = None) -> Iterator[Connection]:
        """A transaction; audit rows written in it name `caller`."""
        with self.engine.begin() as conn:
            if caller is not None:
                conn.execute(text("SELECT set_config('xbot.actor', :actor, true)"), {"actor": caller.actor})
            yield conn


# The dependencies of every route are coroutines: they wait for nothing, and a plain function would cost a thread each.


async def service(request: Request) -> Service:
    return request.app.state.service


ServiceOf = Annotated[Service, Depends(service)]


async def reader(request: Request, service: ServiceOf) -> Caller:
    """Anyone with the token, or anybody on this machine."""
    return identify(request, service.settings, service.attempts)


async def administrator(request: Request, service: ServiceOf) -> Caller:
    """Only a caller with the token."""
    return identify(request, service.settings, service.attempts, admin=True)


Reader = Annotated[Caller, Depends(reader)]
Administrator = Annotated[Caller, Depends(administrator)]
AccountQuery = Annotated[
    str,
    Query(alias="account", description="The account's key.", pattern=r"^[a-z0-9_-]{1,40}$", examples=[DEFAULT_ACCOUNT]),
]
