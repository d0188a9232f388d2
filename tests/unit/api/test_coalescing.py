"""One reading for everybody who asked before it began, and never an answer older than its question."""

import asyncio
import threading

import pytest

from xbot_dagster.api.coalescing import Coalescer


class Table:
    """Rows that grow, read by a thread that can be held."""

    def __init__(self) -> None:
        self.rows = 0
        self.reads = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def read(self) -> int:
        self.reads += 1
        found = self.rows
        self.begun.set()
        assert self.go_on.wait(10)
        return found


def test_all_who_wait_share_the_next_reading() -> None:
    async def ask() -> None:
        shared, table = Coalescer(), Table()
        first = asyncio.ensure_future(shared.ask("n", table.read))
        while not table.begun.is_set():
            await asyncio.sleep(0)
        table.rows = 1  # the first reading has begun: it cannot know this row
        later = [asyncio.ensure_future(shared.ask("n", table.read)) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert table.reads == 1
        table.go_on.set()
        assert await first == 0
        assert await asyncio.gather(*later) == [1] * 20
        assert table.reads == 2
        table.rows = 2
        assert await shared.ask("n", table.read) == 2, "nothing is kept"

    asyncio.run(ask())


def test_questions_differ_by_their_key() -> None:
    async def ask() -> list[str]:
        shared = Coalescer()
        return await asyncio.gather(*(shared.ask(name, lambda name=name: name) for name in "abcab"))

    assert asyncio.run(ask()) == list("abcab")


def test_an_error_reaches_everybody_and_ends_there() -> None:
    async def ask() -> None:
        shared, calls = Coalescer(), []

        def read() -> int:
            calls.append(1)
            if len(calls) == 1:
                raise ValueError("the database is away")
            return 7

        answers = await asyncio.gather(*(shared.ask("n", read) for _ in range(3)), return_exceptions=True)
        assert {str(each) for each in answers} == {"the database is away"}
        assert await shared.ask("n", read) == 7

    asyncio.run(ask())


def test_a_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    async def ask() -> None:
        shared, table = Coalescer(), Table()
        leaving, staying = (asyncio.ensure_future(shared.ask("n", table.read)) for _ in range(2))
        while not table.begun.is_set():
            await asyncio.sleep(0)
        leaving.cancel()
        table.go_on.set()
        assert await staying == 0
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(ask())


def test_several_event_loops_may_ask() -> None:
    shared = Coalescer()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(asyncio.run(shared.ask("n", lambda: 3)))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [3] * 6
