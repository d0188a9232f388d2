"""The fixtures of the content tests live in tests/content_world.py, which the incident tests use as a plugin."""

import pytest

pytest.register_assert_rewrite("tests.content_world")

from tests.content_world import cache, filled, llm, llm_settings, policies, world, world_settings, writer  # noqa: E402

__all__ = ["cache", "filled", "llm", "llm_settings", "policies", "world", "world_settings", "writer"]
