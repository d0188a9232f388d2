"""Versions of the predictors: what was trained, what serves, what a back-test partition would have been."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from xbot_dagster.errors import Conflict, NotFound
from xbot_dagster.store.engine import one

Kind = Literal["content", "timing"]
KINDS: tuple[Kind, ...] = ("content", "timing")


@dataclass(frozen=True)
class NewVersion:
    """A trained version before it is stored. `payload` holds the models as JSON, `metrics` what walk-forward said."""

    account: str
    kind: str
    algorithm: str
    as_of: datetime
    window_start: datetime | None
    n: int
    features: list[str]
    refs: dict[str, Any]
    metrics: dict[str, Any]
    payload: dict[str, Any]
    simulated: bool


@dataclass(frozen=True)
class VersionHead:
    """One stored version without its payload. Live versions count from 1; a back-test's number is its day, yyyymmdd."""

    account: str
    kind: str
    version: int
    algorithm: str
    as_of: datetime
    window_start: datetime | None
    partition_day: date | None
    n: int
    features: list[str]
    refs: dict[str, Any]
    metrics: dict[str, Any]
    state: str
    state_reason: str | None
    promoted_at: datetime | None
    promoted_by: str | None
    simulated: bool
    created_at: datetime
    run_id: str | None


_HEAD = ", ".join(VersionHead.__dataclass_fields__)
_NEW = (
    "account",
    "kind",
    "algorithm",
    "as_of",
    "window_start",
    "n",
    "features",
    "refs",
    "metrics",
    "payload",
    "simulated",
)
_JSON = ("features", "refs", "metrics", "payload")


def add_candidate(conn: Connection, new: NewVersion, reason: str) -> int:
    """Store a version under the account's next number; returns it. `reason` says why it is not promoted (yet)."""
    conn.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('predictor:' || :account || ':' || :kind, 0))"),
        {"account": new.account, "kind": new.kind},
    )
    number = one(
        conn,
        "SELECT coalesce(max(version), 0) + 1 AS next FROM predictor_versions "
        "WHERE account = :account AND kind = :kind AND state <> 'backtest'",
        account=new.account,
        kind=new.kind,
    ).next
    _insert(conn, new, number, "candidate", reason, None)
    return number


def put_backtest(conn: Connection, new: NewVersion, day: date) -> int:
    """Store what would have been trained on `day`, replacing an earlier answer for that day; never serves."""
    drop_backtest(conn, new.account, new.kind, day)
    number = int(f"{day:%Y%m%d}")
    _insert(conn, new, number, "backtest", "back-test", day)
    return number


def drop_backtest(conn: Connection, account: str, kind: str, day: date) -> None:
    """Forget what an earlier back-test answered for `day`."""
    conn.execute(
        text(
            "DELETE FROM predictor_versions WHERE account = :account AND kind = :kind AND partition_day = :day "
            "AND state = 'backtest'"
        ),
        {"account": account, "kind": kind, "day": day},
    )


def _insert(conn: Connection, new: NewVersion, number: int, state: str, reason: str, day: date | None) -> None:
    values = {name: getattr(new, name) for name in _NEW}
    values |= {name: json.dumps(values[name], allow_nan=False) for name in _JSON}
    placeholders = ", ".join(f"cast(:{name} AS jsonb)" if name in _JSON else f":{name}" for name in _NEW)
    conn.execute(
        text(
            f"INSERT INTO predictor_versions ({', '.join(_NEW)}, version, state, state_reason, partition_day) "
            f"VALUES ({placeholders}, :number, :state, :reason, :day)"
        ),
        {**values, "number": number, "state": state, "reason": reason, "day": day},
    )


def versions(
    conn: Connection, account: str, kind: str | None = None, *, backtests: bool = False, limit: int = 1000
) -> list[VersionHead]:
    """Versions of an account, newest first; back-tests only where asked for."""
    rows = conn.execute(
        text(
            f"SELECT {_HEAD} FROM predictor_versions WHERE account = :account "
            "AND (cast(:kind AS text) IS NULL OR kind = :kind) AND (state <> 'backtest' OR :backtests) "
            "ORDER BY kind, created_at DESC, version DESC LIMIT :limit"
        ),
        {"account": account, "kind": kind, "backtests": backtests, "limit": limit},
    )
    return [VersionHead(**row) for row in rows.mappings()]


def backtests(conn: Connection, account: str, kind: str) -> list[VersionHead]:
    """Back-test partitions in order of their day."""
    rows = conn.execute(
        text(
            f"SELECT {_HEAD} FROM predictor_versions WHERE account = :account AND kind = :kind AND state = 'backtest' "
            "ORDER BY partition_day"
        ),
        {"account": account, "kind": kind},
    )
    return [VersionHead(**row) for row in rows.mappings()]


