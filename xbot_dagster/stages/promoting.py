"""Which predictor version serves: promote, roll back, compare. Every change is audited and reaches the cache after its commit."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine

from xbot_dagster.clock import Clock
from xbot_dagster.domain.learning import promotion
from xbot_dagster.domain.learning.predictors import ContentPredictor
from xbot_dagster.domain.learning.predictors_payload import PayloadError, from_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor
from xbot_dagster.domain.learning.walkforward import Interval
from xbot_dagster.errors import Conflict
from xbot_dagster.settings import Settings
from xbot_dagster.stages import features, serving
from xbot_dagster.store import audit, frames, predictors
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.frames import FrameQuery
from xbot_dagster.store.predictors import VersionHead


@dataclass(frozen=True)
class Promotion:
    """What serves now (None: nothing) and what served before."""

    account: str
    kind: str
    version: int | None
    retired: int | None
    reason: str


def promote(
    engine: Engine, cache: Cache | None, account: str, kind: str, number: int, *, by: str, reason: str
) -> Promotion:
    """Let a stored version serve. Raises NotFound; Conflict for a back-test, the champion, or a version nobody can read."""
    with engine.begin() as conn:
        payload = _readable(conn, account, kind, number)
        retired = predictors.promote(conn, account, kind, number, by=by, reason=reason)
        done = Promotion(account, kind, number, retired.version if retired else None, reason)
        audit.record(conn, "PREDICTOR_PROMOTED", "predictors", done.__dict__ | {"by": by}, account=account)
    if cache is not None:
        serving.cache_champion(cache, account, kind, number, payload)
    return done


def rollback(engine: Engine, cache: Cache | None, account: str, kind: str, *, by: str) -> Promotion:
    """Back to the version that served before; where there was none, nothing serves and drafts are drawn evenly.

    Raises Conflict when nothing serves.
    """
    with engine.begin() as conn:
        champion = predictors.champion(conn, account, kind)
        if champion is None:
            raise Conflict(f"No {kind} predictor of '{account}' serves, so there is nothing to roll back.")
        previous = predictors.previous_champion(conn, account, kind)
        reason = f"rolled back from v{champion.version}"
        payload = None
        if previous is not None:
            payload = _readable(conn, account, kind, previous.version)
            predictors.promote(conn, account, kind, previous.version, by=by, reason=reason)
            # The one left behind is not "the version before" of the next rollback.
            predictors.forget_promotion(conn, account, kind, champion.version)
        else:
            predictors.retire_champion(conn, account, kind, reason)
        done = Promotion(account, kind, previous.version if previous else None, champion.version, reason)
        audit.record(conn, "PREDICTOR_ROLLED_BACK", "predictors", done.__dict__ | {"by": by}, account=account)
    if cache is not None:
        if payload is not None and previous is not None:
            serving.cache_champion(cache, account, kind, previous.version, payload)
        else:
            serving.drop_champion(cache, account, kind)
    return done


def _readable(conn: Connection, account: str, kind: str, number: int) -> dict[str, Any]:
    payload = predictors.payload(conn, account, kind, number)
    try:
        from_payload(payload)
    except PayloadError as error:
        if predictors.version(conn, account, kind, number).state == "backtest":
            return payload  # refused as a back-test by the promotion itself, with the better sentence
        raise Conflict(
            f"The {kind} predictor v{number} cannot be read: {error.reason}.", "Train again: xbot learn"
        ) from None
    return payload


def compare(conn: Connection, account: str, kind: str, one: int, two: int) -> list[dict[str, Any]]:
    """Scores of two versions side by side: target, metric, each version's value. Raises NotFound.

    Scores may rest on different posts; `same_posts` compares two content versions on the posts both predicted.
    """
    heads = [predictors.version(conn, account, kind, number) for number in (one, two)]
    rows = []
    found = [_scores(head) for head in heads]
    for key in dict.fromkeys([*found[0], *found[1]]):
        rows.append({"target": key[0], "metric": key[1], f"v{one}": found[0].get(key), f"v{two}": found[1].get(key)})
    return rows


def same_posts(engine: Engine, clock: Clock, settings: Settings, account: str, one: int, two: int) -> Interval | None:
    """How much better content version `two` predicted the posts both predicted beforehand than `one` did, in shares of
    the variance (above 0: `two` is better); None with too few such posts or an unreadable version. Raises NotFound.
    """
    with engine.begin() as conn:
        found = [predictor_of(conn, account, "content", number) for number in (one, two)]
    older, newer = found
    if not isinstance(older, ContentPredictor) or not isinstance(newer, ContentPredictor):
        return None
    query = FrameQuery(account, settings.simulated, clock.now(), features.version())
    return promotion.compare(newer, older, frames.training_frame(engine, query))


def _scores(head: VersionHead) -> dict[tuple[str, str], float | int | None]:
    flat: dict[tuple[str, str], float | int | None] = {("all", "n"): head.n}
    targets = head.metrics.get("targets", {})
    for target, models in targets.items():
        for name, value in (models.get("stack", models) if isinstance(models, dict) else {}).items():
            flat[(target, name)] = value
    gain = head.metrics.get("gain")
    if gain:
        flat |= {("all", "gain"): gain[0], ("all", "gain_low"): gain[1], ("all", "gain_high"): gain[2]}
    return flat


def predictor_of(conn: Connection, account: str, kind: str, number: int) -> ContentPredictor | TimingPredictor | None:
    """A stored predictor; None for one that cannot be read."""
    try:
        return from_payload(predictors.payload(conn, account, kind, number))
    except PayloadError:
        return None
