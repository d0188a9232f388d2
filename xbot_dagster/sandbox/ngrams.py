"""Vectors from hashed character n-grams: texts that share wording are close. Serves novelty and the writer's
embeddings."""

import re
import zlib
from functools import lru_cache

import numpy as np

SIZES = (3, 4, 5)
WORD_WEIGHT = 2.0  # whole words say more about the subject than fragments do


@lru_cache(maxsize=4096)
def vector(text: str, dimensions: int = 256) -> np.ndarray:
    """Unit vector of shape (dimensions,), float32; the zero text gives a fixed unit vector so that cosines stay
    defined."""
    folded = " ".join(re.findall(r"[\w']+", text.casefold()))
    total = np.zeros(dimensions, dtype=np.float64)
    for size in SIZES:
        for start in range(max(0, len(folded) - size + 1)):
            _add(total, folded[start : start + size], 1.0)
    for word in folded.split():
        _add(total, f"<{word}>", WORD_WEIGHT)
    total = np.sign(total) * np.sqrt(np.abs(total))
    norm = float(np.linalg.norm(total))
    if norm == 0:
        total[0], norm = 1.0, 1.0
    return (total / norm).astype(np.float32)


def _add(total: np.ndarray, gram: str, weight: float) -> None:
    code = zlib.crc32(gram.encode())
    total[code % len(total)] += weight if code & 0x80000000 else -weight
