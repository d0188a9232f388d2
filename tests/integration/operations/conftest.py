"""The operations tests share the API's fixtures; see tests/operations_api.py."""

from tests.operations_api import admin, app, guarded, launcher, local  # noqa: F401
