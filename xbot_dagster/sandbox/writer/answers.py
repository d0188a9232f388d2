"""Replies to people: a pool by what they said, sometimes with an ending in the order's style."""

import numpy as np

from xbot_dagster.sandbox.text import weighted_length
from xbot_dagster.sandbox.writer.brief import Brief
from xbot_dagster.sandbox.writer.material import load

ENDING_CHANCE = 0.6


def answer(brief: Brief, rng: np.random.Generator) -> str:
    """A short reply to `brief.reply_to_text`, within `brief.max_chars`."""
    material = load("answers.yaml")
    heard = (brief.reply_to_text or "").lower()
    pool = next(rule["answers"] for rule in material["rules"] if any(word in heard for word in rule["words"]))
    text = str(pool[int(rng.integers(len(pool)))])
    endings = material["endings"].get(brief.style, [])
    if endings and rng.random() < ENDING_CHANCE:
        longer = f"{text} {endings[int(rng.integers(len(endings)))]}"
        if weighted_length(longer) <= brief.max_chars and not text.endswith("?"):
            text = longer
    while weighted_length(text) > brief.max_chars and " " in text:
        text = text.rsplit(" ", 1)[0]
    return text
