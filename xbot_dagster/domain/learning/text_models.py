"""Two small models of the text alone, whose out-of-fold predictions become features of the stack.

Belongs here: the ridge on TF-IDF words and the ridge on embeddings, both for all targets at once, with predictions for
their own training rows that never saw the row's block. Does not belong here: other features, LightGBM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

TFIDF_PENALTY: Final = 1.0
EMBEDDING_PENALTY: Final = 0.5
# A weakly penalised constant instead of centring: every fold then has its own mean.
INTERCEPT_VARIANCE: Final = 0.2
MIN_DOCUMENTS: Final = 2
OUT_OF_FOLD_BLOCKS: Final = 5
# Far below what a feature column can use; a tighter solution only costs time.
_SOLVER_TOLERANCE: Final = 1e-4
_SOLVER_ITERATIONS: Final = 100

_TOKEN: Final = re.compile(r"[@#]?\w[\w'’]*")
_LINK: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_LINK_TOKEN: Final = "<link>"


def terms(text: str) -> list[str]:
    """Distinct words (with @ and #, lower case; links are one word) and pairs of neighbours, in sorted order."""
    words = [word.lower() for word in _words(text)]
    return sorted({*words, *(f"{left} {right}" for left, right in pairwise(words))})


def _words(text: str) -> list[str]:
    found: list[str] = []
    last = 0
    for link in _LINK.finditer(text):
        found += [*_TOKEN.findall(text[last : link.start()]), _LINK_TOKEN]
        last = link.end()
    return found + _TOKEN.findall(text[last:])


class TermTable:
    """Which text holds which term, counted once so that a refit only selects rows. Nothing is fitted here.

    Texts before `start` are not looked at: their rows are empty. Columns are in the order of the terms themselves, so that a
    fit sums in the same order whatever other texts the table holds.
    """

    def __init__(self, texts: Sequence[str], start: int = 0) -> None:
        import numpy as np
        from scipy import sparse

        index: dict[str, int] = {}
        columns: list[int] = []
        bounds = [0] * (start + 1)
        for text in texts[start:]:
            columns += [index.setdefault(term, len(index)) for term in terms(text)]
            bounds.append(len(columns))
        self.terms: list[str] = sorted(index)
        place = np.empty(len(index), dtype=np.int32)
        place[[index[term] for term in self.terms]] = np.arange(len(index))
        self.rows: Any = sparse.csr_matrix(
            (np.ones(len(columns)), place[columns], np.array(bounds, dtype=np.int64)), shape=(len(texts), len(index))
        )


@dataclass(frozen=True)
class TfidfRidge:
    """Linear in the unit-length TF-IDF weights of a text's terms. weights: term → [idf, coefficient per target]."""

    weights: dict[str, list[float]]
    intercept: list[float]

    @classmethod
    def fit(cls, table: TermTable, rows: np.ndarray, y: np.ndarray) -> tuple[TfidfRidge, np.ndarray]:
        """Fit on `rows` of the table; also returns the out-of-fold predictions, shape of y. y: (len(rows), t), NaN allowed.

        The vocabulary and the document frequencies are those of `rows`; blocks are runs of neighbouring posts.
        """
        import numpy as np

        counts = table.rows[rows]
        documents = np.asarray(counts.sum(axis=0)).ravel()
        kept = np.flatnonzero(documents >= MIN_DOCUMENTS)
        idf = np.log((1 + len(rows)) / (1 + documents[kept])) + 1
        matrix = _unit_rows(counts[:, kept], idf)
        coefficients, intercept = _sparse_ridge(matrix, y)
        out_of_fold = np.empty_like(y)
        for block in np.array_split(np.arange(len(rows)), OUT_OF_FOLD_BLOCKS):
            others = np.setdiff1d(np.arange(len(rows)), block, assume_unique=True)
            fold, fold_intercept = _sparse_ridge(matrix[others], y[others])
            out_of_fold[block] = matrix[block] @ fold + fold_intercept
        numbers = np.column_stack([idf, coefficients])
        weights = {table.terms[column]: row for column, row in zip(kept.tolist(), numbers.tolist(), strict=True)}
        return cls(weights, intercept.tolist()), out_of_fold

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """(len(texts), targets)."""
        import numpy as np

        result = np.tile(np.array(self.intercept, dtype=float), (len(texts), 1))
        for row, text in enumerate(texts):
            known = [self.weights[term] for term in terms(text) if term in self.weights]
            if known:
                numbers = np.array(known)
                idf = numbers[:, 0]
                result[row] += idf @ numbers[:, 1:] / np.sqrt(idf @ idf)
        return result

    def to_payload(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"weights": self.weights, "intercept": self.intercept}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> TfidfRidge:
        """Inverse of `to_payload`. Raises KeyError, TypeError or ValueError for anything else."""
        intercept = [float(value) for value in payload["intercept"]]
        weights = {str(term): [float(number) for number in row] for term, row in payload["weights"].items()}
        if any(len(row) != 1 + len(intercept) for row in weights.values()):
            raise ValueError("a term has the wrong number of coefficients")
        return cls(weights, intercept)


@dataclass(frozen=True)
class EmbeddingRidge:
    """Linear in a text's embedding. coefficients: (dim, targets); only for vectors of `embedder`."""

    embedder: str
    coefficients: np.ndarray
    intercept: np.ndarray

    @classmethod
    def fit(cls, embedder: str, vectors: np.ndarray, y: np.ndarray) -> tuple[EmbeddingRidge, np.ndarray]:
        """Fit on unit vectors (n, dim); also returns the out-of-fold predictions. y: (n, t), NaN allowed."""
        import numpy as np

        design = np.column_stack([vectors.astype(float), np.full(len(vectors), np.sqrt(INTERCEPT_VARIANCE))])
        coefficients = np.empty((design.shape[1], y.shape[1]))
        out_of_fold = np.empty_like(y)
        blocks = np.array_split(np.arange(len(y)), OUT_OF_FOLD_BLOCKS)
        for columns in _same_nulls(y):
            known = ~np.isnan(y[:, columns[0]])
            gram, cross = _normal_equations(design[known], y[known][:, columns])
            coefficients[:, columns] = np.linalg.solve(gram, cross)
            for block in blocks:
                inside = block[known[block]]
                own = design[inside]
                left, right = gram - own.T @ own, cross - own.T @ y[inside][:, columns]
                out_of_fold[block[:, None], columns] = design[block] @ np.linalg.solve(left, right)
        return cls(embedder, coefficients[:-1], coefficients[-1] * np.sqrt(INTERCEPT_VARIANCE)), out_of_fold

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(n, targets), for vectors (n, dim) of the same embedder."""
        return vectors.astype(float) @ self.coefficients + self.intercept

    def to_payload(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "embedder": self.embedder,
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept.tolist(),
        }

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> EmbeddingRidge:
        """Inverse of `to_payload`. Raises KeyError, TypeError or ValueError for anything else."""
        import numpy as np

        coefficients = np.array(payload["coefficients"], dtype=float)
        intercept = np.array(payload["intercept"], dtype=float)
        if coefficients.ndim != 2 or intercept.shape != (coefficients.shape[1],):
            raise ValueError("the embedding model has the wrong shape")
        return cls(str(payload["embedder"]), coefficients, intercept)


def _same_nulls(y: np.ndarray) -> list[list[int]]:
    """Columns of y grouped by which rows they miss: a group shares one factorisation."""
    import numpy as np

    found: dict[bytes, list[int]] = {}
    for column in range(y.shape[1]):
        found.setdefault(np.isnan(y[:, column]).tobytes(), []).append(column)
    return list(found.values())


def _normal_equations(design: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    return design.T @ design + EMBEDDING_PENALTY * np.eye(design.shape[1]), design.T @ y


def _unit_rows(counts: Any, idf: np.ndarray) -> Any:
    import numpy as np
    from scipy import sparse

    weighted: Any = (counts @ sparse.diags(idf)).tocsr()
    norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    unit: Any = sparse.diags(1 / np.where(norms > 0, norms, 1)) @ weighted
    return unit.tocsr()


def _sparse_ridge(matrix: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ridge in its dual form by conjugate gradients, all targets at once. Returns (terms, targets) and (targets,)."""
    import numpy as np

    transposed = matrix.T.tocsr()
    known = ~np.isnan(y)

    def operator(dual: np.ndarray) -> np.ndarray:
        dual = np.where(known, dual, 0.0)
        gram = matrix @ (transposed @ dual) + INTERCEPT_VARIANCE * dual.sum(axis=0)
        return np.where(known, gram, 0.0) + TFIDF_PENALTY * dual

    dual = _conjugate_gradients(operator, np.where(known, y, 0.0))
    return transposed @ dual, INTERCEPT_VARIANCE * dual.sum(axis=0)


def _conjugate_gradients(operator: Any, right: np.ndarray) -> np.ndarray:
    """Solve operator(x) = right column by column in lockstep (Hestenes & Stiefel 1952)."""
    import numpy as np

    solution = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    size = (residual * residual).sum(axis=0)
    goal = _SOLVER_TOLERANCE**2 * size
    for _ in range(_SOLVER_ITERATIONS):
        if (size <= goal).all():
            break
        image = operator(direction)
        step = size / np.maximum((direction * image).sum(axis=0), np.finfo(float).tiny)
        solution += step * direction
        residual -= step * image
        new_size = (residual * residual).sum(axis=0)
        direction = residual + (new_size / np.maximum(size, np.finfo(float).tiny)) * direction
        size = new_size
    return solution
