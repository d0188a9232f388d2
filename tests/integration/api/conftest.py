"""The API on the test's own database; see tests/operations_api.py."""

from tests.operations_api import admin, app, guarded, launcher, local  # noqa: F401
