"""The one table of all benchmarks: the small form that `make bench` runs, and what of its JSON goes on the page.

A new benchmark is a module of this package that prints one JSON object with `--json`, and a row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the page. `of` reads it from a benchmark's JSON object; None: this run could not tell.

    unit: "×" for a ratio measured within the run, "%" for a share, "" for a count, else the unit of an absolute number, which
    holds for the machine of the page only.
    """

    label: str
    of: Callable[[Mapping[str, Any]], Any]
    unit: str = ""


@dataclass(frozen=True)
class Benchmark:
    """One row: `python -m benchmarks.{module} {flags} --json`. `{shared}` in a flag is the folder of public data sets and
    environments; without figures every number at the top of the JSON object is shown."""

    module: str
    judges: str
    flags: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    limit_seconds: float = 900


def at(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Reads `a.b.c` from nested objects; None where a step is missing."""

    def read(found: Any) -> Any:
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    return read


def ratio(above: str, below: str) -> Callable[[Mapping[str, Any]], float | None]:
    """Reads above / below; None where either is missing or nothing."""

    def read(found: Mapping[str, Any]) -> float | None:
        a, b = at(above)(found), at(below)(found)
        return a / b if a is not None and b else None

    return read


def _largest_size(name: str) -> Callable[[Mapping[str, Any]], Any]:
    def read(found: Mapping[str, Any]) -> Any:
        sizes = found.get("sizes") or {}
        return sizes[max(sizes, key=int)].get(name) if sizes else None

    return read


def _named(prefix: str) -> Callable[[Mapping[str, Any]], Any]:
    """Reads the one figure whose name says what it was measured with: `prefix_1000_vs_10`, `prefix_5m`."""
    return lambda found: next((value for name, value in found.items() if name.startswith(f"{prefix}_")), None)


SUITE: tuple[Benchmark, ...] = (
    Benchmark(
        "growth", "the default policy against public bandit libraries, in accounts with known truth",
        ("--environment", "{shared}/tools/growth_env.py", "--seeds", "3", "--days", "30"),
        (
            Figure("skill of `growth` over the best public library", at("ratio_to_best_library"), "×"),
            Figure("regret of random choice removed by `growth`", at("policies.growth.skill_percent"), "%"),
            Figure("… by the seeds' policy", at("policies.seed.skill_percent"), "%"),
            Figure("… by MABWiser, Thompson sampling", at("policies.mabwiser_ts.skill_percent"), "%"),
            Figure("… by MABWiser, LinTS", at("policies.mabwiser_lints.skill_percent"), "%"),
            Figure("… by Vowpal Wabbit, bagged", at("policies.vowpalwabbit_bag.skill_percent"), "%"),
        ),
    ),
    Benchmark(
        "headlines", "pooled Thompson sampling replayed on real randomised headline tests",
        ("--environment", "{shared}/tools/headline_replay.py", "--csv", "{shared}/data/upworthy_arms.csv"),
        (
            Figure("clicks lost, of what uniform choice loses", ratio("clicks_lost_per_test", "uniform"), "×"),
            Figure("tests", at("tests")),
        ),
    ),
    Benchmark(
        "predictors", "walk-forward scores of the content predictor on a real account's posts",
        ("--csv", "{shared}/data/debruine.csv", "--last", "100"),
        (
            Figure("R² gained over the rolling mean: ridge, impressions", at("log_impressions.ridge.gain")),
            Figure("… LightGBM", at("log_impressions.lightgbm.gain")),
            Figure("… stack", at("log_impressions.stack.gain")),
            Figure("share of outcomes inside the 90 % interval", at("log_impressions.stack.coverage")),
            Figure("posts scored", at("log_impressions.stack.n")),
        ),
    ),
    Benchmark(
        "ope", "off-policy estimators and lift against frozen reference values",
        ("--fixtures", "{shared}/data/ope", "--replications", "200", "--experiments", "10"),
        (
            Figure("largest difference from the reference library's values", at("max_abs_error")),
            Figure("coverage of the lift's 95 % interval", at("coverage")),
            Figure("false positives over 86 daily looks", at("peeking_false_positive")),
            Figure("a log with two effective samples is refused", at("refused_low_ess")),
        ),
    ),
    Benchmark(
        "training", "the whole training against a bare LightGBM fit on the same matrix",
        ("--rows", "10000", "--partitions", "30"),
        (
            Figure("load, features and fits over the bare fits, 10,000 rows", _largest_size("ratio"), "×"),
            Figure("a back-fill of 30 days over its fits alone", at("backfill_ratio"), "×"),
        ),
    ),
    Benchmark(
        "store", "storing outcomes against a bare COPY; finding what is due in little and in much",
        ("--rows", "100000", "--imported", "5000"),
        (
            Figure("upsert rate over the rate of a bare COPY", ratio("upsert_rows_per_s", "copy_rows_per_s"), "×"),
            Figure("due query with 100,000 posts over with 10,000", ratio("due_query_ms_1m", "due_query_ms_10k"), "×"),
            Figure("import of X's export", at("import_rows_per_s"), "rows/s"),
        ),
    ),
    Benchmark(
        "content", "gates, safety guard, feeds, and money reserved by many at once",
        ("--vectors", "5000", "--candidates", "100", "--texts", "1000", "--feeds", "10", "--items", "20", "--callers", "20", "--calls", "200"),
        (
            Figure("money spent beyond the limit", at("overspend_usd"), "USD"),
            Figure("candidates through the gate chain", at("gate_candidates_per_s"), "/s"),
            Figure("texts through the safety guard", at("safety_texts_per_s"), "/s"),
            Figure("reservations", at("reservations_per_s"), "/s"),
        ),
    ),
    Benchmark(
        "planning", "planning several accounts while the LLM takes its time",
        ("--accounts", "12", "--wait", "0.5"),
        (
            Figure("eight accounts side by side against one after the other", at("speedup"), "×"),
            Figure("planning side by side", at("side_by_side_seconds"), "s"),
        ),
    ),
    Benchmark(
        "collect", "reading posts from the replica's pages with Chromium",
        ("--posts", "60"),
        (
            Figure("posts stored of those due", ratio("stored", "due"), "×"),
            Figure("counts of another post", at("wrong_ids")),
            Figure("counts left out that the page shows", at("unexplained_nulls")),
            Figure("posts read", at("posts_per_s"), "/s"),
        ),
    ),
    Benchmark(
        "chaos", "posting while answers get lost and the poster is killed; the replica is the judge",
        ("--posts", "12", "--ambiguous", "0.2", "--kill", "0.1"),
        (
            Figure("posts ordered", at("ordered")),
            Figure("submits without an answer, and kills", lambda found: found["ambiguous"] + found["kills"]),
            Figure("duplicates", at("duplicates")),
            Figure("lost", at("lost")),
            Figure("left in doubt", at("in_doubt_left")),
        ),
    ),
    Benchmark(
        "api", "the API against a bare FastAPI route, and the dashboard's first paint",
        ("--outcomes", "20000", "--decisions", "5000", "--seconds", "1", "--rounds", "2", "--loads", "1"),
        (
            Figure("requests a second of the slower route over the bare route", at("rate_ratio"), "×"),
            Figure("weight of the heaviest page", at("page_weight_kb"), "kB"),
            Figure("first paint of the slowest page", at("first_paint_ms"), "ms"),
        ),
    ),
    Benchmark(
        "scale", "the loop with more and more accounts",
        ("--accounts", "1,10", "--days", "1", "--history", "200000"),
        (
            Figure("CPU of a decision with ten accounts over with one", _named("cost_ratio"), "×"),
            Figure("longest tick of posting", _named("tick_seconds"), "s"),
            Figure("slowest sensor over 200,000 decisions", _named("sensor_ms"), "ms"),
        ),
    ),
    Benchmark(
        "launchers", "Dagster's default launcher against warm Celery workers",
        ("--runs", "4", "--batch", "8"),
        (
            Figure("from the request to RUN_START, a warm worker over a process per run", at("latency_ratio"), "×"),
            Figure("runs a minute, one worker over one process at a time", at("throughput_ratio_1"), "×"),
            Figure("runs a minute, two workers over two processes at a time", at("throughput_ratio_2"), "×"),
        ),
    ),
)  # fmt: skip
