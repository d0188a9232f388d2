"""What X's web client was answered when it submitted a post, as one of the results of publishing."""

from datetime import UTC, datetime
from typing import Any

from xbot_dagster.x.protocols import Deferred, InDoubt, Posted, PublishResult, Rejected

# Codes that mean "later"; those that say nothing about whether the post was taken; and "you already said that".
_LATER = {88, 185, 344}
_UNSURE = {29, 130, 131, 187}
_FIELDS = ("create_tweet", "notetweet_create")


def judge(status: int, headers: dict[str, str], body: Any) -> PublishResult:
    """The meaning of the answer to CreateTweet. HTTP 200 is not success, and only an explicit answer ends a doubt."""
    error = _error(body)
    code = error.get("code") if error else None
    message = str(error.get("message", "")) if error else f"HTTP {status}"
    if status == 429 or code in _LATER:
        return Deferred(_reset(headers), code if isinstance(code, int) else 429, message)
    if status >= 500 or code in _UNSURE:
        return InDoubt(message, {"http_status": status, "code": code})
    if isinstance(code, int):
        return Rejected(code, message)
    if status >= 400:
        return Rejected(status, message)
    tweet_id = _rest_id(body)
    if tweet_id is None:
        return InDoubt("the server answered 200 without a post", {"http_status": status})
    return Posted(tweet_id, "response")


def _error(body: Any) -> dict[str, Any] | None:
    errors = body.get("errors") if isinstance(body, dict) else None
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None


def _rest_id(body: Any) -> str | None:
    data = body.get("data") if isinstance(body, dict) else None
    for name in _FIELDS:
        node = data.get(name) if isinstance(data, dict) else None
        for step in ("tweet_results", "result"):
            node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict):
            inner = node["tweet"] if isinstance(node.get("tweet"), dict) else node
            found = inner.get("rest_id") or (inner.get("legacy") or {}).get("id_str")
            if found:
                return str(found)
    return None


def _reset(headers: dict[str, str]) -> datetime | None:
    value = headers.get("x-rate-limit-reset", "")
    return datetime.fromtimestamp(int(value), UTC) if value.isdigit() else None
