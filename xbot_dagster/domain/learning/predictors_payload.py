"""A predictor at rest: JSON for linear models and tables, LightGBM's own text for trees, never pickle.

Belongs here: the format, its version, its checksum, and what is said about a payload that cannot be used. Does not
belong here: where payloads are kept (Postgres is the truth, Redis a cache).

A payload survives jsonb and Redis unchanged: finite numbers only, no negative zero in the checksum, keys in any order.
Only a payload whose checksum holds is handed to LightGBM, which ends the whole process on some damaged texts.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Final

from xbot_dagster.domain.learning.conformal import ErrorBand
from xbot_dagster.domain.learning.predictors import ContentPredictor
from xbot_dagster.domain.learning.predictors_design import Fitted, all_features
from xbot_dagster.domain.learning.predictors_history import HistoryTable
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor
from xbot_dagster.domain.learning.stack import Stack
from xbot_dagster.domain.learning.text_models import EmbeddingRidge, TfidfRidge
from xbot_dagster.domain.learning.walkforward import Interval
from xbot_dagster.domain.measuring.features import FEATURE_VERSION
from xbot_dagster.errors import UserError

FORMAT_VERSION: Final = 1
CONTENT: Final = "content"
TIMING: Final = "timing"


class PayloadError(UserError):
    """A stored predictor cannot be used; `reason` says why in one clause, for the log line of the fallback."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The stored predictor cannot be used: {reason}.", "Train again or roll back to another version."
        )
        self.reason = reason


def to_payload(predictor: ContentPredictor | TimingPredictor) -> dict[str, Any]:
    """JSON-able dict; `from_payload` gives a predictor whose predictions are equal bit for bit."""
    body = _content_body(predictor) if isinstance(predictor, ContentPredictor) else predictor.to_payload()
    payload = {
        "format": FORMAT_VERSION,
        "feature_version": FEATURE_VERSION,
        "kind": CONTENT if isinstance(predictor, ContentPredictor) else TIMING,
        "body": body,
    }
    return {**payload, "checksum": _checksum(payload)}


def from_payload(payload: Any) -> ContentPredictor | TimingPredictor:
    """Inverse of `to_payload`. Raises PayloadError for anything this version did not write."""
    if not isinstance(payload, dict):
        raise PayloadError("it is not an object")
    if payload.get("format") != FORMAT_VERSION:
        raise PayloadError(f"its format {payload.get('format')!r} is unknown, this version reads {FORMAT_VERSION}")
    if payload.get("feature_version") != FEATURE_VERSION:
        raise PayloadError(
            f"it was trained on features {payload.get('feature_version')!r}, posts now have {FEATURE_VERSION}"
        )
    try:
        checksum = _checksum({name: value for name, value in payload.items() if name != "checksum"})
    except (TypeError, ValueError) as error:
        raise PayloadError("it holds something that is not JSON") from error
    if payload.get("checksum") != checksum:
        raise PayloadError("its checksum does not match")
    readers = {CONTENT: _content, TIMING: TimingPredictor.from_payload}
    if payload.get("kind") not in readers:
        raise PayloadError(f"its kind {payload.get('kind')!r} is unknown")
    try:
        return readers[payload["kind"]](payload["body"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PayloadError(f"its body is damaged ({type(error).__name__}: {error})") from error


def _content_body(predictor: ContentPredictor) -> dict[str, Any]:
    fitted = predictor.fitted
    return {
        "as_of": predictor.as_of.isoformat(),
        "zone": predictor.zone,
        "random_state": predictor.random_state,
        "n": predictor.n,
        "targets": list(fitted.targets),
        "features": list(fitted.features),
        "words": fitted.words.to_payload() if fitted.words else None,
        "embedding": fitted.embedding.to_payload() if fitted.embedding else None,
        "stacks": {name: stack.to_payload() for name, stack in fitted.stacks.items()},
        "median_of": fitted.median_of,
        "median": fitted.median,
        "history": predictor.history.to_payload(),
        "ranges": {name: list(bounds) for name, bounds in predictor.ranges.items()},
        "bands": {name: band.to_payload() for name, band in predictor.bands.items()},
        "served_by": predictor.served_by,
        "metrics": predictor.metrics,
        "gain": [predictor.gain.value, predictor.gain.low, predictor.gain.high] if predictor.gain else None,
        "forward": predictor.forward,
    }


def _content(body: dict[str, Any]) -> ContentPredictor:
    targets = tuple(body["targets"])
    words = None if body["words"] is None else TfidfRidge.from_payload(body["words"])
    embedding = None if body["embedding"] is None else EmbeddingRidge.from_payload(body["embedding"])
    features = all_features(targets, words=words is not None, embedding=embedding is not None)
    if tuple(body["features"]) != features:
        raise ValueError("it was trained on other columns")
    fitted = Fitted(
        targets=targets,
        words=words,
        embedding=embedding,
        stacks={name: Stack.from_payload(stack, features) for name, stack in body["stacks"].items()},
        median_of=body["median_of"],
        median=body["median"],
    )
    if not set(targets) <= set(fitted.stacks):
        raise ValueError("a target has no model")
    gain = body["gain"]
    return ContentPredictor(
        as_of=datetime.fromisoformat(body["as_of"]),
        zone=body["zone"],
        random_state=int(body["random_state"]),
        n=int(body["n"]),
        fitted=fitted,
        history=HistoryTable.from_payload(body["history"]),
        ranges={name: (float(low), float(high)) for name, (low, high) in body["ranges"].items()},
        bands={name: ErrorBand.from_payload(band) for name, band in body["bands"].items()},
        served_by=dict(body["served_by"]),
        metrics=dict(body["metrics"]),
        gain=None if gain is None else Interval(*(float(value) for value in gain)),
        forward={post: dict(values) for post, values in body["forward"].items()},
    )


def _checksum(payload: dict[str, Any]) -> str:
    text = json.dumps(_plain(payload), sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Numbers as jsonb returns them: it knows no negative zero and no difference between 1.0 and 1."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return float(value) + 0.0
