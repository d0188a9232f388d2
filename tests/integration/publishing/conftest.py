"""The publishing fixtures, for this folder."""

from tests.publishing_world import browser_desk, desk, host, make_desk, replica, world

__all__ = ["browser_desk", "desk", "host", "make_desk", "replica", "world"]
