"""The content predictor: train it on outcomes, predict planned posts.

Belongs here: `train_content`, `ContentPredictor` and what both return. Does not belong here: the form at rest
(`predictors_payload`), the hour model (`predictors_timing`), promotion.

Targets: log1p(impressions), log1p(retweets), log((engagements + .5) / (impressions + 1)), log1p(profile visits) and the
probability of beating the account's median. Follows per impression of a single post cannot be predicted and is never
promised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from xbot_dagster.domain.learning.conformal import ErrorBand, error_band
from xbot_dagster.domain.learning.one_thread import one_thread
from xbot_dagster.domain.learning.predictors_design import BEATS_MEDIAN, Fitted, Material, vectors_of
from xbot_dagster.domain.learning.predictors_frame import LOG_TARGETS, NEVER, Posts, read_posts
from xbot_dagster.domain.learning.predictors_history import HistoryTable, cadence
from xbot_dagster.domain.learning.walkforward import (
    BOOTSTRAP_BLOCK,
    MIN_OUTCOMES,
    WARM_UP_POSTS,
    Interval,
    WalkForward,
    block_bootstrap,
    metrics,
    observed_range,
    pooled_gain,
    walk_forward,
)
from xbot_dagster.domain.measuring.embedders import Embedder, EmbedderMismatch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Walk-forward scores of a training in production cover this many posts; a benchmark asks for all.
EVALUATED_POSTS: Final = 500


@dataclass(frozen=True)
class TooFewOutcomes:
    """Training was refused: fewer measured posts than anything can be learned from."""

    outcomes: int
    needed: int = MIN_OUTCOMES

    @property
    def reason(self) -> str:
        return f"insufficient real outcomes (need {self.needed})"


@dataclass(frozen=True)
class Estimate:
    """A predicted value with its 90 % interval, on the target's own (log) scale, inside the observed range."""

    value: float
    low: float
    high: float
    served_by: str  # 'stack', or 'rolling' where the models were no better than the rolling mean


@dataclass(frozen=True)
class Prediction:
    """One planned post. estimates: target → estimate; p_beats_median None where there is no such model."""

    estimates: dict[str, Estimate]
    p_beats_median: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContentPredictor:
    """A trained predictor. n: outcomes learned from. ranges: target → observed least and greatest value.

    metrics: target → model → walk-forward scores (walkforward.scores). forward: decision_id → target → what the stack
    predicted for that post before it was published, kept so that a challenger can be compared on the same posts.
    """

    as_of: datetime
    zone: str
    random_state: int
    n: int
    fitted: Fitted
    history: HistoryTable
    ranges: dict[str, tuple[float, float]]
    bands: dict[str, ErrorBand]
    served_by: dict[str, str]
    metrics: dict[str, Any]
    gain: Interval | None
    forward: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        return self.fitted.targets

    @property
    def embedder(self) -> str | None:
        """Name of the embedder whose vectors it wants, None if it uses none."""
        return self.fitted.embedding.embedder if self.fitted.embedding else None

    @one_thread("lightgbm")
    def predict(self, frame: pd.DataFrame, *, embedder: Embedder | None = None) -> list[Prediction]:
        """One prediction per row of `frame` (columns as in training, without outcomes), in its order.

        Raises EmbedderMismatch if `embedder` is not the one trained with; without one the vectors count as unknown and
        the prediction says so in its notes.
        """
        import numpy as np

        if len(frame) == 0:
            return []
        notes: tuple[str, ...] = ()
        if self.embedder is not None and embedder is None:
            notes = (f"predicted without embeddings of {self.embedder}",)
        elif self.embedder is not None and embedder is not None and embedder.name != self.embedder:
            raise EmbedderMismatch(
                f"The predictor was trained with {self.embedder}, not {embedder.name}.",
                "Train again, or embed with the predictor's own embedder.",
            )
        posts = read_posts(frame, self.zone)
        history = self.history.look_up(posts.groups)
        earlier = np.array([second for second in self.history.recent_posts if second <= posts.posted.min()], dtype=int)
        base = np.column_stack([posts.static, cadence(posts.posted, earlier), history.matrix()])
        vectors = None
        if self.embedder is not None and embedder is not None:
            vectors = vectors_of(frame, posts, embedder)
        found = self.fitted.predict(base, posts.texts, vectors)
        result: list[Prediction | None] = [None] * len(frame)
        for row, original in enumerate(posts.order.tolist()):
            estimates = {
                name: self._estimate(
                    name,
                    float(history.rolling[row, position])
                    if self.served_by[name] == "rolling"
                    else float(found[name]["stack"][row]),
                )
                for position, name in enumerate(self.targets)
            }
            p = float(found[BEATS_MEDIAN]["stack"][row]) if BEATS_MEDIAN in found else None
            result[original] = Prediction(estimates, p, notes)
        return [prediction for prediction in result if prediction is not None]

    def _estimate(self, name: str, value: float) -> Estimate:
        least, most = self.ranges[name]
        value = min(most, max(least, value))
        band = self.bands[name]
        return Estimate(
            value,
            min(most, max(least, value + band.low)),
            min(most, max(least, value + band.high)),
            self.served_by[name],
        )

    def with_history(self, frame: pd.DataFrame, as_of: datetime) -> ContentPredictor:
        """The same models with the history known at `as_of`: between two trainings outcomes keep arriving."""
        posts = known_posts(frame, self.zone, as_of)
        from dataclasses import replace

        return replace(self, history=HistoryTable.at(posts, self.targets, seconds(as_of)))


