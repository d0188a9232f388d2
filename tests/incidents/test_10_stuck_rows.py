"""Incident 10: stuck rows at the head of the queue (147 commits). A thousand poison rows, and a fresh one posts on the next tick."""

from datetime import timedelta

import pytest

from xbot_dagster.domain.publishing.retries import LEASE


def poison(desk, count: int, **columns: str) -> None:
    """`count` rows due long before anything else; `columns` are SQL expressions."""
    row = {
        "decision_id": "gen_random_uuid()",
        "account": "'default'",
        "decision_type": "'single'",
        "text": "'Poison ' || n",
        "generation_source": "'synthetic'",
        "status": "'queued'",
        "scheduled_at": "xbot_now() - interval '3 days'",
        "simulated": "true",
        **columns,
    }
    desk.run(
        f"INSERT INTO content_metadata ({', '.join(row)}) SELECT {', '.join(row.values())} FROM generate_series(1, {count}) n"
    )


@pytest.mark.parametrize(
    ("columns", "becomes"),
    [
        ({"text": "repeat('far too long ', 40)"}, "rejected"),
        ({"text": "'https://example.com/' || n"}, "rejected"),
        ({"decision_type": "'thread'"}, "rejected"),
        ({"expires_at": "xbot_now() - interval '1 day'"}, "expired"),
        ({"presubmit_failures": "5"}, "queued"),
        ({"generation_source": "'real'"}, "queued"),
        ({"approval_required": "true"}, "queued"),
        (
            {
                "decision_type": "'reply'",
                "target_tweet_id": "(1212092628029698048 + n)::text",
                "target_username": "'a'",
            },
            "queued",
        ),
    ],
    ids=[
        "too long",
        "only an address",
        "no parts",
        "expired",
        "often failed",
        "other family",
        "unapproved",
        "another type",
    ],
)
def test_a_thousand_poison_rows_do_not_hold_a_fresh_one(desk, columns, becomes):
    poison(desk, 1000, **columns)
    fresh = desk.add("Fresh.")
    desk.post()
    assert desk.status(fresh) == "posted"
    counts = {row.status: row.n for row in desk.rows("SELECT status, count(*) AS n FROM content_metadata GROUP BY 1")}
    assert counts.get(becomes, 0) > 900


def test_a_claim_that_was_never_armed_comes_back_by_itself(desk):
    stuck = desk.add()

    def die(moment: str) -> None:
        if moment == "claimed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.post(hooks=die)
    assert desk.status(stuck) == "posting"
    other = desk.add()
    desk.post()
    assert desk.status(other) == "queued"
    desk.clock.set(desk.clock.now() + LEASE + timedelta(seconds=1))
    report = desk.post()
    assert report.recovered == 1
    assert (desk.status(stuck), desk.status(other)) == ("queued", "posted")
    desk.pass_time(minutes=31)
    desk.post()
    assert desk.status(stuck) == "posted"
