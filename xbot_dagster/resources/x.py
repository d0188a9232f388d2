"""The `x` resource: publishers and metric sources for this deployment's flags, sharing one browser per process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import InitResourceContext, ResourceDefinition, resource

from xbot_dagster.errors import SettingsError
from xbot_dagster.resources.database import Database
from xbot_dagster.settings import Settings

if TYPE_CHECKING:
    from xbot_dagster.resources.opening import Opened
    from xbot_dagster.sandbox.client import SandboxClient
    from xbot_dagster.stages.site import Look
    from xbot_dagster.store.deployment import Account
    from xbot_dagster.x.browser.session import BrowserHost
    from xbot_dagster.x.browser.site_check import PageFinding
    from xbot_dagster.x.protocols import MetricSource, Publisher, TweetRef


@dataclass
class X:
    """Builds publishers and metric sources when they are first needed; `close()` ends what was started.

    In the sandbox everything points at the local replica; no flag can point it elsewhere.
    """

    settings: Settings
    _publisher: Publisher | None = field(default=None, repr=False)
    _source: MetricSource | None = field(default=None, repr=False)
    _world: SandboxClient | None = field(default=None, repr=False)

    def world(self, opened: Opened) -> SandboxClient:
        """The sandbox's world, started when it does not run yet."""
        if self._world is None:
            from xbot_dagster.resources.world import world

            self._world = world(opened)
        return self._world

    def publisher_for(self, database: Database) -> Callable[[Account], Publisher]:
        """What publishes an account's posts."""
        opened = database.opened
        return lambda account: self._the_publisher(opened)

    def source_for(self, database: Database) -> Callable[[str], MetricSource]:
        """What reads an account's outcomes."""
        opened = database.opened
        return lambda account: self._the_source(opened)

    def look(self, opened: Opened) -> Look | None:
        """What looks at X's pages for `xbot doctor x`; None where this deployment reads none."""
        if self._reads_by_api() or self.settings.publisher == "recorded":
            return None

        def look(account: str, handle: str, post: TweetRef | None) -> list[PageFinding]:
            from xbot_dagster.x.browser.site_check import check_site

            return check_site(self._host(), self._site(opened), _sessions(opened), account, handle, post)

        return look

    def close(self) -> None:
        """End the browser and every connection."""
        publisher, source = self._publisher, self._source
        self._publisher = self._source = None
        for part in (publisher, source):
            if part is not None:
                part.close()

    def _the_publisher(self, opened: Opened) -> Publisher:
        if self._publisher is None:
            self._publisher = self._make_publisher(opened)
        return self._publisher

    def _the_source(self, opened: Opened) -> MetricSource:
        if self._source is None:
            self._source = self._make_source(opened)
        return self._source

    def _make_publisher(self, opened: Opened) -> Publisher:
        match self.settings.publisher:
            case "shadow":
                from xbot_dagster.x.shadow import ShadowPublisher

                return ShadowPublisher()
            case "recorded":
                from xbot_dagster.x.recorded import RecordedPublisher

                return RecordedPublisher(self.world(opened).url)
            case "x_api":
                from xbot_dagster.x.api_publisher import ApiPublisher

                return ApiPublisher(self.settings, self._spent(opened))
            case name:
                from xbot_dagster.x.browser.own_thread import OwnThread

                return OwnThread(name, True, lambda: self._browser_publisher(opened, name))

    def _browser_publisher(self, opened: Opened, name: str) -> Publisher:
        from xbot_dagster.x.browser.publisher import BrowserPublisher

        site, evidence = self._site(opened), opened.services.home.logs / "evidence"
        return BrowserPublisher(self._host(), site, _sessions(opened), evidence, name=name)

    def _make_source(self, opened: Opened) -> MetricSource:
        if self.settings.publisher == "recorded":
            from xbot_dagster.x.recorded import RecordedMetrics

            return RecordedMetrics(self.world(opened).url)
        if self._reads_by_api():
            from xbot_dagster.x.api_metrics import ApiMetrics

            return ApiMetrics(self.settings, self._spent(opened))
        from xbot_dagster.x.browser.metrics import BrowserMetrics

        site = self._site(opened)
        return BrowserMetrics(self._host(), site, _sessions(opened))

    def _host(self) -> BrowserHost:
        from xbot_dagster.embedded.browser import find_browser
        from xbot_dagster.x.browser.session import BrowserHost

        return BrowserHost(find_browser(self.settings.XBOT_BROWSER_PATH))

    def _reads_by_api(self) -> bool:
        """Whoever publishes by the API reads by it; who publishes nothing (shadow) does where there are keys for it."""
        if self.settings.publisher == "shadow" and self.settings.family == "real":
            return self.settings.has_x_keys
        return self.settings.publisher == "x_api"

    def _spent(self, opened: Opened) -> Callable[[str, str, int], None]:
        """Books what reading through the API costs; what a created post costs is booked with the post."""

        from xbot_dagster.store.usage import record_x

        def book(account: str, purpose: str, count: int) -> None:
            with opened.engine.begin() as conn:
                record_x(conn, self.settings, opened.clock.now(), account, purpose, count)

        return book

    def _site(self, opened: Opened) -> str:
        """Where a browser of this program goes. Raises SettingsError where none may, whoever asks: poster or reader."""
        if self.settings.family == "sandbox":
            return self.world(opened).url
        if self.settings.browser_refusal is not None:
            raise SettingsError(f"No browser is opened: {self.settings.browser_refusal}")
        return self.settings.X_BASE_URL


def _sessions(opened: Opened) -> Callable[[str], Path]:
    from xbot_dagster.resources.world import session_file

    folder = opened.services.home.sessions
    return lambda account: session_file(folder, account)


def x_resource(settings: Settings) -> ResourceDefinition:
    """One `X` per run, closed with it."""

    @resource(
        description="X: the publisher and the source of metrics chosen by PUBLISHER; in the sandbox the local replica."
    )
    def x(context: InitResourceContext) -> Iterator[X]:
        found = X(settings)
        try:
            yield found
        finally:
            found.close()

    return x
