"""Incident 23: staging and production sharing Redis keys. One key builder; every key carries the prefix."""

import ast
from pathlib import Path

import redis

from xbot_dagster.store.cache import Cache

PACKAGE = Path(__file__).parents[2] / "xbot_dagster"


def test_two_prefixes_never_see_each_other(cache_url: str) -> None:
    staging, production = Cache(cache_url, "t23stg:"), Cache(cache_url, "t23prod:")
    staging.put("default", "bandit:question", "1")
    production.put("default", "bandit:question", "2")
    staging.remember_hashes("default", ["sha256:" + "a" * 64])
    staging.replace_queue("other", {"x": 1.0})
    assert staging.get("default", "bandit:question") == "1"
    assert production.scan() == ["t23prod:bandit:question"]
    assert staging.clear() == 3
    assert production.get("default", "bandit:question") == "2"
    raw = redis.Redis.from_url(cache_url, decode_responses=True)
    assert [key for key in raw.scan_iter("*question*") if not str(key).startswith(("t23", "sandbox:", "test"))] == []
    production.clear()


def test_only_the_key_builder_speaks_to_redis() -> None:
    importers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if any(name == "redis" or name.startswith("redis.") for name in names):
                importers.add(path.relative_to(PACKAGE).as_posix())
    # The launcher only pings the broker; its keys carry the prefix by Celery's own option.
    assert importers == {"store/cache.py", "resources/launcher.py"}
