"""Random generators made from the deployment's seed and a named purpose, so that one seed repeats every choice."""

import hashlib
import uuid

import numpy as np

# The namespace of decision ids in the sandbox; a fixed random constant of this project.
_DECISIONS = uuid.UUID("6f2d8c1e-2f0b-4e0a-9a57-6f1d0c1b7a10")


def seeded(seed: int, *purpose: object) -> np.random.Generator:
    """A generator that depends on the seed and every word of the purpose, and on nothing else."""
    digest = hashlib.sha256("\x1f".join([str(seed), *map(str, purpose)]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def seeded_id(seed: int, *purpose: object) -> uuid.UUID:
    """A uuid5 of the seed and the purpose: the same words give the same id in every run."""
    return uuid.uuid5(_DECISIONS, "\x1f".join([str(seed), *map(str, purpose)]))
