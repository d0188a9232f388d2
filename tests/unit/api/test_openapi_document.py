"""The OpenAPI document says what comes back: every JSON answer has a typed schema and an example that fits it."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from xbot_dagster.api.app import create_app
from xbot_dagster.errors import DatabaseError
from xbot_dagster.resources.opening import Opened
from xbot_dagster.settings import load_settings

# A data set has the columns it has.
FREE_ROWS = {"/api/exports/{dataset}.{format}"}
# A table without a type at the place of an object: what a policy, predictor, learner or operator wrote down for itself.
FREE_FIELDS = {
    "after", "before", "candidates", "content_config", "context", "controls", "details", "did", "feature_flags", "features",
    "learning_config", "metrics", "plan", "posterior", "predicted", "refs", "shadow",
}  # fmt: skip


def _nothing_to_open() -> Opened:
    raise DatabaseError("The database is not asked for the document.", "")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = load_settings({"XBOT_HOME": str(tmp_path_factory.mktemp("home"))})
    return create_app(settings, _nothing_to_open, lambda job, actor: "run").openapi()


def answers(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, where, media type entry) of every JSON answer."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                for kind, entry in response.get("content", {}).items():
                    if kind.endswith("json"):
                        yield path, f"{method.upper()} {path} {status}", entry


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema a reference leads to; of what may also be null, the other choice."""
    choices = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    assert len(choices) == 1, schema
    reference = choices[0].get("$ref")
    return document["components"]["schemas"][reference.rsplit("/", 1)[1]] if reference else choices[0]


def free(document: dict[str, Any], schema: dict[str, Any], name: str) -> Iterator[str]:
    """Names of the fields (and lists) below `schema` that hold something without a type."""
    found = resolved(document, schema)
    if found.get("type") == "array":
        yield from free(document, found.get("items", {}), f"{name}[]")
    elif "properties" in found:
        for field, each in found["properties"].items():
            yield from free(document, each, field)
    elif isinstance(found.get("additionalProperties"), dict):
        yield from free(document, found["additionalProperties"], f"{name}{{}}")
    elif found.get("type") in (None, "object") and "const" not in found:
        yield name


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The components, where an object may hold nothing that its schema does not name."""
    found = copy.deepcopy(document["components"])
    for schema in found["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return found


def test_every_json_answer_has_a_typed_schema(document: dict[str, Any]) -> None:
    untyped = {
        where: names
        for path, where, entry in answers(document)
        if path not in FREE_ROWS and (names := set(free(document, entry.get("schema", {}), "(answer)")) - FREE_FIELDS)
    }
    assert untyped == {}


def test_every_json_answer_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    components, seen = strict(document), 0
    for _, where, entry in answers(document):
        assert entry.get("example"), f"{where} has no example"
        schema = {**entry["schema"], "components": components}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        assert [f"{where} {e.instance_path}: {e.message}" for e in validator.iter_errors(entry["example"])] == []
        seen += 1
    assert seen > 200


def test_every_body_that_is_sent_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    components = strict(document)
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    ]
    assert len(bodies) > 8
    for body in bodies:
        found = resolved(document, body)
        validator = jsonschema_rs.Draft202012Validator({**found, "components": components}, validate_formats=True)
        assert found["examples"]
        assert [e.message for example in found["examples"] for e in validator.iter_errors(example)] == []


def test_the_ways_to_send_the_token_are_named(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header", "basic"}
