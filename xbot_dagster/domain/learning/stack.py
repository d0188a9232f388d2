"""The models of one target: ridge or logistic, LightGBM, and their average.

Belongs here: fit, predict and the JSON / LightGBM-text form of each. Does not belong here: features, folds, metrics.
Every fit is deterministic for a given random state: one thread, LightGBM's deterministic mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["regression", "binary"]

# Penalties on standardised features; chosen per fit by exact leave-one-out error.
RIDGE_PENALTIES: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
LOGISTIC_PENALTY: Final = 100.0
# A standardised value further out says nothing a linear model could use; it only throws predictions far off.
CLIP_AT_DEVIATIONS: Final = 5.0
# Rows of the linear model; beyond, more old posts do not make 100 coefficients better.
LINEAR_WINDOW: Final = 20_000
# Below this many rows trees split on noise; the linear model stands alone.
MIN_ROWS_FOR_TREES: Final = 40
TREE_ROUNDS: Final = 100
TREE_PARAMETERS: Final[dict[str, Any]] = {
    "num_leaves": 7,
    "learning_rate": 0.08,
    "min_data_in_leaf": 10,
    # Random thresholds: worth .01-.04 rho over the best split on the accounts tried, and cheaper.
    "extra_trees": True,
    "feature_fraction": 0.4,
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
    def fit(cls, kind: Kind, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> LinearModel:
        """x: (n, p), NaN allowed; y: (n,) without NaN. weight: (n,), of a regression's rows (None = all alike)."""
        import numpy as np

        known = ~np.isnan(x)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / counts
        scale = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(axis=0) / counts)
        # A feature that never varied in training must not speak later.
        scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, np.inf)
        z = _standardise(x, mean, scale)
        if kind == "regression":
            coefficients, intercept = _ridge(z, y, np.ones(len(y)) if weight is None else weight)
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


def _ridge(z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge with the penalty of least leave-one-out error (Golub, Heath & Wahba 1979: exact for linear smoothers)."""
    import numpy as np

    share = weight / weight.sum()
    centre, mean = share @ z, float(share @ y)
    root = np.sqrt(weight)
    scaled, outcome = (z - centre) * root[:, None], (y - mean) * root
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    values = np.maximum(values, 0.0)
    rotated = scaled @ vectors
    projected = rotated.T @ outcome
    best = (np.inf, np.zeros(z.shape[1]))
    for penalty in RIDGE_PENALTIES:
        shrunk = projected / (values + penalty)
        leverage = (rotated**2 / (values + penalty)).sum(axis=1) + share
        residual = outcome - rotated @ shrunk
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


class TreeData:
    """A feature matrix binned once, for the trees of several targets."""

    def __init__(self, x: np.ndarray) -> None:
        import lightgbm

        self.x = x
        # Equal to the training parameters, as LightGBM demands of a matrix that is already binned.
        parameters = {
            name: TREE_PARAMETERS[name] for name in ("max_bin", "min_data_in_leaf", "num_threads", "verbosity")
        }
        self.bins = lightgbm.Dataset(x, params={**parameters, "feature_pre_filter": False}, free_raw_data=False)

    def labelled(self, y: np.ndarray, weight: np.ndarray | None = None) -> Any:
        """A LightGBM dataset of the rows whose y is known."""
        import numpy as np

        known = ~np.isnan(y)
        if known.all():
            return self.bins.construct().set_label(y).set_weight(weight)
        return TreeData(self.x[known]).labelled(y[known], None if weight is None else weight[known])


@dataclass(frozen=True)
class TreeModel:
    """A LightGBM model; `text` is its form at rest, in LightGBM's own format, exact to the last bit."""

    booster: Any

    @classmethod
    def fit(
        cls, kind: Kind, data: TreeData, y: np.ndarray, random_state: int, weight: np.ndarray | None = None
    ) -> TreeModel:
        """y, weight: one value per row of the data; rows with a NaN y are left out."""
        import lightgbm

        parameters = {**TREE_PARAMETERS, "objective": kind, "seed": random_state}
        return cls(lightgbm.train(parameters, data.labelled(y, weight), TREE_ROUNDS))

    @property
    def text(self) -> str:
        return self.booster.model_to_string()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,)."""
        import numpy as np

        return np.asarray(self.booster.predict(x, num_threads=1), dtype=float)

    @classmethod
    def from_text(cls, text: str, features: int) -> TreeModel:
        """Inverse of `text`. Raises ValueError if LightGBM cannot read it or it expects other features."""
        # LightGBM itself ends the process on some damaged texts; what it wrote is framed by these two lines.
        if not isinstance(text, str) or not text.startswith("tree\n") or "\nend of trees\n" not in text:
            raise ValueError("this is not a complete LightGBM model")
        import lightgbm

        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"LightGBM cannot read its model: {error}") from error
        if booster.num_feature() != features:
            raise ValueError("the LightGBM model expects other features")
        return cls(booster)


@dataclass(frozen=True)
class Stack:
    """Average of the linear model and the trees; the linear model alone where there were too few rows for trees."""

    linear: LinearModel
    trees: TreeModel | None

    @classmethod
    def fit(
        cls, kind: Kind, data: TreeData, y: np.ndarray, random_state: int, weight: np.ndarray | None = None
    ) -> Stack:
        """y, weight: (n,); rows with a NaN y are left out. Raises ValueError if no row is left."""
        import numpy as np

        known = np.flatnonzero(~np.isnan(y))
        if not len(known):
            raise ValueError("no outcome of this target")
        trees = None
        if len(known) >= MIN_ROWS_FOR_TREES and np.ptp(y[known]) > 0:
            trees = TreeModel.fit(kind, data, y, random_state, weight)
        recent = known[-LINEAR_WINDOW:]
        linear = LinearModel.fit(kind, data.x[recent], y[recent], None if weight is None else weight[recent])
        return cls(linear, trees)

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
