"""A predictor at rest: equal bit for bit after JSON, refused with a reason when it is anything else."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from xbot_dagster.domain.learning.predictors import ContentPredictor, train_content
from xbot_dagster.domain.learning.predictors_payload import PayloadError, from_payload, to_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor, train_timing
from xbot_dagster.domain.measuring.embedders import WordLlamaEmbedder

from .frames import end_of, frame, without_outcomes

EMBEDDER = WordLlamaEmbedder()


@pytest.fixture(scope="module")
def posts():
    return frame(160)


@pytest.fixture(scope="module")
def content(posts) -> ContentPredictor:
    trained = train_content(posts, as_of=end_of(posts), random_state=7, embedder=EMBEDDER)
    assert isinstance(trained, ContentPredictor)
    return trained


@pytest.fixture(scope="module")
def stored(content) -> str:
    return json.dumps(to_payload(content))


def test_content_round_trip_bit_for_bit(content, stored, posts):
    loaded = from_payload(json.loads(stored))
    assert isinstance(loaded, ContentPredictor)
    candidates = without_outcomes(posts).assign(posted_at=lambda rows: rows.posted_at + timedelta(days=30))
    assert loaded.predict(candidates, embedder=EMBEDDER) == content.predict(candidates, embedder=EMBEDDER)
    assert json.dumps(to_payload(loaded)) == stored
    assert (loaded.metrics, loaded.gain, loaded.bands, loaded.served_by) == (
        content.metrics,
        content.gain,
        content.bands,
        content.served_by,
    )


def test_timing_round_trip_bit_for_bit(posts):
    trained = train_timing(posts, as_of=end_of(posts), random_state=7, zone="Europe/Berlin")
    assert isinstance(trained, TimingPredictor)
    assert from_payload(json.loads(json.dumps(to_payload(trained)))) == trained


def test_the_form_jsonb_gives_back_is_accepted(stored):
    """jsonb sorts keys otherwise, writes 1e-05 as 0.00001 and has no negative zero."""
    turned = json.loads(stored, parse_float=lambda text: float(format(Decimal(text), "f")) + 0.0)
    shuffled = dict(reversed(turned.items()))
    assert from_payload(shuffled).n == 160


def test_nothing_is_pickled_and_json_is_strict(stored):
    json.loads(stored, parse_constant=lambda name: pytest.fail(f"{name} in a payload"))


def damage(stored: str, change) -> object:
    payload = json.loads(stored)
    return change(payload) or payload


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda payload: [payload], "not an object"),
        (lambda payload: "text", "not an object"),
        (lambda payload: payload.update(format=99), "format 99 is unknown"),
        (lambda payload: payload.pop("format") and None, "format None is unknown"),
        (lambda payload: payload.update(feature_version=0), "trained on features 0"),
        (lambda payload: payload.update(checksum="0" * 64), "checksum does not match"),
        (lambda payload: payload.pop("checksum") and None, "checksum does not match"),
        (lambda payload: payload["body"].update(n=1), "checksum does not match"),
        (lambda payload: payload["body"].update(median=float("nan")), "not JSON"),
        (lambda payload: payload["body"]["stacks"]["log_retweets"].update(trees="tree\nnum_leaves=9"), "checksum"),
    ],
)
def test_damage_is_named(stored, change, reason):
    with pytest.raises(PayloadError) as caught:
        from_payload(damage(stored, change))
    assert reason in caught.value.reason
    assert str(caught.value).startswith("The stored predictor cannot be used: ")


def resealed(payload: dict) -> dict:
    """A payload whose content is wrong though its checksum is right: written by a defect, not damaged on the way."""
    from xbot_dagster.domain.learning.predictors_payload import _checksum

    payload.pop("checksum")
    return {**payload, "checksum": _checksum(payload)}


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("history"),
        lambda body: body.update(features=["a"]),
        lambda body: body.update(targets=["log_likes"]),
        lambda body: body["stacks"].pop("log_retweets"),
        lambda body: body["stacks"]["log_retweets"]["linear"]["coefficients"].pop(),
        lambda body: body["stacks"]["log_retweets"]["linear"].update(kind="cubic"),
        lambda body: body["stacks"]["log_retweets"].update(trees="tree\ncut off"),
        lambda body: body["words"]["weights"].update(word=[1.0]),
        lambda body: body["embedding"].update(intercept=[1.0]),
        lambda body: body["history"]["sums"]["arm"].update(educational=[1.0]),
        lambda body: body.update(as_of="yesterday"),
        lambda body: body.update(metrics=3),
    ],
)
def test_wrong_bodies_are_refused_even_with_a_right_checksum(stored, change):
    payload = json.loads(stored)
    change(payload["body"])
    with pytest.raises(PayloadError, match="its body is damaged"):
        from_payload(resealed(payload))


def test_unknown_kind(stored):
    payload = json.loads(stored)
    payload["kind"] = "horoscope"
    with pytest.raises(PayloadError, match="kind 'horoscope' is unknown"):
        from_payload(resealed(payload))
