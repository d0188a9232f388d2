"""A deployment for each file, opened anew by each test: the flags in the environment are the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.scaled_out import Place, place


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scaleout") / "h"


@pytest.fixture
def here(home: Path) -> Iterator[Place]:
    with place(home) as found:
        yield found
