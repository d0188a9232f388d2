"""The documented exploration schedule: epsilon falls linearly from its start to a floor over fourteen days.

A pure function of stored instants, so that a restart, a daylight-saving change or a midnight cannot move it.
"""

from __future__ import annotations

from datetime import datetime

EPSILON_START = 0.20
EPSILON_FLOOR = 0.05
EPSILON_DAYS = 14.0


def epsilon_at(
    now: datetime,
    first_outcome_at: datetime | None,
    start: float = EPSILON_START,
    floor: float = EPSILON_FLOOR,
    days: float = EPSILON_DAYS,
    anchored_at: datetime | None = None,
    anchored_value: float | None = None,
) -> float:
    """Exploration share in [0, 1] at `now` (all instants aware, any zone).

    It starts at `start` with the family's first outcome (before it: `start`). An operator's change re-anchors it:
    from `anchored_at` it falls from `anchored_value` to `floor` over `days`. A value below the floor is the operator's
    wish and stays. A clock that went back reads as the anchor's own instant.
    """
    for name, instant in (("now", now), ("first_outcome_at", first_outcome_at), ("anchored_at", anchored_at)):
        if instant is not None and instant.utcoffset() is None:
            raise ValueError(f"{name} must carry a time zone")
    # Python subtracts two instants of one zone by the wall clock, which is an hour off on the night clocks change.
    origin = None if first_outcome_at is None else first_outcome_at.timestamp()
    if anchored_at is not None and anchored_value is not None:
        start = anchored_value
        origin = None if origin is None else max(anchored_at.timestamp(), origin)
    start = min(1.0, max(0.0, start))
    if origin is None or start <= floor:
        return start
    elapsed_days = max(0.0, (now.timestamp() - origin) / 86_400)
    return start + (floor - start) * min(1.0, elapsed_days / days) if days > 0 else floor
