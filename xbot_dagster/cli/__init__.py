"""The `xbot` command: one module per command group, mounted in `main`."""

from xbot_dagster.cli.main import main

__all__ = ["main"]
