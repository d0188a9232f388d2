"""The models of one target: ridge or logistic, LightGBM, and their average.

Belongs here: fit, predict and the JSON / LightGBM-text form of each. Does not belong here: features, folds, metrics.
Every fit is deterministic for a given random state: one thread, LightGBM's deterministic mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["regression", "binary"]

# Penalties on standardised features; chosen per fit by exact leave-one-out error.
RIDGE_PENALTIES: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
LOGISTIC_PENALTY: Final = 100.0
# A standardised value further out says nothing a linear model could use; it only throws predictions far off.
CLIP_AT_DEVIATIONS: Final = 5.0
# Below this many rows trees split on noise; the linear model stands alone.
MIN_ROWS_FOR_TREES: Final = 40
TREE_ROUNDS: Final = 120
TREE_PARAMETERS: Final[dict[str, Any]] = {
    "num_leaves": 7,
    "learning_rate": 0.05,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True)
class LinearModel:
    """Linear in standardised features; a NaN counts as the feature's mean. Binary: through the logistic function."""

    kind: Kind
    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    @classmethod
    def fit(cls, kind: Kind, x: np.ndarray, y: np.ndarray) -> LinearModel:
        """x: (n, p), NaN allowed; y: (n,) without NaN."""
        import numpy as np

        known = ~np.isnan(x)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / counts
        scale = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(axis=0) / counts)
        # A feature that never varied in training must not speak later.
        scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, np.inf)
        z = _standardise(x, mean, scale)
        if kind == "regression":
            coefficients, intercept = _ridge(z, y)
        else:
            coefficients, intercept = _logistic(z, y)
        return cls(kind, mean, scale, coefficients, intercept)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,): the mean of the target, or the probability of 1."""
        import numpy as np

        score = _standardise(x, self.mean, self.scale) @ self.coefficients + self.intercept
        return score if self.kind == "regression" else 1 / (1 + np.exp(-np.clip(score, -30, 30)))

    def to_payload(self) -> dict[str, Any]:
        """JSON-able form (JSON has no infinity: an unused feature has scale null)."""
        import numpy as np

        return {
            "kind": self.kind,
            "mean": self.mean.tolist(),
            "scale": [value if np.isfinite(value) else None for value in self.scale.tolist()],
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> LinearModel:
        """Inverse of `to_payload`. Raises KeyError, TypeError or ValueError for anything else."""
        import numpy as np

        if payload["kind"] not in ("regression", "binary"):
            raise ValueError("unknown kind of linear model")
        mean = np.array(payload["mean"], dtype=float)
        scale = np.array([np.inf if value is None else value for value in payload["scale"]], dtype=float)
        coefficients = np.array(payload["coefficients"], dtype=float)
        if not mean.shape == scale.shape == coefficients.shape or not np.isfinite(coefficients).all():
            raise ValueError("the linear model has the wrong shape or holds no numbers")
        return cls(payload["kind"], mean, scale, coefficients, float(payload["intercept"]))


def _standardise(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    import numpy as np

    z = np.nan_to_num((x - mean) / scale, nan=0.0)
    return np.clip(z, -CLIP_AT_DEVIATIONS, CLIP_AT_DEVIATIONS)


def _ridge(z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge with the penalty of least leave-one-out error (Golub, Heath & Wahba 1979: exact for linear smoothers)."""
    import numpy as np

    centre = z.mean(axis=0)
    mean = float(y.mean())
    values, vectors = np.linalg.eigh((z - centre).T @ (z - centre))
    values = np.maximum(values, 0.0)
    rotated = (z - centre) @ vectors
    projected = rotated.T @ (y - mean)
    best = (np.inf, np.zeros(z.shape[1]))
    for penalty in RIDGE_PENALTIES:
        shrunk = projected / (values + penalty)
        leverage = (rotated**2 / (values + penalty)).sum(axis=1) + 1 / len(y)
        residual = y - mean - rotated @ shrunk
        error = float(np.mean((residual / np.maximum(1 - leverage, 1e-3)) ** 2))
        if error < best[0]:
            best = (error, vectors @ shrunk)
    return best[1], mean - float(centre @ best[1])


