"""The `xbot` command."""
