"""A small client of the world's control API, for tests, the rehearsal and the benchmarks. Standard library only."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from xbot_dagster.errors import UserError


class SandboxError(UserError):
    """The sandbox refused a request or cannot be reached."""

    def __init__(self, message: str, hint: str = "", status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


@dataclass(frozen=True)
class SandboxClient:
    """Speaks to one world at `url`, as in `http://127.0.0.1:4711`. Every method raises SandboxError."""

    url: str
    timeout: float = 30.0  # seconds of real time

    def health(self) -> dict[str, Any]:
        return self.call("GET", "/_sandbox/health")

    def clock(self) -> dict[str, Any]:
        return self.call("GET", "/_sandbox/clock")

    def create_account(self, handle: str, followers: int = 1200, timezone: str = "UTC", **more: Any) -> dict[str, Any]:
        """Creates the account or returns the one that is there. `more`: name, locale, long_posts."""
        return self.call(
            "POST", "/_sandbox/accounts", {"handle": handle, "followers": followers, "timezone": timezone, **more}
        )

    def account(self, handle: str) -> dict[str, Any]:
        return self.call("GET", f"/_sandbox/accounts/{quote(handle)}")

    def storage_state(self, handle: str) -> dict[str, Any]:
        """Playwright storage state with a valid session; asking again after an expiry is the operator's new login."""
        return self.call("GET", f"/_sandbox/accounts/{quote(handle)}/storage_state")

    def end_session(self, handle: str) -> None:
        self.call("DELETE", f"/_sandbox/accounts/{quote(handle)}/session")

    def set_fault(
        self,
        name: str,
        count: int | None = None,
        probability: float | None = None,
        seed: int = 0,
        skip: int = 0,
        **params: Any,
    ) -> int:
        """Sets a fault of `faults.FAULTS`; without count and probability it strikes as often as that fault's
        kind says."""
        body = {"name": name, "count": count, "probability": probability, "params": params, "seed": seed, "skip": skip}
        return self.call("POST", "/_sandbox/faults", body)["id"]

    def faults(self) -> list[dict[str, Any]]:
        return self.call("GET", "/_sandbox/faults")["set"]

    def clear_faults(self, name: str | None = None) -> int:
        return self.call("DELETE", f"/_sandbox/faults/{name}" if name else "/_sandbox/faults")["removed"]

    def set_llm_fault(
        self,
        name: str,
        count: int | None = None,
        probability: float | None = None,
        seed: int = 0,
        skip: int = 0,
        **params: Any,
    ) -> int:
        """Sets a fault of the writer: rate_limit, insufficient_quota, server_error, unavailable, slow,
        malformed_json, refusal, over_length, wrong_language, empty."""
        body = {"name": name, "count": count, "probability": probability, "params": params, "seed": seed, "skip": skip}
        return self.call("POST", "/_sandbox/llm/faults", body)["id"]

    def clear_llm_faults(self) -> int:
        return self.call("DELETE", "/_sandbox/llm/faults")["removed"]

    def llm_calls(self) -> list[dict[str, Any]]:
        return self.call("GET", "/_sandbox/llm/calls")["calls"]

    def ledger(self, handle: str | None = None, **filters: Any) -> dict[str, Any]:
        """The judge: `count`, `duplicates`, `posts` and tallies of everything ever accepted. `filters`:
        origin, since, limit."""
        return self.call("GET", "/_sandbox/ledger", query={"handle": handle, **filters})

    def submits(self, handle: str | None = None) -> dict[str, Any]:
        """Every submit that reached the server, refused and lost ones too."""
        return self.call("GET", "/_sandbox/submits", query={"handle": handle})

    def truth(self, handle: str, **context: Any) -> dict[str, Any]:
        """Expected follows and reward per style and hour. `context`: date, topic, hook, novelty."""
        return self.call("GET", "/_sandbox/truth", query={"handle": handle, **context})

    def counterfactual(self, handle: str, hours: str | None = None) -> dict[str, Any]:
        """Followers gained against what random choice would have gained on the same audience."""
        return self.call("GET", "/_sandbox/counterfactual/random", query={"handle": handle, "hours": hours})

    def mention(self, handle: str, text: str, **more: Any) -> dict[str, Any]:
        """Somebody mentions or quotes the account. `more`: author, author_followers, kind, about_post, minutes_ago."""
        return self.call("POST", "/_sandbox/mentions", {"handle": handle, "text": text, **more})

    def ghost(self, handle: str, text: str) -> dict[str, Any]:
        """A post on the account that nobody ordered."""
        return self.call("POST", "/_sandbox/ghosts", {"handle": handle, "text": text})

    def delete_post(self, post_id: str | int, tombstone: bool = False) -> None:
        self.call("DELETE", f"/_sandbox/posts/{post_id}", query={"tombstone": str(tombstone).lower()})

    def recorded_post(self, handle: str, text: str, in_reply_to: str | int | None = None) -> dict[str, Any]:
        return self.call(
            "POST", "/_sandbox/recorded/posts", {"handle": handle, "text": text, "in_reply_to": in_reply_to}
        )

    def recorded_metrics(self, ids: list[str]) -> dict[str, Any]:
        return self.call("POST", "/_sandbox/recorded/metrics", {"ids": ids})

    def recorded_followers(self, handle: str) -> int:
        return self.call("GET", f"/_sandbox/recorded/followers/{quote(handle)}")["followers"]

    def recorded_mentions(self, handle: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/_sandbox/recorded/mentions/{quote(handle)}")["mentions"]

    def call(self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None) -> Any:
        """One request; the decoded JSON of a 2xx answer."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        address = f"{self.url.rstrip('/')}{path}" + (f"?{urlencode(asked)}" if asked else "")
        data = None if body is None else json.dumps(body).encode()
        request = Request(address, data, {"content-type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                return json.loads(answer.read() or b"null")
        except HTTPError as problem:
            raise SandboxError(
                f"The sandbox refused {method} {path}: {_reason(problem)}.", status=problem.code
            ) from problem
        except (URLError, OSError, ValueError) as problem:
            raise SandboxError(
                f"The sandbox at {self.url} gave no answer to {method} {path}.", "Is its process running?"
            ) from problem


def _reason(problem: HTTPError) -> str:
    try:
        told = json.loads(problem.read())
    except ValueError:
        return f"HTTP {problem.code}"
    detail = told.get("detail") or told.get("error") or told.get("errors")
    return detail if isinstance(detail, str) else json.dumps(detail)
