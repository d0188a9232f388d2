import uuid

import pytest

from xbot_dagster.domain.publishing import retries, rollout, states


def test_the_draw_sticks_to_the_decision():
    decision = str(uuid.uuid4())
    first = rollout.draw(7, decision, 0.3)
    assert rollout.draw(7, decision, 0.3) == first
    # A growing fraction only ever adds decisions.
    assert first.goes_out <= rollout.draw(7, decision, 0.8).goes_out


def test_the_draw_is_uniform_and_its_propensity_is_that_of_what_happened():
    drawn = [rollout.draw(7, str(uuid.UUID(int=n)), 0.3) for n in range(4000)]
    share = sum(d.goes_out for d in drawn) / len(drawn)
    assert 0.27 < share < 0.33
    assert {d.propensity for d in drawn if d.goes_out} == {0.3}
    assert {d.propensity for d in drawn if not d.goes_out} == {0.7}


def test_the_ends_of_the_fraction_are_certain():
    ids = [str(uuid.UUID(int=n)) for n in range(500)]
    assert all(rollout.draw(1, i, 1.0).goes_out for i in ids)
    assert not any(rollout.draw(1, i, 0.0).goes_out for i in ids)
    with pytest.raises(ValueError, match="between 0 and 1"):
        rollout.draw(1, ids[0], 1.5)


def test_nothing_leads_from_an_armed_attempt_back_to_a_retry():
    reachable, open_states = set(), ["armed"]
    while open_states:
        for after in states.ATTEMPT_TRANSITIONS[open_states.pop()]:
            if after not in reachable:
                reachable.add(after)
                open_states.append(after)
    assert not reachable & {"claimed", "armed", "not_sent"}


def test_only_the_timeline_or_a_late_answer_ends_a_doubt():
    assert states.ATTEMPT_TRANSITIONS["in_doubt"] == {"posted", "rejected", "deferred", "not_live"}
    assert states.before(states.ATTEMPT_TRANSITIONS, "in_doubt") == ["armed"]
    assert states.before(states.DECISION_TRANSITIONS, "posting") == ["queued"]
    assert not states.DECISION_TRANSITIONS["shadowed"]


def test_failures_before_the_submit_are_given_up_in_the_end():
    pauses = [retries.backoff(n) for n in range(1, retries.GIVE_UP_AFTER)]
    assert all(pause is not None for pause in pauses)
    assert pauses == sorted(pauses, key=lambda pause: pause.total_seconds() if pause else 0)
    assert retries.backoff(retries.GIVE_UP_AFTER) is None
