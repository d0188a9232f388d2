"""Dagster resources: each hands out a plain object of the rooms below. `opening` does the same for commands and the API."""