@one_thread("lightgbm")
def train_content(
    frame: pd.DataFrame,
    *,
    as_of: datetime,
    random_state: int,
    zone: str = "UTC",
    embedder: Embedder | None = None,
    targets: tuple[str, ...] = LOG_TARGETS,
    evaluated_posts: int | None = EVALUATED_POSTS,
    warm_up: int = WARM_UP_POSTS,
) -> ContentPredictor | TooFewOutcomes:
    """Train on the outcomes collected by `as_of` (aware) and score the recipe walk-forward.

    frame: see predictors_frame. Rows planned after `as_of` and outcomes collected after it are ignored.
    evaluated_posts: how many of the last posts are scored (None = all after the warm-up, 0 = no evaluation).
    Raises FrameError for an unusable frame.
    """
    import numpy as np

    posts = known_posts(frame, zone, as_of)
    usable = tuple(
        name for name in targets if int((~np.isnan(posts.targets[name][posts.collected < NEVER])).sum()) >= MIN_OUTCOMES
    )
    outcomes = int((posts.collected < NEVER).sum())
    if outcomes < MIN_OUTCOMES or not usable:
        return TooFewOutcomes(outcomes if outcomes < MIN_OUTCOMES else 0)
    n = len(posts)
    evaluated = n if evaluated_posts is None else evaluated_posts
    first = max(min(warm_up, n), n - evaluated)
    first_fit = int(posts.planned[first]) if first < n else seconds(as_of)
    material = Material.build(posts, frame, usable, embedder, first_fit)
    result = walk_forward(material, first=first, random_state=random_state)
    known = material.known_at(seconds(as_of))
    fitted = Fitted.fit(material, known, random_state)
    found = metrics(result, usable, random_state)
    served_by = {name: _server(found.get(name), len(known)) for name in usable}
    gains = pooled_gain(result, usable, "stack", "rolling")
    return ContentPredictor(
        as_of=as_of.astimezone(UTC),
        zone=zone,
        random_state=random_state,
        n=len(known),
        fitted=fitted,
        history=HistoryTable.at(posts, usable, seconds(as_of)),
        ranges={name: observed_range(material.y[known, column]) for column, name in enumerate(usable)},
        bands={name: error_band(_served_errors(material, result, name, served_by[name])) for name in usable},
        served_by=served_by,
        metrics=found,
        gain=block_bootstrap(gains, random_state) if len(gains) >= 2 * BOOTSTRAP_BLOCK else None,
        forward=_forward(material, result),
    )


def _server(by_model: dict[str, dict[str, Any]] | None, outcomes: int) -> str:
    """The stack where it was better than the rolling mean on unseen posts; unproven, the rolling mean."""
    gain = None if by_model is None else by_model["stack"].get("gain")
    return "stack" if gain is not None and gain > 0 else "rolling"


def _served_errors(material: Material, result: WalkForward, target: str, model: str) -> np.ndarray:
    if model == "stack":
        return result.errors(target, model)
    # The rolling mean has errors on every post, not only on those the walk-forward scored.
    column = material.targets.index(target)
    return material.y[:, column] - material.history.rolling[:, column]


def _forward(material: Material, result: WalkForward) -> dict[str, dict[str, float]]:
    import numpy as np

    found: dict[str, dict[str, float]] = {}
    for position, row in enumerate(result.rows.tolist()):
        values = {
            name: float(result.predictions[name]["stack"][position])
            for name in material.targets
            if np.isfinite(result.predictions[name]["stack"][position])
        }
        if values and material.posts.decision_id[row]:
            found[material.posts.decision_id[row]] = values
    return found


def known_posts(frame: pd.DataFrame, zone: str, as_of: datetime) -> Posts:
    """The frame as it could be known at `as_of`: no later post, no outcome collected later."""
    from dataclasses import replace

    import numpy as np

    posts = read_posts(frame, zone)
    now = seconds(as_of)
    kept = np.flatnonzero(posts.planned <= now)
    if len(kept) == len(posts) and bool(((posts.collected <= now) | (posts.collected == NEVER)).all()):
        return posts
    return replace(
        posts,
        order=posts.order[kept],
        decision_id=tuple(posts.decision_id[row] for row in kept),
        texts=tuple(posts.texts[row] for row in kept),
        planned=posts.planned[kept],
        posted=posts.posted[kept],
        collected=np.where(posts.collected[kept] <= now, posts.collected[kept], NEVER),
        static=posts.static[kept],
        groups={name: values[kept] for name, values in posts.groups.items()},
        targets={
            name: np.where(posts.collected[kept] <= now, values[kept], np.nan) for name, values in posts.targets.items()
        },
    )


def seconds(moment: datetime) -> int:
    """Whole UTC seconds of an aware datetime. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("as_of must carry a time zone")
    return int(moment.timestamp())
