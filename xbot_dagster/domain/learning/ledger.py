"""Which outcome rows a policy has taken in: final ones once, provisional ones until their final pass replaces them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from xbot_dagster.domain.learning.policy import HOURS, Outcome, days_since_epoch

FINAL_PASS, PROVISIONAL_PASS = 2, 1
MEMORY_DAYS = (
    90.0  # a final row this much older than the newest is refused: whether it was learned is no longer on record
)
PROVISIONAL_DAYS = 7.0  # a first pass whose final one never came (deleted, locked, 404) stops counting after this


def problem_of(row: Outcome, now: datetime) -> str | None:
    """Why a row cannot be learned from; None when it can."""
    if row.collected_pass not in (PROVISIONAL_PASS, FINAL_PASS):
        return "ad hoc read, not one of the two passes"
    if not 0 <= row.hour < HOURS:
        return "hour outside 0..23"
    if row.posted_at.timestamp() > now.timestamp():
        return "posted after now: the clock went back"
    if row.impressions is None or not math.isfinite(row.impressions):
        return "impressions not measured"
    if row.impressions < 1:
        return "no impressions"
    if all(count is None or not math.isfinite(count) for count in (row.follows, row.retweets, row.replies)):
        return "no count measured"
    return None


@dataclass
class Ledger:
    """Final ids with the day they were posted (UTC days since the epoch), and the provisional rows themselves."""

    final: dict[str, float] = field(default_factory=dict)
    provisional: dict[str, Outcome] = field(default_factory=dict)
    newest: float = -math.inf

    def sort(self, rows: Sequence[Outcome], now: datetime) -> tuple[list[Outcome], int, dict[str, int]]:
        """(final rows to learn now, oldest first; how many replaced a provisional row; skipped reasons with counts)."""
        skipped: dict[str, int] = {}
        fresh: list[Outcome] = []
        replaced = 0
        for row in sorted(rows, key=lambda r: (days_since_epoch(r.posted_at), r.id, r.collected_pass)):
            posted = days_since_epoch(row.posted_at)
            reason = problem_of(row, now)
            if reason is None and row.id in self.final:
                reason = "already learned"
            if reason is None and posted < self.newest - MEMORY_DAYS:
                reason = f"older than {MEMORY_DAYS:.0f} days before the newest post learned"
            if reason is not None:
                skipped[reason] = skipped.get(reason, 0) + 1
            elif row.collected_pass == PROVISIONAL_PASS:
                self.provisional[row.id] = row
            else:
                replaced += self.provisional.pop(row.id, None) is not None
                self.final[row.id] = posted
                self.newest = max(self.newest, posted)
                fresh.append(row)
        horizon = self.newest - MEMORY_DAYS
        self.final = {key: day for key, day in self.final.items() if day >= horizon}
        today = days_since_epoch(now)
        self.provisional = {
            key: row
            for key, row in self.provisional.items()
            if today - days_since_epoch(row.posted_at) <= PROVISIONAL_DAYS
        }
        return fresh, replaced, skipped

    def state(self) -> dict[str, Any]:
        provisional = [{**asdict(row), "posted_at": row.posted_at.isoformat()} for row in self.provisional.values()]
        return {"final": self.final, "provisional": provisional}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Ledger:
        rows = [
            Outcome(**{**row, "posted_at": datetime.fromisoformat(row["posted_at"])}) for row in state["provisional"]
        ]
        final = {str(key): float(day) for key, day in state["final"].items()}
        return cls(final, {row.id: row for row in rows}, max(final.values(), default=-math.inf))