def backtested(conn: Connection, first: date, last: date) -> list[dict[str, Any]]:
    """Per enabled account and kind, of the partitions `first` to `last`: how many were trained, their mean gain, how many gained."""
    rows = conn.execute(
        text(
            "SELECT account, kind, count(*) AS trained, avg((metrics->'gain'->>0)::float8) AS mean_gain, "
            "count(*) FILTER (WHERE (metrics->'gain'->>0)::float8 > 0) AS better FROM predictor_versions JOIN accounts USING (account) "
            "WHERE enabled AND state = 'backtest' AND partition_day BETWEEN :first AND :last GROUP BY account, kind ORDER BY account, kind"
        ),
        {"first": first, "last": last},
    )
    return [dict(row) for row in rows.mappings()]


def _one_head(conn: Connection, condition: str, **parameters: Any) -> VersionHead | None:
    query = f"SELECT {_HEAD} FROM predictor_versions WHERE account = :account AND kind = :kind AND {condition}"
    row = conn.execute(text(query), parameters).mappings().first()
    return VersionHead(**row) if row else None


def version(conn: Connection, account: str, kind: str, number: int) -> VersionHead:
    """One version. Raises NotFound."""
    found = _one_head(conn, "version = :number", account=account, kind=kind, number=number)
    if found is None:
        raise _no_such(account, kind, number)
    return found


def _no_such(account: str, kind: str, number: int) -> NotFound:
    return NotFound(f"There is no {kind} predictor v{number} of '{account}'.", "List them with: xbot predictors list")


def champion(conn: Connection, account: str, kind: str) -> VersionHead | None:
    """The version that serves, or None."""
    return _one_head(conn, "state = 'champion'", account=account, kind=kind)


def previous_champion(conn: Connection, account: str, kind: str) -> VersionHead | None:
    """The version that served before the present champion, or None."""
    condition = "state = 'retired' AND promoted_at IS NOT NULL ORDER BY promoted_at DESC, version DESC LIMIT 1"
    return _one_head(conn, condition, account=account, kind=kind)


def newest(conn: Connection, account: str, kind: str) -> VersionHead | None:
    """The version trained last, whatever became of it; back-tests do not count."""
    found = versions(conn, account, kind, limit=1)
    return found[0] if found else None


def payload(conn: Connection, account: str, kind: str, number: int) -> dict[str, Any]:
    """The models of a version. Raises NotFound."""
    row = one(
        conn,
        "SELECT payload FROM predictor_versions WHERE account = :account AND kind = :kind AND version = :number",
        account=account,
        kind=kind,
        number=number,
    )
    if row is None:
        raise NotFound(
            f"There is no {kind} predictor v{number} of '{account}'.", "List them with: xbot predictors list"
        )
    return row.payload


def promote(conn: Connection, account: str, kind: str, number: int, *, by: str, reason: str) -> VersionHead | None:
    """Let a version serve; returns the champion it retires. Raises NotFound; Conflict for a back-test or the champion."""
    wanted = version(conn, account, kind, number)
    if wanted.state == "backtest":
        raise Conflict(
            f"v{number} is a back-test of {wanted.partition_day} and never serves.", "Train today: xbot learn"
        )
    if wanted.state == "champion":
        raise Conflict(f"The {kind} predictor v{number} serves already.")
    retired = champion(conn, account, kind)
    if retired is not None:
        conn.execute(
            text(
                "UPDATE predictor_versions SET state = 'retired', state_reason = :reason "
                "WHERE account = :account AND kind = :kind AND version = :number"
            ),
            {"account": account, "kind": kind, "number": retired.version, "reason": f"replaced by v{number}: {reason}"},
        )
    conn.execute(
        text(
            "UPDATE predictor_versions SET state = 'champion', state_reason = :reason, promoted_at = xbot_now(), "
            "promoted_by = :by WHERE account = :account AND kind = :kind AND version = :number"
        ),
        {"account": account, "kind": kind, "number": number, "reason": reason, "by": by},
    )
    return retired


def forget_promotion(conn: Connection, account: str, kind: str, number: int) -> None:
    """Take a retired version out of the line of former champions."""
    conn.execute(
        text(
            "UPDATE predictor_versions SET promoted_at = NULL, promoted_by = NULL "
            "WHERE account = :account AND kind = :kind AND version = :number AND state = 'retired'"
        ),
        {"account": account, "kind": kind, "number": number},
    )


def retire_champion(conn: Connection, account: str, kind: str, reason: str) -> VersionHead | None:
    """Let nothing serve; returns what served."""
    serving = champion(conn, account, kind)
    if serving is not None:
        conn.execute(
            text(
                "UPDATE predictor_versions SET state = 'retired', state_reason = :reason "
                "WHERE account = :account AND kind = :kind AND version = :number"
            ),
            {"account": account, "kind": kind, "number": serving.version, "reason": reason},
        )
    return serving
