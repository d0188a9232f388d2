"""Small made-up accounts with a known best arm, for tests of the policies."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from xbot_dagster.domain.learning.policy import Outcome

START = datetime(2026, 3, 1, tzinfo=UTC)
ARMS = ("educational", "story", "question", "contrarian")
CONTEXT: Mapping[str, Any] = {"topic": "space", "hook": "none", "novelty": 0.65}
RATES = {"follows": 0.08e-3, "retweets": 1.3e-3, "replies": 0.5e-3}


def outcome(number: int = 0, **changes: Any) -> Outcome:
    """One measured post of the first arm; every field can be changed."""
    row: dict[str, Any] = {
        "id": f"post-{number}",
        "arm": ARMS[0],
        "hour": 12,
        "posted_at": START + timedelta(hours=number),
        "collected_pass": 2,
        "impressions": 1500,
        "follows": 0,
        "retweets": 2,
        "replies": 1,
        "context": CONTEXT,
    }
    return Outcome(**{**row, **changes})


def history(
    days: int,
    effects: Mapping[str, float],
    seed: int = 0,
    per_day: int = 12,
    hour_effect: Mapping[int, float] | None = None,
) -> list[Outcome]:
    """Posts of uniformly chosen arms and hours whose log rates are shifted by `effects` of their arm."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(days * per_day):
        arm, hour = str(rng.choice(list(effects))), int(rng.integers(24))
        shown = int(1500 * np.exp(0.5 * rng.standard_normal()))
        lift = np.exp(effects[arm] + (hour_effect or {}).get(hour, 0.0))
        counts = {name: int(rng.poisson(rate * lift * shown * rng.gamma(4, 1 / 4))) for name, rate in RATES.items()}
        posted = START + timedelta(days=number // per_day, hours=hour)
        rows.append(outcome(number, arm=arm, hour=hour, posted_at=posted, impressions=shown, **counts))
    return rows


def after(days: int) -> datetime:
    """The planning instant when the outcomes of that many days are in."""
    return START + timedelta(days=days + 2)
