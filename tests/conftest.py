"""Fixtures for every room's tests."""

from tests.postgres import postgres  # noqa: F401  found here by pytest
