"""The measured history, for this folder."""

from tests.learning_world import history, snapshot

__all__ = ["history", "snapshot"]
