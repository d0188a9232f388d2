"""From posts to the matrix the models see, and the set of models of one fit.

Belongs here: which columns there are and in which order, fitting every model on chosen rows, predicting from a matrix.
Does not belong here: when to refit (`walkforward`), what is stored (`predictors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from xbot_dagster.domain.learning.predictors_frame import STATIC_FEATURES, Posts
from xbot_dagster.domain.learning.predictors_history import (
    CADENCE_FEATURES,
    History,
    cadence,
    history_at,
    history_features,
)
from xbot_dagster.domain.learning.stack import Stack, TreeData
from xbot_dagster.domain.learning.text_models import EmbeddingRidge, TermTable, TfidfRidge
from xbot_dagster.domain.measuring.embedders import Embedder, EmbedderMismatch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Words of years ago say little, and the text models' cost grows faster than their use.
TEXT_WINDOW: Final = 5_000
# With fewer posts the out-of-fold text columns are noise that the stack would learn to trust.
MIN_ROWS_FOR_TEXT: Final = 30
MODELS: Final = ("rolling", "ridge", "lightgbm", "stack")
RATE_TARGET: Final = "log_engagement_rate"
# Variance of the log rate between posts that were seen alike; on the account tried .3, worth +.01 rho and +.015 R².
RATE_SPREAD: Final = 0.3
BEATS_MEDIAN: Final = "beats_median"
# What "better than the account's median" is measured on: the first of these with outcomes.
MEDIAN_TARGETS: Final = ("log_engagement_rate", "log_impressions", "log_retweets")


@dataclass(frozen=True)
class Material:
    """Everything about a frame that no fit depends on. base: (n, p) known at planning; y: (n, targets), NaN = unknown.

    Terms and vectors (n, dim) are those of the rows from `text_start` on; before it they are empty and zero.
    """

    posts: Posts
    targets: tuple[str, ...]
    history: History
    base: np.ndarray
    y: np.ndarray
    terms: TermTable
    vectors: np.ndarray | None
    embedder: str | None

    @classmethod
    def build(
        cls, posts: Posts, frame: pd.DataFrame, targets: tuple[str, ...], embedder: Embedder | None, first_fit: int
    ) -> Material:
        """`posts` must have been read from `frame`. No fit may be made of less than what is known at second `first_fit`."""
        import numpy as np

        start = text_start(posts, first_fit)
        history = history_at(posts, targets, posts.planned, posts.groups)
        return cls(
            posts=posts,
            targets=targets,
            history=history,
            base=np.column_stack([posts.static, cadence(posts.posted, posts.posted[:0]), history.matrix()]),
            y=np.column_stack([posts.targets[name] for name in targets]),
            terms=TermTable(posts.texts, start),
            vectors=None if embedder is None else vectors_of(frame, posts, embedder, start),
            embedder=None if embedder is None else embedder.name,
        )

    def known_at(self, second: int) -> np.ndarray:
        """Rows whose outcome had been collected at `second`, in planning order."""
        return self.posts.known_at(second)


def text_start(posts: Posts, second: int) -> int:
    """The first row whose text matters to a fit at `second` or later: the text models learn from the newest posts alone."""
    known = posts.known_at(second)
    return int(known[-TEXT_WINDOW]) if len(known) > TEXT_WINDOW else 0


def vectors_of(frame: pd.DataFrame, posts: Posts, embedder: Embedder, start: int = 0) -> np.ndarray:
    """(n, dim) unit vectors: stored ones (columns `embedding`, `embedder`) of this embedder, the rest embedded now.

    Rows before `start` are zero."""
    import numpy as np

    vectors = np.zeros((len(posts), embedder.dim), dtype=np.float32)
    missing = np.arange(len(posts)) >= start
    if {"embedding", "embedder"} <= set(frame.columns):
        stored = frame[["embedder", "embedding"]].iloc[posts.order[start:]]
        for row, (name, value) in enumerate(zip(stored["embedder"], stored["embedding"], strict=True), start):
            if name == embedder.name and value is not None and np.size(value) == embedder.dim:
                vector = np.asarray(value, dtype=np.float32)
                norm = float(np.linalg.norm(vector))
                vectors[row] = vector / norm if norm > 0 else vector
                missing[row] = False
    rows = np.flatnonzero(missing)
    if len(rows):
        vectors[rows] = embedder.embed([posts.texts[row] for row in rows])
    return vectors


def base_features(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns of `Material.base`."""
    return (*STATIC_FEATURES, *CADENCE_FEATURES, *history_features(targets))


