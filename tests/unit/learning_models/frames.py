"""Small training frames with a planted effect, made here so that no real data is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

START = datetime(2024, 1, 1, 6, tzinfo=UTC)
OPENINGS = ("Sleep", "Coffee", "Running", "Reading", "Focus", "Rest", "Music", "Cooking")
BODIES = (
    "helps more than people say.",
    "is worth another look today.",
    "changed how I work.",
    "takes patience and time.",
)


def frame(n: int = 300, *, seed: int = 1, effect: float = 1.2, every_minutes: int = 120) -> pd.DataFrame:
    """Posts every two hours. `effect`: log-impressions that a question mark and the word 'Coffee' add."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(n):
        posted = START + timedelta(minutes=every_minutes * index)
        opening = OPENINGS[rng.integers(len(OPENINGS))]
        question = bool(rng.random() < 0.4)
        text = f"{opening} {BODIES[rng.integers(len(BODIES))]}" + (" What do you think?" if question else "")
        level = 6.0 + effect * question + effect * (opening == "Coffee") + rng.normal(0, 0.6)
        impressions = int(np.exp(level))
        engagements = int(rng.binomial(impressions, 0.03))
        rows.append(
            {
                "decision_id": f"00000000-0000-0000-0000-{index:012d}",
                "text": text,
                "posted_at": posted,
                "collected_at": posted + timedelta(hours=24),
                "impressions": impressions,
                "retweets": int(rng.binomial(impressions, 0.004)),
                "replies": int(rng.binomial(impressions, 0.001)),
                "likes": int(rng.binomial(impressions, 0.01)),
                "profile_visits": int(rng.binomial(impressions, 0.005)),
                "link_clicks": 0,
                "follows": 0,
                "engagements": engagements,
                "arm": "educational" if rng.random() < 0.5 else "personal",
                "topic": opening.lower(),
                "hook_pattern": None,
                "decision_type": "single",
            }
        )
    return pd.DataFrame(rows)


def end_of(posts: pd.DataFrame) -> datetime:
    """A moment at which every outcome of the frame is known."""
    return posts["collected_at"].max().to_pydatetime() + timedelta(minutes=1)


def without_outcomes(posts: pd.DataFrame) -> pd.DataFrame:
    """The same posts as they look when they are planned."""
    known = ["decision_id", "text", "posted_at", "arm", "topic", "hook_pattern", "decision_type"]
    return posts[known].copy()
