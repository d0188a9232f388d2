"""The `llm` resource: the budgeted client, its ledger in Postgres, its address in the sandbox the local writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagster import InitResourceContext, ResourceDefinition, resource
from pydantic import SecretStr

from xbot_dagster.resources.database import Database
from xbot_dagster.settings import Settings

if TYPE_CHECKING:
    from xbot_dagster.llm.client import BudgetedClient
    from xbot_dagster.resources.opening import Opened


class LlmFactory:
    """Makes the run's client; `close()` ends its connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: BudgetedClient | None = None

    def client(self, database: Database) -> BudgetedClient:
        """The budgeted client of this run."""
        if self._client is None:
            from xbot_dagster.llm.client import BudgetedClient
            from xbot_dagster.resources.world import world
            from xbot_dagster.store.usage import UsageLedger

            settings = self._settings
            if settings.family == "sandbox":
                address = f"{world(database.opened).url}/llm/v1"
                settings = settings.model_copy(
                    update={"OPENAI_BASE_URL": address, "OPENAI_API_KEY": SecretStr("sandbox")}
                )
            self._client = BudgetedClient(
                UsageLedger(database.engine, settings, database.clock), settings, database.clock
            )
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


@contextmanager
def client_for(opened: Opened) -> Iterator[BudgetedClient]:
    """A client of a deployment for one piece of work outside a Dagster run (an edited draft)."""
    factory = LlmFactory(opened.settings)
    try:
        yield factory.client(Database(lambda: opened, "", ""))
    finally:
        factory.close()


def llm_resource(settings: Settings) -> ResourceDefinition:
    """One factory per run."""

    @resource(
        description="OpenAI through the budgeted client: every call is reserved, settled or released in api_usage."
    )
    def llm(context: InitResourceContext) -> Iterator[LlmFactory]:
        factory = LlmFactory(settings)
        try:
            yield factory
        finally:
            factory.close()

    return llm
