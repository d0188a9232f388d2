"""The page of numbers: what a run found, said once and in ratios; what is missing is named, never left out."""

from datetime import date
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.page import Machine, Result, render, shown
from benchmarks.suite import SUITE, Benchmark, Figure, at, ratio

FOLDER = Path(page.__file__).parent
HERE = Machine("Example CPU 3000", 2, 24.0, "Linux x86_64")


def rendered(**results: Result) -> str:
    return render(HERE, {"xbot": "0.1.0", "mabwiser": "not installed"}, date(2026, 11, 27), results)


def section(text: str, module: str) -> str:
    return text.split(f"## {module}\n")[1].split("\n## ")[0]


def test_every_benchmark_is_in_the_table() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py") if '"--json"' in path.read_text()} - {"page"}
    assert len(modules) >= 10
    assert modules <= {benchmark.module for benchmark in SUITE}
    assert len({benchmark.module for benchmark in SUITE}) == len(SUITE)


@pytest.mark.parametrize("benchmark", SUITE, ids=lambda found: found.module)
def test_the_flags_of_a_small_form_exist(benchmark: Benchmark) -> None:
    path = FOLDER / f"{benchmark.module}.py"
    if not path.exists():
        assert page.run(benchmark, FOLDER).problem == f"there is no benchmarks/{benchmark.module}.py"
        return
    source = path.read_text() + (FOLDER / "environment.py").read_text()
    flags = [flag for flag in (*benchmark.flags, "--json") if flag.startswith("--")]
    assert [flag for flag in flags if f'"{flag}"' not in source] == []


def test_the_page_names_the_machine_the_versions_and_the_day() -> None:
    text = rendered()
    assert "Example CPU 3000, 2 cores, 24 GiB, Linux x86_64" in text
    assert "xbot 0.1.0, mabwiser not installed" in text
    assert "2026-11-27" in text


def test_ratios_come_first_and_are_marked() -> None:
    found = {"upsert_rows_per_s": 40_000, "copy_rows_per_s": 100_000, "due_query_ms_1m": 1.2, "due_query_ms_10k": 1.0, "import_rows_per_s": 12_345}  # fmt: skip
    rows = [
        line for line in section(rendered(store=Result(found, "", 3.0)), "store").splitlines() if line.startswith("| ")
    ]
    assert rows[1:] == [
        "| upsert rate over the rate of a bare COPY | 0.4 × |",
        "| due query with 100,000 posts over with 10,000 | 1.2 × |",
        "| import of X's export | 12,345 rows/s |",
    ]


def test_a_benchmark_without_a_list_shows_its_numbers() -> None:
    plain = Benchmark("anything", "whatever it prints")
    found = {"ratio": 7.123, "sizes": {"1": 2}, "broken": False, "unknown_here": None}
    assert page.rows(plain, found) == ["| ratio | 7.12 |", "| broken | no |", "| unknown here | – |"]


def test_what_was_not_measured_is_named_with_its_reason() -> None:
    text = rendered(growth=Result(None, "The environment file SHARED/tools/growth_env.py is missing", 0.4))
    assert "**Not measured:** The environment file SHARED/tools/growth_env.py is missing." in section(text, "growth")
    assert "**Not measured:** this run was asked for others only." in section(text, "store")
    assert [benchmark.module for benchmark in SUITE if f"## {benchmark.module}\n" not in text] == []


def test_a_broken_promise_is_said_beside_its_numbers() -> None:
    found = {"ordered": 20, "ambiguous": 4, "kills": 2, "duplicates": 1, "lost": 0, "in_doubt_left": 0}
    text = section(rendered(chaos=Result(found, "a promise of this benchmark was broken", 9.0)), "chaos")
    assert "**Failed:** a promise of this benchmark was broken." in text
    assert "| duplicates | 1 |" in text


def test_a_benchmark_that_fails_leaves_one_line_without_a_path(tmp_path: Path) -> None:
    result = page.run(Benchmark("growth", "x", ("--environment", "{shared}/missing.py")), tmp_path)
    assert result.found is None
    assert result.problem == "The environment file SHARED/missing.py is missing. Name it with --environment PATH."


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(None, "×", "–"), (True, "", "yes"), (0, "", "0"), (0.0123456, "×", "0.0123 ×"), (1234567.8, "rows/s", "1,234,568 rows/s"), (12.0, "%", "12 %")],
)  # fmt: skip
def test_values_are_written_for_people(value: object, unit: str, words: str) -> None:
    assert shown(value, unit) == words


def test_a_step_that_is_missing_is_not_a_crash() -> None:
    assert at("a.b.c")({"a": {"b": None}}) is None
    assert ratio("a", "b")({"a": 1}) is None
    assert ratio("a", "b")({"a": 1, "b": 0}) is None
    assert Figure("x", ratio("a", "b")).of({"a": 1, "b": 4}) == 0.25


def test_this_machine_can_be_described_without_its_name() -> None:
    import socket

    here = page.machine()
    assert here.cores >= 1
    assert here.memory_gib > 0
    assert socket.gethostname() not in f"{here.cpu} {here.system}"
    used = page.versions()
    assert used["PostgreSQL"].startswith("18")
    assert used["dagster"].startswith("1.")
    assert "/" not in "".join(used.values())
