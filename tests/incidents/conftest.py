"""The publishing fixtures for the incidents of publishing."""

from tests.publishing_world import browser_desk, desk, host, make_desk, replica, world

__all__ = ["browser_desk", "desk", "host", "make_desk", "replica", "world"]
