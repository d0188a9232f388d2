"""An asyncio loop in a thread of its own, so that asynchronous browser work can be asked for from anywhere.

Synchronous Playwright refuses to run inside a running loop, and its objects belong to one thread; here everything
asynchronous belongs to this thread, and callers only wait.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()


class BackgroundLoop:
    """Start on first use; `close()` ends the thread. Not reusable after that."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work` and return what it returns or raise what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stream(self, source: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """Iterate over an asynchronous iterator from this side; ending early cancels it."""
        items: queue.Queue[Any] = queue.Queue()

        async def pump() -> None:
            try:
                async for item in source():
                    items.put(item)
            finally:
                items.put(_END)

        task = asyncio.run_coroutine_threadsafe(pump(), self._loop)
        try:
            while (item := items.get()) is not _END:
                yield item
            task.result()
        finally:
            task.cancel()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
