"""Telling people and watchdogs: alerts through Apprise, the dead-man ping over HTTP. Failures come back as values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xbot_dagster.settings import Settings

_PING_SECONDS = 10.0
# Several addresses in one variable: separated by commas or blanks, each beginning with its scheme.
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z0-9]+://)")


@dataclass(frozen=True)
class Message:
    """What is sent: `severity` is info, warning or critical; `good` marks the news that something is over."""

    title: str
    body: str
    severity: str
    good: bool = False


class Notifier(Protocol):
    """Where alerts go. A channel's name never holds its password."""

    @property
    def channels(self) -> Sequence[str]: ...

    def send(self, channel: str, message: Message) -> str | None:
        """Send to one channel; None when it arrived, else why not."""
        ...

    def ping(self) -> str | None:
        """Tell the dead-man service that we live; None when it heard it, else why not."""
        ...


class AppriseNotifier:
    """The channels of ALERT_URLS (any address Apprise knows) and the dead-man service at DEADMAN_URL."""

    def __init__(self, settings: Settings) -> None:
        import apprise

        self._deadman = settings.DEADMAN_URL
        self.targets: dict[str, apprise.NotifyBase | None] = {}
        for position, address in enumerate(addresses(settings), 1):
            made = apprise.Apprise.instantiate(address, suppress_exceptions=True)
            target = made if isinstance(made, apprise.NotifyBase) else None
            name = target.url(privacy=True) if target is not None else f"address {position} of ALERT_URLS"
            self.targets[name.split("?", 1)[0]] = target

    @property
    def channels(self) -> Sequence[str]:
        return list(self.targets)

    def send(self, channel: str, message: Message) -> str | None:
        import logging

        import apprise

        target = self.targets.get(channel)
        if target is None:
            return "not an address that Apprise knows"
        kind = apprise.NotifyType.SUCCESS if message.good else _kinds()[message.severity]
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            done = target.notify(body=message.body, title=message.title, notify_type=kind)
            said.seek(0)
            reason = said.read().strip().splitlines()
        return None if done else (reason[-1] if reason else "the service refused it")

    def ping(self) -> str | None:
        import httpx2

        if self._deadman is None:
            return None
        try:
            answer = httpx2.get(self._deadman.get_secret_value(), timeout=_PING_SECONDS, follow_redirects=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return f"no answer ({type(error).__name__})"
        return None if answer.is_success else f"HTTP {answer.status_code}"


def addresses(settings: Settings) -> list[str]:
    """The single addresses of ALERT_URLS."""
    raw = settings.ALERT_URLS.get_secret_value() if settings.ALERT_URLS else ""
    return [address for address in _BETWEEN.split(raw.strip()) if address]


def _kinds():
    import apprise

    kinds = apprise.NotifyType
    return {"info": kinds.INFO, "warning": kinds.WARNING, "critical": kinds.FAILURE}
