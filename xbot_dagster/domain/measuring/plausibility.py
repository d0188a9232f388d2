"""Counts that cannot be true of this post. Such a read goes to quarantine with its raw form, never into learning."""

from dataclasses import dataclass

from xbot_dagster.domain.measuring.counts import Counts

_ABSURD = 10**11  # more than ten views by everybody alive
_TOLERANCE = 0.02  # X corrects counts down by a little when it removes spam
_TOLERANCE_APPROXIMATE = 0.06  # 1.2K may stand for 1150..1249
_SLACK = 5  # small numbers may wobble by a few
_COLLAPSE = 0.5  # likes, reposts and follows may be taken back, but not most of them
_COLLAPSE_FROM = 20
_PART_OF_IMPRESSIONS = ("likes", "retweets", "replies", "bookmarks", "profile_visits", "link_clicks", "follows")
_ONLY_GROW = ("impressions", "engagements", "profile_visits", "link_clicks")
_MAY_BE_TAKEN_BACK = ("likes", "retweets", "replies", "bookmarks", "follows")
JUMP_FACTOR = 200  # times the account's best post of the last 90 days …
JUMP_FLOOR = 20_000  # … and at least this many likes or reposts: the stranger's post that was once credited to ours


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `confirmable`: rare but possible, accepted when a later read says the same."""

    reason: str
    confirmable: bool = False


def check(
    counts: Counts,
    previous: Counts | None = None,
    *,
    approximate: bool = False,
    account_best: int | None = None,
) -> list[Finding]:
    """What is implausible about `counts`, given the earlier pass and the account's largest likes or reposts so far."""
    known = counts.known()
    found = [Finding(f"{name}={value} is negative") for name, value in known.items() if value < 0 and name != "follows"]
    found += [Finding(f"{name}={value} is absurd") for name, value in known.items() if abs(value) > _ABSURD]
    if found:
        return found
    found += _against_impressions(known)
    if previous is not None:
        found += _against_earlier(known, previous.known(), _TOLERANCE_APPROXIMATE if approximate else _TOLERANCE)
    if account_best is not None:
        loudest = max(known.get("likes", 0), known.get("retweets", 0))
        if loudest > max(JUMP_FLOOR, JUMP_FACTOR * account_best):
            found.append(Finding(f"{loudest} likes or reposts against {account_best} of the best post so far", True))
    return found


def confirms(counts: Counts, quarantined: Counts) -> bool:
    """Whether a later read supports one in quarantine: nothing smaller, and not twice as much."""
    earlier, later = quarantined.known(), counts.known()
    shared = [name for name in ("impressions", "likes", "retweets") if name in earlier and name in later]
    return bool(shared) and all(
        earlier[name] * (1 - _TOLERANCE) <= later[name] <= 2 * earlier[name] + _SLACK for name in shared
    )


def _against_impressions(known: dict[str, int]) -> list[Finding]:
    impressions = known.get("impressions")
    if impressions is None:
        return []
    return [
        Finding(f"{name}={known[name]} exceeds impressions={impressions}")
        for name in _PART_OF_IMPRESSIONS
        if known.get(name, 0) > impressions * (1 + _TOLERANCE_APPROXIMATE) + _SLACK
    ]


def _against_earlier(known: dict[str, int], earlier: dict[str, int], tolerance: float) -> list[Finding]:
    found = []
    for name in _ONLY_GROW:
        if name in known and name in earlier and known[name] < earlier[name] * (1 - tolerance) - _SLACK:
            found.append(Finding(f"{name} fell from {earlier[name]} to {known[name]}"))
    for name in _MAY_BE_TAKEN_BACK:
        before = earlier.get(name, 0)
        if name in known and before >= _COLLAPSE_FROM and known[name] < before * _COLLAPSE:
            found.append(Finding(f"{name} collapsed from {before} to {known[name]}"))
    return found
