"""What an account's own past looked like from the moment a post was planned: nothing that became known later."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

RECENT = 10  # posts behind a lagged mean: a week at one or two a day
_NAMES = ("lag_log_impressions", "lag_log_retweets", "lag_er")


@dataclass(frozen=True)
class KnownOutcome:
    """A measured post and the moment its final counts were known."""

    known_at: datetime
    impressions: int | None
    retweets: int | None
    er: float | None


class History:
    """The past of one account, asked for any moment. `posted`: times of all posts; `outcomes`: those measured."""

    def __init__(self, posted: Sequence[datetime], outcomes: Sequence[KnownOutcome]) -> None:
        self._posted = sorted(posted)
        self._outcomes = sorted(outcomes, key=lambda o: o.known_at)
        self._known_at = [o.known_at for o in self._outcomes]

    def lagged(self, planned_at: datetime) -> dict[str, float | int | None]:
        """Lagged features at `planned_at`: posting pace and means over the last `RECENT` outcomes known strictly before.

        Means are None without any known outcome; log1p for counts, a fraction for the engagement rate.
        """
        before = bisect_left(self._posted, planned_at)
        day = before - bisect_left(self._posted, planned_at - timedelta(days=1))
        last = (planned_at - self._posted[before - 1]).total_seconds() / 3600 if before else None
        known = bisect_left(self._known_at, planned_at)
        recent = self._outcomes[max(0, known - RECENT) : known]
        columns = (
            [math.log1p(o.impressions) for o in recent if o.impressions is not None],
            [math.log1p(o.retweets) for o in recent if o.retweets is not None],
            [o.er for o in recent if o.er is not None],
        )
        means = {name: math.fsum(c) / len(c) if c else None for name, c in zip(_NAMES, columns, strict=True)}
        return {"lag_posts_24h": day, "lag_hours_since_post": last, "lag_outcomes": known, **means}
