"""Serve the promoted predictors: Redis → Postgres → the baseline of earlier outcomes → none, each step down said aloud.

Belongs here: finding a usable predictor and turning it into what planning ranks by. Not here: training and promotion
(`stages/train.py`), the models (`domain/learning/predictors*`).
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from xbot_dagster.domain.learning.predictors import ContentPredictor, known_posts, seconds
from xbot_dagster.domain.learning.predictors_frame import LOG_TARGETS
from xbot_dagster.domain.learning.predictors_history import HistoryTable
from xbot_dagster.domain.learning.predictors_payload import PayloadError, from_payload
from xbot_dagster.domain.learning.predictors_timing import TimingPredictor
from xbot_dagster.domain.measuring.embedders import Embedder, WordLlamaEmbedder
from xbot_dagster.errors import NotFound
from xbot_dagster.stages import features
from xbot_dagster.store import alerts, deployment, frames, learning, predictors
from xbot_dagster.store.cache import Cache
from xbot_dagster.store.frames import FrameQuery

log = logging.getLogger("xbot")
ServedFrom = Literal["redis", "postgres", "baseline"]
# Above this many posts the history stored with the version is used as it is: reading them all would slow planning down.
REFRESHED_POSTS = 20_000
BASELINE_LEAST = 5


def cache_key(kind: str, version: int | str) -> str:
    """`predictor:content:v3`, `predictor:content:current`."""
    return f"predictor:{kind}:{version if isinstance(version, str) else f'v{version}'}"


def cache_champion(cache: Cache, account: str, kind: str, version: int, payload: dict[str, Any]) -> None:
    """Write a promoted version to the cache and point `current` at it."""
    cache.put(account, cache_key(kind, version), json.dumps(payload))
    cache.put(account, cache_key(kind, "current"), f"v{version}")


def drop_champion(cache: Cache, account: str, kind: str) -> None:
    """Let `current` point at nothing."""
    cache.drop(account, cache_key(kind, "current"))


def load_champion(
    engine: Engine, cache: Cache | None, account: str, kind: str
) -> tuple[ContentPredictor | TimingPredictor, int, ServedFrom] | str | None:
    """(predictor, version, where from); None where nothing is promoted; a sentence where nothing usable is left."""
    with engine.begin() as conn:
        champion = predictors.champion(conn, account, kind)
    if champion is None:
        return None
    cached = cache.get(account, cache_key(kind, champion.version)) if cache is not None else None
    if cached is not None:
        try:
            return _read(json.loads(cached), kind), champion.version, "redis"
        except (ValueError, PayloadError) as error:
            log.warning(
                "[PREDICTOR] ⚠️ %s v%d in Redis is damaged (%s): read from Postgres", kind, champion.version, error
            )
    elif cache is not None:
        log.info("[PREDICTOR] ℹ️ %s v%d is not in Redis: read from Postgres", kind, champion.version)
    try:
        with engine.begin() as conn:
            payload = predictors.payload(conn, account, kind, champion.version)
        found = _read(payload, kind)
    except (PayloadError, NotFound) as error:
        return f"{kind} v{champion.version}: {error.reason if isinstance(error, PayloadError) else error}"
    if cache is not None:
        cache_champion(cache, account, kind, champion.version, payload)
    return found, champion.version, "postgres"


def _read(payload: Any, kind: str) -> ContentPredictor | TimingPredictor:
    found = from_payload(payload)
    if isinstance(found, ContentPredictor) != (kind == "content"):
        raise PayloadError("it is of another kind")
    return found


def _tell(conn: Connection, account: str, kind: str, found: object) -> None:
    """A sentence in a predictor's place is an open alert, a predictor closes it. Where nothing is promoted any more the alerts'
    own evaluation does (`alert_delivery.cause_gone`)."""
    subject = f"{account}:{kind}"
    if not isinstance(found, str):
        alerts.close_alert(conn, "predictor_unusable", subject)
        return
    message = f"The {kind} predictor that should serve '{account}' cannot be used: {found}."
    options = f"--account {account} --kind {kind}"
    fix = (
        f"Go back to the one before: xbot predictors rollback {options}. Or: xbot predictors promote VERSION {options}"
    )
    alerts.raise_alert(conn, "predictor_unusable", subject, "warning", message, fix, account)


class TimingScorer:
    """What the promoted timing predictor expects of a slot. It chooses nothing, hours are the policy's: its word is stored
    with the decision."""

    def __init__(self, version: str, served_from: ServedFrom, predictor: TimingPredictor) -> None:
        self.version, self.served_from, self._predictor = version, served_from, predictor

    @classmethod
    def load(cls, engine: Engine, cache: Cache | None, account: str) -> "TimingScorer | None":
        """None where nothing is promoted, or where what is promoted cannot be read; that is an open alert."""
        found = load_champion(engine, cache, account, "timing")
        if found is None:
            return None
        with engine.begin() as conn:
            _tell(conn, account, "timing", found)
        if isinstance(found, str):
            log.warning("[PREDICTOR] ⚠️ %s; nothing is expected of hours", found)
            return None
        predictor, version, source = found
        assert isinstance(predictor, TimingPredictor)
        return cls(f"v{version}", source, predictor)

    def predict(self, scheduled_at: datetime) -> dict[str, Any]:
        """JSON-able: the slot, target, the expected difference from the account's usual with its 90 % interval, posts seen in the slot."""
        return {
            "version": self.version,
            "at": scheduled_at.isoformat(),
            "target": self._predictor.target,
            **asdict(self._predictor.at(scheduled_at)),
        }


