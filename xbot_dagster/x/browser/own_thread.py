"""A publisher that lives in a thread of its own.

Playwright's sync objects belong to one thread and leave a running event loop in it, which whoever runs event loops in the
caller's thread (Dagster does) would trip over. Calls are still one at a time and block their caller.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from xbot_dagster.x.protocols import OutgoingPost, Probe, Publisher, PublishResult, Timeline


class OwnThread:
    """Wraps the publisher that `make()` builds inside the thread; `name` and `real` are known before it is built."""

    def __init__(self, name: str, real: bool, make: Callable[[], Publisher]) -> None:
        self.name = name
        self.real = real
        self._make = make
        self._publisher: Publisher | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"publisher-{name}")

    def probe(self, account: str, handle: str) -> Probe:
        return self._thread.submit(lambda: self._inside().probe(account, handle)).result()

    def publish(self, post: OutgoingPost, arm: Callable[[], None]) -> PublishResult:
        return self._thread.submit(lambda: self._inside().publish(post, arm)).result()

    def timeline(self, account: str, handle: str, since: datetime) -> Timeline:
        return self._thread.submit(lambda: self._inside().timeline(account, handle, since)).result()

    def close(self) -> None:
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _inside(self) -> Publisher:
        if self._publisher is None:
            self._publisher = self._make()
        return self._publisher

    def _close(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()
