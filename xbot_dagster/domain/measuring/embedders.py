"""Text embeddings and novelty: vectors that know who made them.

Belongs here: the protocol every embedder fulfils, the offline embedder, novelty, and the rule that vectors of different
embedders are never compared. Does not belong here: the OpenAI embedder (`llm/`), storage of vectors (`store/`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol

from xbot_dagster.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_LINK: Final = re.compile(r"https?://\S+|\bwww\.\S+", re.IGNORECASE)
_CHUNK: Final = 4096  # texts embedded at a time: what bounds the memory


class EmbedderMismatch(UserError):
    """Vectors of two embedders were about to be compared; their distances mean nothing."""


class EmbedderUnavailable(UserError):
    """The embedder's weights cannot be loaded."""


class Embedder(Protocol):
    """Turns texts into vectors. `name` identifies model and size and is stored with every vector."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Rows of unit length, shape (len(texts), dim), float32. A text without words becomes a row of zeros."""
        ...


@dataclass(frozen=True, slots=True)
class Embedding:
    """One vector and the embedder that made it."""

    embedder: str
    vector: tuple[float, ...]


def embed_one(embedder: Embedder, text: str) -> Embedding | None:
    """The embedding of one text, or None if nothing but links is left of it (its novelty is unknown, not 0)."""
    row = embedder.embed([text])[0]
    if not row.any():
        return None
    return Embedding(embedder.name, tuple(float(value) for value in row))


def without_links(text: str) -> str:
    """The text that is embedded: links removed (a bare link says nothing about the topic), white space squeezed."""
    return " ".join(_LINK.sub(" ", text).split())


def novelty(candidate: Embedding, earlier: Sequence[Embedding]) -> float:
    """1 − the largest cosine similarity with any earlier text, in [0, 1]; 1 if there is none.

    Raises EmbedderMismatch if any vector was made by another embedder or has another length.
    """
    import numpy as np

    if not earlier:
        return 1.0
    for other in earlier:
        if other.embedder != candidate.embedder or len(other.vector) != len(candidate.vector):
            raise EmbedderMismatch(
                f"Vectors of {other.embedder} ({len(other.vector)}) and {candidate.embedder} "
                f"({len(candidate.vector)}) cannot be compared.",
                "Embed the earlier texts again with the embedder now in use.",
            )
    matrix = np.asarray([other.vector for other in earlier], dtype=np.float64)
    vector = np.asarray(candidate.vector, dtype=np.float64)
    norms = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
    cosine = np.divide(matrix @ vector, norms, out=np.zeros(len(matrix)), where=norms > 0)
    return float(np.clip(1.0 - cosine.max(), 0.0, 1.0))


class WordLlamaEmbedder:
    """The offline default: wordllama's 256 dimensions, whose weights ship inside its wheel. Nothing is downloaded."""

    name = "wordllama:l2_supercat:256"
    dim = 256

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.embed`. Raises EmbedderUnavailable if the wheel came without its weights."""
        import numpy as np
        from scipy import sparse

        model = _wordllama()
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            cleaned = [without_links(text) for text in texts[start : start + _CHUNK]]
            words = [encoding.ids for encoding in model.tokenizer.encode_batch_fast(cleaned, add_special_tokens=False)]
            bounds = np.cumsum([0, *map(len, words)])
            ids = np.fromiter(chain.from_iterable(words), np.int32, count=bounds[-1])
            counts = sparse.csr_matrix(
                (np.ones(len(ids), dtype=np.float32), ids, bounds), shape=(len(words), len(model.embedding))
            )
            # A row adds up the vectors of its own words in their order: no text's bits depend on its neighbours, as they do
            # where the library pools padded batches. The length of the sum is taken away, so that it need not be a mean.
            pooled = counts @ model.embedding
            norms = np.linalg.norm(pooled, axis=1, keepdims=True)
            np.divide(pooled, norms, out=rows[start : start + _CHUNK], where=norms > 0)
        return rows


@lru_cache(maxsize=1)
def _wordllama() -> Any:
    import logging
    from pathlib import Path

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        import wordllama
    except ImportError as error:
        raise EmbedderUnavailable(
            "The package wordllama is not installed.", "Install the project's dependencies."
        ) from error
    finally:
        # Importing wordllama configures the root logger, which would double every log line of the process.
        root.handlers[:] = handlers
        root.setLevel(level)
    try:
        # The tokenizer lies in `tokenizers/`, where the library only looks when it is told that this is its cache.
        model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, dim=256, disable_download=True)
    except FileNotFoundError as error:
        raise EmbedderUnavailable(
            "The weights of wordllama are missing from its wheel.", "Reinstall the package wordllama."
        ) from error
    model.tokenizer.no_padding()
    return model