class ContentScorer:
    """Ranks the drafts of a slot. `version` ("v3", or "baseline") is stored with the decision it helped to choose."""

    def __init__(
        self,
        version: str,
        served_from: ServedFrom,
        predictor: ContentPredictor | None,
        baseline: HistoryTable | None,
        zone: str,
        embedder: Embedder | None,
    ) -> None:
        self.version, self.served_from = version, served_from
        self._predictor, self._baseline, self._zone, self._embedder = predictor, baseline, zone, embedder

    @classmethod
    def load(
        cls, engine: Engine, cache: Cache | None, account: str, embedder: Embedder | None = None
    ) -> "ContentScorer | None":
        """The account's promoted content predictor with the history known now; None where nothing is promoted, or where
        what is promoted cannot be read and there are too few outcomes for the baseline.

        What cannot be read is an open alert.
        """
        found = load_champion(engine, cache, account, "content")
        if found is None:
            return None
        with engine.begin() as conn:
            _tell(conn, account, "content", found)
            zone = deployment.account(conn, account).zone
            query = FrameQuery(account, learning.family_is_simulated(conn), learning.now(conn), features.version())
            posts = learning.posts_published(conn, account, up_to=REFRESHED_POSTS + 1)
        if isinstance(found, str):
            return cls._from_outcomes(engine, query, zone, found)
        predictor, version, source = found
        assert isinstance(predictor, ContentPredictor)
        if posts <= REFRESHED_POSTS:
            predictor = predictor.with_history(frames.training_frame(engine, query), query.as_of)
        wanted = embedder or WordLlamaEmbedder()
        return cls(f"v{version}", source, predictor, None, zone, wanted if predictor.embedder == wanted.name else None)

    @classmethod
    def _from_outcomes(cls, engine: Engine, query: FrameQuery, zone: str, reason: str) -> "ContentScorer | None":
        posts = known_posts(frames.training_frame(engine, query), zone, query.as_of)
        now = seconds(query.as_of)
        measured = int((posts.collected <= now).sum())
        if measured < BASELINE_LEAST:
            log.warning(
                "[PREDICTOR] ⚠️ %s; %d outcomes are too few for the baseline: drafts are not ranked", reason, measured
            )
            return None
        log.warning("[PREDICTOR] ⚠️ %s; the means of earlier outcomes rank the drafts", reason)
        return cls("baseline", "baseline", None, HistoryTable.at(posts, LOG_TARGETS, now), zone, None)

    def predict(
        self, texts: Sequence[str], *, scheduled_at: datetime, context: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """One JSON-able prediction per text; "score" ranks (higher is better), estimates are on the targets' log scale.

        `context`: topic, arm and decision_type, each optional.
        """
        import pandas as pd

        rows = len(texts)
        known = {name: [context.get(name)] * rows for name in ("topic", "arm", "decision_type")}
        frame = pd.DataFrame({"text": list(texts), "posted_at": [scheduled_at] * rows, **known})
        if self._predictor is None:
            return self._by_history(frame)
        result = []
        for each in self._predictor.predict(frame, embedder=self._embedder):
            estimates = {name: asdict(estimate) for name, estimate in each.estimates.items()}
            result.append(
                {"score": _score(each.p_beats_median, estimates), "p_beats_median": each.p_beats_median, **estimates}
                | ({"notes": list(each.notes)} if each.notes else {})
            )
        return result

    def _by_history(self, frame: Any) -> list[dict[str, Any]]:
        import numpy as np

        from xbot_dagster.domain.learning.predictors_frame import read_posts

        assert self._baseline is not None
        posts = read_posts(frame, self._zone)
        # The means of arm, topic, hook and hours, each shrunk to the account's own.
        means = self._baseline.look_up(posts.groups).values.mean(axis=1)
        result: list[dict[str, Any]] = [{}] * len(frame)
        for row, original in enumerate(posts.order.tolist()):
            values = dict(zip(self._baseline.targets, np.nan_to_num(means[row]).tolist(), strict=True))
            result[original] = {"score": values["log_engagement_rate"], **{k: {"value": v} for k, v in values.items()}}
        return result


def _score(p_beats_median: float | None, estimates: Mapping[str, Mapping[str, Any]]) -> float:
    """What drafts are ranked by: the chance to beat the account's median, else the expected engagement rate."""
    if p_beats_median is not None:
        return p_beats_median
    for name in ("log_engagement_rate", "log_retweets", "log_impressions"):
        if name in estimates:
            return float(estimates[name]["value"])
    return 0.0
