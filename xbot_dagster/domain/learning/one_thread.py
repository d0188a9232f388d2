"""Linear algebra on one thread: sums in a fixed order, and the cost of one core.

The matrices here are small. Threads that share such a product mostly wait for each other, awake: on a busy machine they made the
default policy seven times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread(*modules: str) -> Iterator[None]:
    """numpy and `modules` compute on one thread meanwhile, in the whole process. Also a decorator.

    `modules` are what the work will load: threads that come later are not held back.
    """
    with _libraries(modules).limit(limits=1):
        yield


@cache
def _libraries(modules: tuple[str, ...]) -> ThreadpoolController:
    """Looking for them takes milliseconds, so it is done once."""
    from threadpoolctl import ThreadpoolController

    for name in modules:
        import_module(name)
    return ThreadpoolController()
