"""Training at scale: load + features + fit against a bare LightGBM fit on the same matrix, and a back-fill against its fits.

Writes synthetic posts into an embedded PostgreSQL of its own, trains through the product's own path, prints one JSON
object. `python -m benchmarks.training --json` takes minutes; `--rows 10000 --partitions 30` a few seconds.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from benchmarks.environment import print_result
from benchmarks.ground import database
from xbot_dagster.clock import Clock, SimulatedClock
from xbot_dagster.settings import Settings
from xbot_dagster.store import frames

NOW = datetime(2026, 11, 8, tzinfo=UTC)
SIZES = (10_000, 100_000, 1_000_000)
ACCOUNT = "default"
# One post every ten minutes: an account of a million posts is nineteen years old.
EVERY = timedelta(minutes=10)
BACKFILL_EVERY = timedelta(hours=6)
FULL = 1_000_000

_POSTS = """
INSERT INTO content_metadata (decision_id, account, decision_type, text, topic, arm, generation_source, status, scheduled_at,
                              hook_pattern, novelty, simulated, created_at)
SELECT md5('post' || g)::uuid, :account, 'single',
       'Post ' || g || ' on ' || (ARRAY['sleep','walking','reading','focus'])[1 + g % 4] || ': '
       || (ARRAY['rest well','take steps','turn pages','keep at it','plan the week'])[1 + (g * 7) % 5],
       (ARRAY['sleep','walking','reading','focus'])[1 + g % 4], 'arm' || (g * 13) % 10, 'synthetic', 'posted',
       cast(:start AS timestamptz) + g * cast(:every AS interval),
       (ARRAY['none','question','cta'])[1 + g % 3], (g % 100) / 100.0, true,
       cast(:start AS timestamptz) + g * cast(:every AS interval) - interval '12 hours'
FROM generate_series(1, :rows) g
"""
_PUBLISHED = """
INSERT INTO posted_decisions (decision_id, account, tweet_id, text, posted_at, publisher, via, simulated)
SELECT decision_id, account, (100000000000000000 + row_number() OVER (ORDER BY scheduled_at))::text, text, scheduled_at, 'recorded',
       'response', true FROM content_metadata
"""
_OUTCOMES = """
INSERT INTO outcomes (decision_id, collected_pass, account, tweet_id, impressions, likes, retweets, replies, profile_visits, follows,
                      simulated, source, read_status, observed_age_s, collected_at)
SELECT p.decision_id, 2, p.account, p.tweet_id, shown, (shown * 0.01 * e)::int, (shown * 0.002 * e)::int, (shown * 0.001 * e)::int,
       (shown * 0.003 * e)::int, (shown * 0.0003 * e)::int, true, 'recorded', 'ok', 86400, p.posted_at + interval '24 hours'
FROM posted_decisions p JOIN content_metadata c USING (decision_id),
LATERAL (SELECT exp(6.8 + 0.6 * (random() + random() + random() - 1.5) + 0.2 * sin(extract(hour FROM p.posted_at) / 4))::int AS shown,
                exp(0.4 * (ascii(right(c.arm, 1)) - 52) / 5.0 + random() - 0.5) AS e) AS world
