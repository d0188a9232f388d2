"""Faults by name: which exist, when they fire, and their memory (kept in the store, so a restart changes nothing)."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xbot_dagster.sandbox.audience import stable_int
from xbot_dagster.sandbox.store import Store, compact

UNLIMITED = None


@dataclass(frozen=True)
class FaultKind:
    """`times` is how often it fires when neither count nor probability is given (None: until deleted)."""

    summary: str
    times: int | None
    params: dict[str, Any] = field(default_factory=dict)


FAULTS: dict[str, FaultKind] = {
    "accept_drop_response": FaultKind("accepts the post, then drops the answer", 1, {"mode": "close"}),
    "accept_slow": FaultKind("accepts the post, answers after `seconds` of real time", 1, {"seconds": 30.0}),
    "drop_request": FaultKind("never accepts, never answers", 1, {"mode": "close"}),
    "reject_187": FaultKind("200 with error 187 (already said that)", 1),
    "reject_226": FaultKind("200 with error 226 (looks automated)", 1),
    "reject_344": FaultKind("200 with error 344 (daily limit)", 1),
    "reject_326": FaultKind("200 with error 326 (locked)", 1),
    "reject_64": FaultKind("200 with error 64 (suspended)", 1),
    "reject_186": FaultKind("200 with error 186 (too long)", 1),
    "reject_433": FaultKind("200 with error 433 (replies restricted)", 1),
    "reject_88": FaultKind("429 with error 88 and rate limit headers", 1, {"reset_seconds": 900}),
    "over_capacity": FaultKind("503 with error 130", 1),
    "empty_result": FaultKind("200 with an empty result; accepted only with `accepted`", 1, {"accepted": False}),
    "read_429": FaultKind("429 on reads", 1, {"reset_seconds": 900}),
    "timeline_lag": FaultKind(
        "an accepted post reaches timelines after `seconds` of simulated time", UNLIMITED, {"seconds": 30.0}
    ),
    "duplicate_check": FaultKind("with `enabled` false identical texts are accepted", UNLIMITED, {"enabled": False}),
    "session_expiry_after_load": FaultKind("the session ends between the loading of the composer and the submit", 1),
    "crash_after_click": FaultKind(
        "the page crashes after the click; accepted unless `accepted` is false", 1, {"accepted": True}
    ),
    "overlay": FaultKind(
        "something covers the page: `kind` consent_mask, got_it or confirmation", 1, {"kind": "got_it"}
    ),
    "stale_toast": FaultKind("an old success toast is still showing when the page loads", 1),
    "count_regression": FaultKind("counts are read at `factor` of their value", 1, {"factor": 0.6}),
    "locked": FaultKind("the account is locked", UNLIMITED),
    "suspended": FaultKind("the account is suspended", UNLIMITED),
    "consent": FaultKind("a consent wall stands before every page", UNLIMITED),
    "analytics_unavailable": FaultKind("post analytics answer with an error", UNLIMITED),
    "locale": FaultKind("the pages speak `lang`", UNLIMITED, {"lang": "de"}),
    "late_hydration": FaultKind("pages stay an empty shell for `ms`", UNLIMITED, {"ms": 1500}),
    "shell_only": FaultKind("the page never hydrates (script load failure)", 1),
    "reply_composer_stuck": FaultKind("compose/post?in_reply_to stays on its loading dialog", 1),
    "llm_rate_limit": FaultKind("429 with Retry-After", 1, {"retry_after": 1, "endpoint": None}),
    "llm_insufficient_quota": FaultKind("429 insufficient_quota", 1, {"endpoint": None}),
    "llm_server_error": FaultKind("500", 1, {"endpoint": None}),
    "llm_unavailable": FaultKind("503", 1, {"retry_after": None, "endpoint": None}),
    "llm_slow": FaultKind("answers after `seconds` of real time", 1, {"seconds": 5.0, "endpoint": None}),
    "llm_malformed_json": FaultKind("the content is cut-off JSON", 1, {"endpoint": None}),
    "llm_refusal": FaultKind("the model refuses", 1, {"endpoint": None}),
    "llm_over_length": FaultKind("drafts are far longer than allowed", 1, {"endpoint": None}),
    "llm_wrong_language": FaultKind("drafts are in German", 1, {"endpoint": None}),
    "llm_empty": FaultKind("the content is empty", 1, {"endpoint": None}),
}


class UnknownFault(ValueError):
    """A fault name nobody has, or a parameter it does not take."""


class FaultBook:
    """Faults that are set, in the order they were set.

    A fault with `probability` draws from its own generator, so whether the n-th opportunity fires depends on
    (seed, n) alone; `skip` lets the first opportunities pass; `params.handle` limits it to one account."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set(
        self,
        name: str,
        count: int | None = None,
        probability: float | None = None,
        params: dict[str, Any] | None = None,
        seed: int = 0,
        skip: int = 0,
    ) -> int:
        """Returns the id of the new fault. Raises UnknownFault."""
        kind, params = FAULTS.get(name), params or {}
        if kind is None:
            raise UnknownFault(f"there is no fault {name!r}; known are {', '.join(FAULTS)}")
        strange = set(params) - set(kind.params) - {"handle"}
        if strange:
            raise UnknownFault(f"fault {name!r} takes {sorted({*kind.params, 'handle'})}, not {sorted(strange)}")
        if probability is not None and not 0 <= probability <= 1:
            raise UnknownFault(f"a probability lies between 0 and 1, not at {probability}")
        limit = count if count is not None or probability is not None else kind.times
        spec = {
            "count": limit,
            "probability": probability,
            "params": {**kind.params, **params},
            "seed": seed,
            "skip": skip,
        }
        with self._store.write() as db:
            cursor = db.execute("insert into faults (name, spec) values (?, ?)", (name, compact(spec)))
            return int(cursor.lastrowid or 0)

    def clear(self, name: str | None = None) -> int:
        """Removes the faults of that name, or all; returns how many."""
        if name is None:
            return self._store.run("delete from faults")
        return self._store.run("delete from faults where name = ?", name)

    def listed(self) -> list[dict[str, Any]]:
        rows = self._store.all("select * from faults order by id")
        return [
            {"id": r["id"], "name": r["name"], **json.loads(r["spec"]), "seen": r["seen"], "fired": r["fired"]}
            for r in rows
        ]

    def fires(self, name: str, handle: str | None = None, endpoint: str | None = None) -> dict[str, Any] | None:
        """One opportunity for `name`: its parameters when it strikes, else None. Uses up a count."""
        for row in self._store.all("select * from faults where name = ? order by id", name):
            spec = json.loads(row["spec"])
            if not _concerns(spec, handle, endpoint) or _spent(spec, row["fired"]):
                continue
            nth, strikes = row["seen"], row["seen"] >= spec["skip"]
            if strikes and spec["probability"] is not None:
                draw = np.random.default_rng([spec["seed"], stable_int(name), nth]).random()
                strikes = bool(draw < spec["probability"])
            self._store.run(
                "update faults set seen = seen + 1, fired = fired + ? where id = ?", int(strikes), row["id"]
            )
            if strikes:
                return spec["params"]
        return None

    def standing(self, name: str, handle: str | None = None) -> dict[str, Any] | None:
        """Parameters of a fault that is a lasting state, without using it up."""
        for row in self._store.all("select * from faults where name = ? order by id desc", name):
            spec = json.loads(row["spec"])
            if _concerns(spec, handle) and not _spent(spec, row["fired"]):
                return spec["params"]
        return None

    def any(self) -> bool:
        return self._store.one("select 1 from faults limit 1") is not None


def _concerns(spec: dict[str, Any], handle: str | None, endpoint: str | None = None) -> bool:
    account, door = spec["params"].get("handle"), spec["params"].get("endpoint")
    return (account is None or handle is None or account.lower() == handle.lower()) and (
        door is None or door == endpoint
    )


def _spent(spec: dict[str, Any], fired: int) -> bool:
    return spec["count"] is not None and fired >= spec["count"]
