from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from xbot_dagster.domain.publishing.fingerprint import fingerprint
from xbot_dagster.domain.publishing.reconciling import Doubt, ghosts, judge

ARMED = datetime(2026, 11, 8, 12, tzinfo=UTC)
TEXT = "Twenty minutes of walking after lunch."


def tweet_id(at: datetime, number: int = 0) -> str:
    return str((int(at.timestamp() * 1000) - 1288834974657 << 22) + number)


@dataclass(frozen=True)
class Seen:
    tweet_id: str
    text: str = "Something older."
    handle: str = "walker"
    pinned: bool = False
    repost: bool = False


def doubt(**changes):
    standard = {
        "handle": "Walker",
        "fingerprint": fingerprint(TEXT),
        "armed_at": ARMED,
        "looks": 0,
        "convincing_looks": 0,
        "baseline": None,
        "baseline_empty": False,
        "not_live_before": 0,
    }
    return Doubt(**{**standard, **changes})


OLDER = Seen(tweet_id(ARMED - timedelta(days=1)))


def test_the_post_with_our_text_is_adopted():
    live = Seen(tweet_id(ARMED + timedelta(seconds=3)), TEXT)
    found = judge(doubt(), [OLDER, live], True, ARMED + timedelta(seconds=10))
    assert (found.verdict, found.tweet_ids) == ("adopt", (live.tweet_id,))


def test_of_two_live_copies_the_oldest_comes_first():
    first, second = (Seen(tweet_id(ARMED + timedelta(seconds=s)), TEXT) for s in (3, 9))
    assert judge(doubt(), [second, first], True, ARMED).tweet_ids == (first.tweet_id, second.tweet_id)


@pytest.mark.parametrize(
    "stranger",
    [
        Seen(tweet_id(ARMED + timedelta(seconds=3)), "Another text."),
        Seen(tweet_id(ARMED + timedelta(seconds=3)), TEXT, handle="somebody"),
        Seen(tweet_id(ARMED + timedelta(seconds=3)), TEXT, pinned=True),
        Seen(tweet_id(ARMED + timedelta(seconds=3)), TEXT, repost=True),
        Seen(tweet_id(ARMED - timedelta(days=40)), TEXT),
    ],
    ids=["other text", "other author", "pinned", "repost", "older than the submit"],
)
def test_nothing_else_is_ever_adopted(stranger):
    assert judge(doubt(), [stranger], True, ARMED + timedelta(hours=1)).verdict != "adopt"


def test_an_id_that_another_attempt_holds_is_not_adopted_again():
    live = Seen(tweet_id(ARMED + timedelta(seconds=3)), TEXT)
    assert judge(doubt(), [live], True, ARMED, taken={live.tweet_id}).verdict == "wait"


def test_the_looks_grow_apart():
    waits = []
    now = ARMED
    for looks in range(6):
        found = judge(doubt(looks=looks), [], True, now)
        assert found.next_look is not None
        waits.append((found.next_look - now).total_seconds())
    assert waits == [10, 30, 120, 600, 600, 600]


def test_an_empty_or_broken_page_is_no_evidence_however_often():
    late = ARMED + timedelta(days=1)
    assert judge(doubt(looks=99, convincing_looks=0), [], True, late).verdict == "wait"
    assert judge(doubt(looks=99, convincing_looks=9), [OLDER], False, late).verdict == "wait"


def test_not_live_needs_ten_minutes_and_three_looks_that_showed_an_older_post():
    ten = ARMED + timedelta(minutes=10)
    assert judge(doubt(convincing_looks=2), [OLDER], True, ten).verdict == "requeue"
    assert judge(doubt(convincing_looks=1), [OLDER], True, ten).verdict == "wait"
    assert judge(doubt(convincing_looks=9), [OLDER], True, ten - timedelta(seconds=1)).verdict == "wait"


def test_a_pinned_post_is_no_older_post():
    pinned = Seen(OLDER.tweet_id, pinned=True)
    assert judge(doubt(convincing_looks=9), [pinned], True, ARMED + timedelta(hours=1)).verdict == "wait"


def test_a_fresh_account_is_convinced_by_the_empty_timeline_it_started_from():
    late = ARMED + timedelta(minutes=11)
    assert judge(doubt(convincing_looks=2, baseline_empty=True), [], True, late).verdict == "requeue"


def test_the_second_time_a_person_decides():
    late = ARMED + timedelta(minutes=11)
    assert judge(doubt(convincing_looks=2, not_live_before=1), [OLDER], True, late).verdict == "needs_human"


@pytest.mark.parametrize("baseline", [{"baseline": OLDER.tweet_id}, {"baseline_empty": True}])
def test_a_clock_that_jumped_ahead_does_not_hide_a_live_post(baseline):
    """Our clock said 12:00, X's said 08:00: the post is newer than everything seen before, whatever the clocks say."""
    live = Seen(tweet_id(ARMED - timedelta(hours=4)), TEXT)
    found = judge(doubt(**baseline), [OLDER, live], True, ARMED + timedelta(minutes=11))
    assert found.tweet_ids == (live.tweet_id,)


def test_ghosts_are_own_posts_that_no_row_explains():
    known, unknown, old = (Seen(tweet_id(ARMED + timedelta(minutes=m))) for m in (1, 2, -600))
    repost = Seen(tweet_id(ARMED + timedelta(minutes=3)), repost=True)
    assert ghosts([old, known, unknown, repost], "walker", ARMED, {known.tweet_id}) == (unknown.tweet_id,)
