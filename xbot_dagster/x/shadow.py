"""The shadow publisher: the whole path up to the submit, and no way to reach a network. It imports nothing that could."""

from collections.abc import Callable
from datetime import datetime

from xbot_dagster.x.protocols import NotSent, OutgoingPost, Probe, PublishResult, Timeline


class ShadowPublisher:
    """Never arms, never submits: a post comes back as provably not sent."""

    name = "shadow"
    real = False

    def probe(self, account: str, handle: str) -> Probe:
        """Shadow needs no session, so it is always in order."""
        return Probe("ok", handle, None, "shadow")

    def publish(self, post: OutgoingPost, arm: Callable[[], None]) -> PublishResult:
        """Say what would have been posted. `arm` is not called: there is no intent to submit."""
        return NotSent("shadow mode", {"would_post": post.text, "reply_to": post.reply_to})

    def timeline(self, account: str, handle: str, since: datetime) -> Timeline:
        """Nothing was submitted, so nothing can be seen."""
        return Timeline((), False, "shadow mode reads no timeline")

    def close(self) -> None:
        """Nothing is open."""
