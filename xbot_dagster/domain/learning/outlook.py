"""How many more days an experiment needs, at the pace it has had so far."""

from xbot_dagster.domain.learning.lift import MIN_DAYS
from xbot_dagster.domain.learning.offpolicy import MIN_EFFECTIVE

_POWER = 1.96 + 0.84  # seen at the 5 % level with 80 % power


def days_still_needed(
    *, days: float, effective_n: float | None, lift: float | None, se: float | None, told: bool
) -> float | None:
    """Days until the question can be answered: 0 where it is (`told`), None where the pace so far says nothing.

    days: how long it has run. A refused lift (None) first needs enough posts and days; an uncertain one needs its standard
    error, which falls with the root of the time, to become small against the effect seen so far.
    """
    if told:
        return 0.0
    if days <= 0 or not effective_n:
        return None
    if lift is None or se is None:
        return max(0.0, days * (MIN_EFFECTIVE / effective_n - 1), MIN_DAYS - days)
    return days * max(0.0, (_POWER * se / abs(lift)) ** 2 - 1) if lift else None