def all_features(targets: tuple[str, ...], *, words: bool, embedding: bool) -> tuple[str, ...]:
    """Names of the columns the stacks see."""
    names = [*base_features(targets)]
    names += [f"tfidf:{target}" for target in targets if words]
    names += [f"embedding:{target}" for target in targets if embedding]
    return tuple(names)


@dataclass(frozen=True)
class Fitted:
    """The models of one fit. medians: target → the account's median at the time, over the fitted rows."""

    targets: tuple[str, ...]
    words: TfidfRidge | None
    embedding: EmbeddingRidge | None
    stacks: dict[str, Stack]
    median_of: str | None
    median: float | None

    @classmethod
    def fit(cls, material: Material, rows: np.ndarray, random_state: int) -> Fitted:
        """Fit on these rows of the material; targets without an outcome among them get no model."""
        import numpy as np

        y = material.y[rows]
        recent = rows[-TEXT_WINDOW:]
        words = embedding = None
        columns = [material.base[rows]]
        if len(rows) >= MIN_ROWS_FOR_TEXT:
            words, out_of_fold = TfidfRidge.fit(material.terms, recent, material.y[recent])
            columns.append(_padded(out_of_fold, len(rows)))
            if material.vectors is not None and material.embedder is not None:
                embedding, out_of_fold = EmbeddingRidge.fit(
                    material.embedder, material.vectors[recent], material.y[recent]
                )
                columns.append(_padded(out_of_fold, len(rows)))
        data = TreeData(np.column_stack(columns))
        stacks = {
            name: Stack.fit("regression", data, y[:, position], random_state, _precision(name, material.posts, rows))
            for position, name in enumerate(material.targets)
            if not np.isnan(y[:, position]).all()
        }
        median_of = next((name for name in MEDIAN_TARGETS if name in stacks), None)
        median = None
        if median_of is not None:
            outcome = y[:, material.targets.index(median_of)]
            median = float(np.nanmedian(outcome))
            stacks[BEATS_MEDIAN] = Stack.fit("binary", data, beats(outcome, median), random_state)
        return cls(material.targets, words, embedding, stacks, median_of, median)

    @property
    def features(self) -> tuple[str, ...]:
        return all_features(self.targets, words=self.words is not None, embedding=self.embedding is not None)

    def predict(self, base: np.ndarray, texts: tuple[str, ...], vectors: np.ndarray | None) -> dict[str, Any]:
        """target → model → (n,). `vectors` None where there are none: the embedding's columns are then unknown."""
        import numpy as np

        columns = [base]
        if self.words is not None:
            columns.append(self.words.predict(texts))
        if self.embedding is not None:
            if vectors is None:
                columns.append(np.full((len(texts), len(self.targets)), np.nan))
            elif vectors.shape[1] != len(self.embedding.coefficients):
                raise EmbedderMismatch(
                    f"The predictor expects vectors of {self.embedding.embedder}.", "Embed the texts with it."
                )
            else:
                columns.append(self.embedding.predict(vectors))
        x = np.column_stack(columns)
        return {name: stack.predict(x) for name, stack in self.stacks.items()}


def _precision(target: str, posts: Posts, rows: np.ndarray) -> np.ndarray | None:
    """Weights of the rows, mean 1: inverse variance of a logged rate, whose noise is 1 / expected engagements.

    The expectation uses impressions and the usual rate, never the post's own engagements: a lucky post would weigh more.
    """
    import numpy as np

    if target != RATE_TARGET:
        return None
    impressions = np.expm1(posts.targets["log_impressions"][rows])
    usual = float(np.exp(np.nanmedian(posts.targets[target][rows])))
    weight = 1 / (RATE_SPREAD + 1 / (usual * np.nan_to_num(impressions) + 0.5))
    return weight / weight.mean()


def beats(outcome: np.ndarray, median: float) -> np.ndarray:
    """1 above the median, 0 at or below it, NaN where unknown."""
    import numpy as np

    return np.where(np.isnan(outcome), np.nan, (outcome > median).astype(float))


def _padded(recent: np.ndarray, n: int) -> np.ndarray:
    """Rows before the text window have unknown text columns."""
    import numpy as np

    return np.vstack([np.full((n - len(recent), recent.shape[1]), np.nan), recent])
