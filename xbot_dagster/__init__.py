"""xbot_dagster: plans, gates, queues, publishes and measures an X account's posts, and learns from what really happened."""

__version__ = "0.1.0"
