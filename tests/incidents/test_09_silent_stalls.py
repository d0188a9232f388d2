"""Incident 9 (its part in posting): 120 hours without a post and nobody knew why. Every tick says what stood in the way."""

import pytest

from tests.publishing_world import set_config


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda d: set_config(d, "controls", stop_posting=True), "stop_posting=true"),
        (lambda d: d.run("UPDATE accounts SET circuit_state = 'open', circuit_reason = 'ghost post 1'"), "circuit open: ghost post 1"),
        (lambda d: set_config(d, "learning_config", quiet_hours=[12]), "quiet hour 12 in UTC"),
        (lambda d: d.world.client.set_fault("locked"), "session locked: the account is locked"),
        (lambda d: d.world.client.set_fault("suspended"), "session suspended: the account is suspended"),
    ],
)  # fmt: skip
def test_each_thing_that_stands_in_the_way_is_named(desk, prepare, reason):
    decision = desk.add()
    prepare(desk)
    report = desk.post()
    assert report.reasons == {"default": reason}
    assert report.reason == reason
    assert desk.status(decision) == "queued"


def test_the_limits_the_doubt_and_the_empty_queue_are_named(desk):
    assert desk.post().reason == "nothing due"
    desk.add(minutes_ago=2)
    desk.post()
    desk.add()
    assert desk.post().reason == "less than 30 min since the last post"
    desk.pass_time(hours=1)
    desk.world.client.set_fault("accept_drop_response")
    desk.post()
    late = desk.add()
    assert "is in doubt until the timeline has been read" in desk.post().reason
    assert desk.status(late) == "queued"


def test_a_doubt_that_lasts_raises_an_alert(desk):
    desk.add()
    desk.post()
    desk.pass_time(hours=1)
    desk.world.client.set_fault("drop_request")
    decision = desk.add()
    desk.post()
    desk.publisher = Blind(desk.publisher)
    desk.settle(minutes=45)
    assert desk.status(decision) == "in_doubt"
    assert ("in_doubt", decision) in desk.alerts()


class Blind:
    """A publisher whose timeline never loads."""

    name, real = "recorded", True

    def __init__(self, honest) -> None:
        self.probe, self.publish, self.close = honest.probe, honest.publish, honest.close

    def timeline(self, account, handle, since):
        from xbot_dagster.x.protocols import Timeline

        return Timeline((), False, "the profile did not load")
