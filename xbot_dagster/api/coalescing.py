"""Many ask the same at once: one reading of the tables answers everybody who asked before it began.

Nobody gets an answer older than the question, and nothing is kept afterwards; an idle API reads exactly as often as it is asked.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Coalescer:
    """Runs readings in threads of its own, at most one of a kind at a time. Safe for several event loops."""

    def __init__(self, threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="figures")
        self._lock = threading.Lock()
        self._next: dict[Hashable, Future[Any]] = {}
        self._busy: set[Hashable] = set()

    async def ask(self, key: Hashable, read: Callable[[], T]) -> T:
        """The result (or the error) of a run of `read` that begins after this call; `key` says what `read` reads."""
        with self._lock:
            answer = self._next.get(key)
            if answer is None:
                answer = self._next[key] = Future()
                if key not in self._busy:
                    self._busy.add(key)
                    # One turn of the loop later: requests that have arrived already are answered by the same run.
                    asyncio.get_running_loop().call_soon(lambda: self._threads.submit(self._serve, key, read))
        # A caller that goes away must not take the answer from the others.
        return await asyncio.shield(asyncio.wrap_future(answer))

    def _serve(self, key: Hashable, read: Callable[[], Any]) -> None:
        while True:
            with self._lock:
                answer = self._next.pop(key, None)
                if answer is None:
                    self._busy.discard(key)
                    return
            try:
                answer.set_result(read())
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
                answer.set_exception(error)
