"""The measuring fixtures, for this folder."""

from tests.measuring_world import handle, host, metrics, publish, quick, reader, replica, world

__all__ = ["handle", "host", "metrics", "publish", "quick", "reader", "replica", "world"]
