"""Fixtures: a scripted OpenAI-compatible server over real HTTP, the parts planning needs, and the sandbox's own world."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine
from werkzeug import Request, Response

from tests.content_parts import TOPICS, Writer, brief_of, completion, sentence
from xbot_dagster.clock import FixedClock, SimulatedClock
from xbot_dagster.llm.client import BudgetedClient
from xbot_dagster.sandbox.client import SandboxClient
from xbot_dagster.sandbox.process import start_world, stop_world
from xbot_dagster.settings import Settings, load_settings
from xbot_dagster.stages import loading, refresh
from xbot_dagster.stages.policies import Policies
from xbot_dagster.store import config
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.usage import UsageLedger


@pytest.fixture
def writer(httpserver: HTTPServer) -> Writer:
    state = Writer(url=httpserver.url_for("/llm/v1"))
    ids = itertools.count()

    def answer(request: Request) -> Response:
        body = request.get_json()
        state.calls.append({"path": request.path, "body": body})
        if request.path.endswith("/moderations"):
            if state.moderation is not None:
                return state.moderation
            results = [
                {"flagged": state.flagged, "categories": {"violence": state.flagged}, "category_scores": {}}
                for _ in body["input"]
            ]
            return Response(
                json.dumps({"id": f"m{next(ids)}", "model": "omni", "results": results}),
                content_type="application/json",
            )
        if state.answers:
            given = state.answers.pop(0)
            return (
                given
                if isinstance(given, Response)
                else Response(json.dumps(completion(given)), content_type="application/json")
            )
        brief = brief_of({"body": body})
        make = state.text or sentence
        drafts = [{"parts": [make(brief, d, p) for p in range(brief["parts"])]} for d in range(brief["drafts"])]
        return Response(json.dumps(completion(json.dumps({"drafts": drafts}))), content_type="application/json")

    httpserver.expect_request(re.compile("^/llm/v1/.*")).respond_with_handler(answer)
    return state


@pytest.fixture
def llm_settings(writer: Writer, tmp_path: Path) -> Settings:
    return load_settings({"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo", "OPENAI_BASE_URL": writer.url})


@pytest.fixture
def llm(engine: Engine, llm_settings: Settings, clock: FixedClock) -> Iterator[BudgetedClient]:
    client = BudgetedClient(UsageLedger(engine, llm_settings, clock), llm_settings, clock, rng=np.random.default_rng(1))
    yield client
    client.close()


@pytest.fixture
def cache(cache_url: str, tmp_path: Path) -> Iterator[Cache]:
    cache = Cache(cache_url, f"t{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]}:")
    yield cache
    cache.clear()
    cache.close()


@pytest.fixture
def policies(engine: Engine, clock: FixedClock, llm_settings: Settings, cache: Cache) -> Policies:
    return Policies(engine, clock, llm_settings, cache)


@pytest.fixture
def filled(engine: Engine, clock: FixedClock, llm_settings: Settings, cache: Cache, tmp_path: Path) -> Engine:
    """The engine with a queue of forty candidates."""
    topics = "".join(
        f"      - topic: {topic}\n        angles: [{', '.join(f'{topic} idea number {n} for a calmer week' for n in range(8))}]\n"
        for topic in TOPICS
    )
    path = tmp_path / "sources.yaml"
    path.write_text(f"sources:\n  - name: bank\n    kind: topic_bank\n    topics:\n{topics}")
    with engine.begin() as conn:
        config.write(conn, llm_settings, "learning_config", "posts_per_day", 12)
        loading.load_sources(conn, path, "default")
    refresh.run(engine, clock, llm_settings, cache)
    return engine


@pytest.fixture
def world(tmp_path: Path, clock: FixedClock) -> Iterator[SandboxClient]:
    """The sandbox's world in a process of its own, on a clock file that stands at the test's instant."""
    stopped = SimulatedClock(tmp_path / "clock.json", clock.now())
    handle = start_world(tmp_path / "world", seed=7, clock_file=stopped.path)
    yield handle.client
    stop_world(handle)


@pytest.fixture
def world_settings(world: SandboxClient, tmp_path: Path) -> Settings:
    return load_settings(
        {"XBOT_HOME": str(tmp_path / "xbot"), "X_HANDLE": "xbot_demo", "OPENAI_BASE_URL": f"{world.url}/llm/v1"}
    )
