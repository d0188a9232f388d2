"""Every operation of the OpenAPI document under generated requests: no defect, no undocumented answer."""

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from tests import operations_world
from tests.operations_api import TOKEN
from xbot_dagster.clock import FixedClock

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def document(app: FastAPI, engine: Engine, clock: FixedClock):
    with engine.begin() as conn:
        operations_world.fill(conn, clock.now(), days=2)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_generated_requests_find_no_defect(document, mode: schemathesis.GenerationMode) -> None:
    tried = 0
    for found in document.get_all_operations():
        operation = found.ok()
        takes_values = any(operation.definition.raw.get(part) for part in ("parameters", "requestBody"))
        if mode is schemathesis.GenerationMode.NEGATIVE and not takes_values:
            continue  # there is nothing to get wrong

        @hypothesis.settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def call(case) -> None:
            case.headers["x-admin-token"] = TOKEN
            case.call_and_validate(checks=_CHECKS, base_url="http://127.0.0.1")

        call()
        tried += 1
    assert tried >= 20


def test_every_operation_says_what_it_does(document) -> None:
    for found in document.get_all_operations():
        assert found.ok().definition.raw.get("summary")
