"""Linear algebra on one thread: sums in a fixed order, and the cost of one core.

The matrices here are small. Threads that share such a product mostly wait for each other, awake: on a busy machine they made the
default policy seven times slower.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# Each of them brings threads of its own.
_BRINGERS: Final = ("numpy", "scipy.linalg", "sklearn", "lightgbm")


@contextmanager
def one_thread() -> Iterator[None]:
    """What is loaded by now computes on one thread meanwhile, in the whole process. Also a decorator."""
    with _libraries(tuple(name in sys.modules for name in _BRINGERS)).limit(limits=1):
        yield


@cache
def _libraries(_loaded: tuple[bool, ...]) -> ThreadpoolController:
    """Looking for them takes milliseconds: done once for what is loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