def _logistic(z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    import numpy as np

    positive = float(y.sum())
    if positive in (0.0, float(len(y))):
        # One class only: the smoothed frequency is all that is known.
        return np.zeros(z.shape[1]), float(np.log((positive + 0.5) / (len(y) - positive + 0.5)))
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / LOGISTIC_PENALTY, max_iter=200)
    model.fit(z, y)
    return np.ravel(model.coef_).astype(float), float(np.ravel(model.intercept_)[0])


@dataclass(frozen=True)
class TreeModel:
    """A LightGBM model in its own text format."""

    text: str
    _cache: list[Any] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def fit(cls, kind: Kind, x: np.ndarray, y: np.ndarray, random_state: int) -> TreeModel:
        """x: (n, p), NaN allowed; y: (n,) without NaN."""
        import lightgbm

        parameters = {**TREE_PARAMETERS, "objective": kind, "seed": random_state}
        data = lightgbm.Dataset(x, y, params={"max_bin": parameters["max_bin"], "verbosity": -1})
        booster = lightgbm.train(parameters, data, TREE_ROUNDS)
        return cls(booster.model_to_string())

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,)."""
        import numpy as np

        return np.asarray(self._booster().predict(x, num_threads=1), dtype=float)

    def _booster(self) -> Any:
        import lightgbm

        if not self._cache:
            try:
                self._cache.append(lightgbm.Booster(model_str=self.text))
            except lightgbm.basic.LightGBMError as error:
                raise ValueError(f"LightGBM cannot read its model: {error}") from error
        return self._cache[0]

    @classmethod
    def from_text(cls, text: str, features: int) -> TreeModel:
        """Inverse of `text`. Raises ValueError if LightGBM cannot read it or it expects other features."""
        # LightGBM itself ends the process on some damaged texts; what it wrote is framed by these two lines.
        if not isinstance(text, str) or not text.startswith("tree\n") or "\nend of trees\n" not in text:
            raise ValueError("this is not a complete LightGBM model")
        model = cls(text)
        if model._booster().num_feature() != features:
            raise ValueError("the LightGBM model expects other features")
        return model


@dataclass(frozen=True)
class Stack:
    """Average of the linear model and the trees; the linear model alone where there were too few rows for trees."""

    linear: LinearModel
    trees: TreeModel | None

    @classmethod
    def fit(cls, kind: Kind, x: np.ndarray, y: np.ndarray, random_state: int) -> Stack:
        """x: (n, p), NaN allowed; y: (n,), NaN rows are left out. Raises ValueError if no row is left."""
        import numpy as np

        known = ~np.isnan(y)
        if not known.any():
            raise ValueError("no outcome of this target")
        x, y = x[known], y[known]
        trees = None
        if len(y) >= MIN_ROWS_FOR_TREES and np.ptp(y) > 0:
            trees = TreeModel.fit(kind, x, y, random_state)
        return cls(LinearModel.fit(kind, x, y), trees)

    def predict(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """'ridge', 'lightgbm' and 'stack', each (n,)."""
        linear = self.linear.predict(x)
        trees = self.trees.predict(x) if self.trees else linear
        return {"ridge": linear, "lightgbm": trees, "stack": (linear + trees) / 2}

    def to_payload(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"linear": self.linear.to_payload(), "trees": self.trees.text if self.trees else None}

    @classmethod
    def from_payload(cls, payload: dict[str, Any], features: Sequence[str]) -> Stack:
        """Inverse of `to_payload`. Raises KeyError, TypeError or ValueError for anything else."""
        linear = LinearModel.from_payload(payload["linear"])
        if len(linear.coefficients) != len(features):
            raise ValueError("the linear model expects other features")
        text = payload["trees"]
        return cls(linear, None if text is None else TreeModel.from_text(text, len(features)))