"""


def _features_sql() -> str:
    """The features of a post as `domain.measuring.features` names them, made up: only their number and size count."""
    from xbot_dagster.domain.measuring.features import extract

    sample = extract("Did you know? Two steps a day.", NOW, "UTC", novelty=0.5).as_dict()
    parts = []
    for name, value in sample.items():
        if name == "feature_version":
            made = str(value)
        elif name == "hour":
            made = "extract(hour FROM p.posted_at)::int"
        elif isinstance(value, str):
            made = "'none'"
        elif value is None:
            made = "null::float8"
        elif isinstance(value, bool):
            made = "random() < 0.1"
        else:
            made = "round((random() * 10)::numeric, 3)"
        parts.append(f"'{name}', {made}")
    return (
        "INSERT INTO post_features (decision_id, feature_version, account, posted_day, features) "
        f"SELECT p.decision_id, 'v1', p.account, (p.posted_at AT TIME ZONE 'UTC')::date, jsonb_build_object({', '.join(parts)}) "
        "FROM posted_decisions p"
    )


def fill(engine: Engine, rows: int, every: timedelta = EVERY) -> None:
    """`rows` published, measured, described posts of one account, `every` so often, ending two days before NOW."""
    start = NOW - timedelta(days=2) - rows * every
    with engine.begin() as conn:
        conn.execute(text("SET LOCAL statement_timeout = 0"))
        conn.execute(text("SET LOCAL synchronous_commit = off"))
        for table in ("post_features", "outcomes", "posted_decisions", "content_metadata"):
            conn.execute(text(f"TRUNCATE {table} CASCADE"))
        conn.execute(text("SELECT setseed(0.5)"))
        conn.execute(text(_POSTS), {"account": ACCOUNT, "start": start, "every": every, "rows": rows})
        for statement in (_PUBLISHED, _OUTCOMES, _features_sql()):
            conn.execute(text(statement))
    with psycopg.connect(_plain(engine), autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")


def _plain(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def measure(engine: Engine) -> dict[str, float]:
    """Seconds of loading, of building features, of fitting, and of the bare LightGBM fits on the same matrix.

    `load_s` and `ratio` are of the first load; `frame_rows_per_s` of the median of three, as much of the first goes into memory that
    the process has not used before. `keep_s`: putting all months that are over aside, as training does it with the month that
    has become so; here all at once.
    """
    import lightgbm
    import numpy as np

    from xbot_dagster.domain.learning.one_thread import one_thread
    from xbot_dagster.domain.learning.predictors import known_posts
    from xbot_dagster.domain.learning.predictors_design import Fitted, Material
    from xbot_dagster.domain.learning.predictors_frame import LOG_TARGETS
    from xbot_dagster.domain.learning.stack import TREE_PARAMETERS, TREE_ROUNDS
    from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder
    from xbot_dagster.stages import features

    WordLlamaEmbedder().embed(["warm"])
    query = frames.FrameQuery(ACCOUNT, True, NOW, features.version())
    asked = time.perf_counter()
    frames.keep_months(engine, query)
    started = time.perf_counter()
    frame = frames.training_frame(engine, query)
    loaded = time.perf_counter()
    with one_thread("lightgbm"):
        posts = known_posts(frame, "UTC", NOW)
        read = time.perf_counter()
        material = Material.build(posts, frame, LOG_TARGETS, WordLlamaEmbedder(), int(NOW.timestamp()))
        built = time.perf_counter()
        rows = material.known_at(int(NOW.timestamp()))
        Fitted.fit(material, rows, 7)
        fitted = time.perf_counter()
        matrix = material.base[rows]
        targets = [material.y[rows, column] for column in range(material.y.shape[1])]
        targets.append((targets[0] > np.median(targets[0])).astype(float))
        bare = time.perf_counter()
        for number, target in enumerate(targets):
            objective = "binary" if number == len(targets) - 1 else "regression"
            data = lightgbm.Dataset(matrix, target, params={"max_bin": TREE_PARAMETERS["max_bin"], "verbosity": -1})
            lightgbm.train({**TREE_PARAMETERS, "objective": objective, "seed": 7}, data, TREE_ROUNDS)
        ended = time.perf_counter()
    count = len(frame)
    del frame, posts, material, matrix
    loads = [loaded - started, *(_load_seconds(engine, query) for _ in range(2))]
    return {
        "keep_s": started - asked,
        "load_s": loaded - started,
        "read_s": read - loaded,
        "features_s": built - read,
        "fit_s": fitted - built,
        "bare_s": ended - bare,
        "ratio": (fitted - started) / (ended - bare),
        "frame_rows_per_s": count / statistics.median(loads),
    }


def _load_seconds(engine: Engine, query: frames.FrameQuery) -> float:
    started = time.perf_counter()
    frames.training_frame(engine, query)
    return time.perf_counter() - started


@contextmanager
def _timed_fits() -> Iterator[list[float]]:
    """Collects the seconds of every fit made inside, whoever asks for it."""
    from xbot_dagster.domain.learning.predictors_design import Fitted

    original, spent = Fitted.fit, []

    def fit(*args: Any, **options: Any) -> Fitted:
        started = time.perf_counter()
        try:
            return original(*args, **options)
        finally:
            spent.append(time.perf_counter() - started)

    Fitted.fit = staticmethod(fit)  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        Fitted.fit = original  # type: ignore[method-assign]


def measure_backfill(engine: Engine, clock: Clock, settings: Settings, partitions: int) -> dict[str, float]:
    """Seconds of a back-fill of `partitions` days (reading, fits, scores, storing) and of its fits alone."""
    from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder
    from xbot_dagster.stages import backtest

    per_day = timedelta(days=1) // BACKFILL_EVERY
    fill(engine, (partitions + 14) * per_day, BACKFILL_EVERY)
    last = (NOW - timedelta(days=10)).date()
    WordLlamaEmbedder().embed(["warm"])
    with _timed_fits() as spent:
        started = time.perf_counter()
        reports = backtest.run_range(
            engine, clock, settings, ACCOUNT, last - timedelta(days=partitions - 1), last, "content"
        )
        total = time.perf_counter() - started
    stored = sum(report.version is not None for report in reports)
    return {"partitions": stored, "backfill_s": total, "fits_s": sum(spent), "ratio": total / sum(spent)}


def run(rows: int, partitions: int) -> dict[str, Any]:
    """All figures; `ratio_1m` is None unless a million rows were asked for."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    sizes = [size for size in SIZES if size < rows] + [rows]
    with TemporaryDirectory(prefix="xb") as folder:
        clock = SimulatedClock(Path(folder) / "clock.json")
        clock.set(NOW)
        found: dict[str, dict[str, float]] = {}
        with database(clock) as (engine, settings, _):
            backfill = measure_backfill(engine, clock, settings, partitions)
            for size in sizes:
                fill(engine, size)
                found[str(size)] = {name: round(value, 3) for name, value in measure(engine).items()}
    largest = found[str(rows)]
    return {
        "ratio_1m": largest["ratio"] if rows == FULL else None,
        "frame_rows_per_s": round(largest["frame_rows_per_s"]),
        "backfill_ratio": round(backfill["ratio"], 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "sizes": found,
        "backfill": {name: round(value, 3) for name, value in backfill.items()},
    }


def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=FULL, help="largest number of outcomes (default 1,000,000)")
    parser.add_argument("--partitions", type=int, default=365, help="days of the back-fill (default 365)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.rows < 1000 or options.partitions < 7:
        parser.error("--rows must be at least 1000, --partitions at least 7")
    logging.getLogger("xbot").setLevel(logging.ERROR)
    print_result(run(options.rows, options.partitions), options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
